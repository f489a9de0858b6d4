"""A new release proved before anybody's question: on a serverless endpoint of its own, which costs nothing at rest.

Used by release, which removes it once the release has the stage's traffic, and by canary, which gives it a share.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from backend.deploy import endpoint, registry, trial
from backend.deploy.plan import Plan

if TYPE_CHECKING:
    from backend.deploy.plan import Release
    from backend.deploy.stage import Stage

TRIAL = Plan(concurrency=1)  # a new account has 10 serverless answers at once for all its endpoints


class Prepared(NamedTuple):
    """A release with what it needs before it is served anywhere: its registry ARN and its model's name."""

    release: Release
    package: str
    model: str


def prove(stage: Stage, new: Prepared, max_ms: float, plan: Plan = TRIAL) -> None:
    """Serve the release on the candidate's endpoint and try it there. Raises TrialError.

    What fails is rejected and removed; the stage's endpoint is not touched.
    """
    name = stage.candidate
    endpoint.ours(stage, name)
    config = endpoint.ensure_config(stage, new.model, plan)
    endpoint.serve(stage, config, name)
    if stage.dry_run:
        return
    try:
        said = trial.try_endpoint(stage.client("sagemaker-runtime"), name, new.release.folder, max_ms)
    except trial.TrialError as error:
        registry.reject(stage, new.package, str(error))
        remove(stage)
        raise trial.TrialError(f"{error} It never had the stage's traffic, which goes on as before.") from None
    print(f"  tried before traffic: {said}")


def remove(stage: Stage) -> None:
    """Remove the candidate's endpoint, if there is one."""
    endpoint.remove(stage, stage.candidate)
