"""Where AWS keeps its TensorFlow images: images.json, an account for each region, as SageMaker's SDK publishes it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

from backend.deploy.refusals import StageError

if TYPE_CHECKING:
    from backend.deploy.stage import Stage

TABLE = Path(__file__).with_name("images.json")
SERVING = "tensorflow-inference:2.20-cpu-py312"
TRAINING = "tensorflow-training:2.21-cpu-py312"
URI = re.compile(r"(\d{12})\.dkr\.ecr\.([a-z0-9-]+)\.amazonaws\.com(?:\.cn)?/([^:@]+)[:@].+")


def uri(stage: Stage, image: str) -> str:
    """The URI of AWS's image in the stage's region. Raises StageError where AWS has none there."""
    accounts: dict[str, str] = json.loads(TABLE.read_text())["accounts"]
    if stage.region not in accounts:
        raise StageError(
            f"AWS keeps no TensorFlow image in {stage.region}: choose another region, MODE=embedded, or give --image."
        )
    return f"{accounts[stage.region]}.dkr.ecr.{stage.region}.{stage.domain}/{image}"


def place(image: str) -> dict[str, str]:
    """What a role's policy asks of an image: the account that keeps it and its repository. Raises StageError."""
    found = URI.fullmatch(image)
    if found is None:
        raise StageError(f"--image {image} is not an image in ECR: SageMaker takes none from elsewhere.")
    return {"image_account": found[1], "image_region": found[2], "image_repository": found[3]}
