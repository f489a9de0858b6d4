"""Jobs on SageMaker: `python -m training.submit train|batch --stage dev`: a training job, or a batch transform to CSV.

`train` runs training.train unchanged in AWS' TensorFlow image and has its artifact measured here before it may ship;
`batch` classifies a folder or an S3 prefix of pictures with the release that the stage serves. Needs `.[sagemaker]`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from backend.stage import Stage


def stop(stage: Stage) -> None:
    """Stop what is still running."""
