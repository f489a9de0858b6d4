"""SageMaker's half of a stage: a release goes onto the endpoint, is tried there, and stays or is taken back.

Every function may be stopped at any point and run again: it finds what is there and goes on.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from backend.deploy import endpoint, registry, trial
from backend.deploy.buckets import bucket_part, ensure_bucket
from backend.deploy.logs import ensure_log_group, log_part
from backend.deploy.parts import Left, Part, age
from backend.deploy.plan import Plan, Release
from backend.deploy.refusals import StageError, pages
from backend.deploy.roles import role_part
from backend.deploy.stage import ARTIFACT

if TYPE_CHECKING:
    from collections.abc import Callable

    from backend.deploy.stage import Stage

RELEASES = Path("build") / "releases"


def up(stage: Stage, release: Release, plan: Plan, max_ms: float = 1000) -> None:
    """Serve this release on the stage's endpoint, try it, and go back to the last good one if it fails."""
    endpoint.check_may_deploy(stage, plan)
    print(f"{stage.prefix}: release {release.name} on {plan.variant}")
    bucket = ensure_bucket(stage, "models")
    role = endpoint.endpoint_role(stage, release, bucket)
    ensure_log_group(stage, log_group(stage))
    url = registry.upload(stage, release, bucket)
    package = registry.register(stage, release, url)
    model = endpoint.ensure_model(stage, release, url, role)
    config = endpoint.ensure_config(stage, model, plan)
    endpoint.expire(stage, plan)
    endpoint.serve(stage, config)
    if not stage.dry_run:
        _prove(stage, release, package, config, max_ms)
    endpoint.scale(stage, plan)


def _prove(stage: Stage, release: Release, package: str, config: str, max_ms: float) -> None:
    """Try what is live: approve it, or reject it and put the last good config back. Raises StageError then."""
    try:
        print("  " + trial.try_endpoint(stage.client("sagemaker-runtime"), stage.prefix, release.folder, max_ms))
    except trial.TrialError as error:
        registry.reject(stage, package, str(error))
        if (endpoint.describe(stage) or {}).get("EndpointConfigName") != config:
            raise trial.TrialError(f"{error} Somebody else has deployed since, so nothing was put back.") from None
        raise trial.TrialError(f"{error} {_go_back(stage, release)}") from None
    registry.approve(stage, package, config)


def _go_back(stage: Stage, release: Release) -> str:
    """Put the newest other approved release back, or take the endpoint away where there is none; says which."""
    for entry in registry.entries(stage):
        if entry.status == "Approved" and entry.name != release.name:
            endpoint.serve(stage, entry.config)
            return f"The endpoint is back on {entry.name}."
    stage.client("sagemaker").delete_endpoint(EndpointName=stage.prefix)
    return "There is no earlier release to go back to, so the endpoint was removed."


def rollback(stage: Stage, version: str, plan: Plan) -> None:
    """Serve an earlier release again."""
    up(stage, registry.fetch(stage, registry.find(stage, version), RELEASES), plan)


def promote(stage: Stage, version: str, target: Stage, plan: Plan) -> None:
    """Serve this stage's release, the very same bytes, on another stage."""
    entry = registry.find(stage, version)
    if entry.status != "Approved":
        raise StageError(f"{entry.name} is {entry.status} in stage {stage.name}: only what passed there may go on.")
    up(target, registry.fetch(stage, entry, RELEASES), plan)


def show_releases(stage: Stage) -> None:
    """Print the registry, newest first, with the metrics of each."""
    live = (endpoint.describe(stage) or {}).get("EndpointConfigName", "")
    for entry in registry.entries(stage):
        mark = "live" if entry.name in live else ""
        metrics = " ".join(f"{name}={value}" for name, value in entry.metrics.items())
        print(f"{entry.name:28} {entry.status:22} {age(entry.created):>7}  {mark:5} {metrics}".rstrip())


def log_group(stage: Stage) -> str:
    """The log group that SageMaker writes the endpoint's container output to."""
    return f"/aws/sagemaker/Endpoints/{stage.prefix}"


def is_live(stage: Stage, image: str = "") -> str:
    """Whether the repository's model is the one that serves, as a sentence; empty without endpoint or model."""
    live = (endpoint.describe(stage) or {}).get("EndpointConfigName")
    if not live or not ARTIFACT.joinpath("model.tar.gz").is_file():
        return ""
    here = Release.load(ARTIFACT, stage, image).name
    return f"The repository's model is {here}: " + ("live." if here in live else "`make deploy` would serve it.")


def _job_parts() -> tuple[Part, ...]:
    """What still runs of training.submit's jobs: a job cannot be removed, and costs nothing once it has ended."""

    def find(kind: str) -> Callable[[Stage], list[Left]]:
        def running(stage: Stage) -> list[Left]:
            mine = {"NameContains": stage.prefix, "StatusEquals": "InProgress"}
            listing = (f"list_{kind}_jobs", f"{kind.title()}JobSummaries")
            names = [job[f"{kind.title()}JobName"] for job in pages(stage.client("sagemaker"), *listing, **mine)]
            return [Left(f"{kind} job", name, "InProgress") for name in names if name.startswith(f"{stage.prefix}-")]

        return running

    def stop(kind: str) -> Callable[[Stage, str], None]:
        return lambda stage, name: getattr(stage.client("sagemaker"), f"stop_{kind}_job")(
            **{f"{kind.title()}JobName": name}
        )

    return tuple(Part(f"{kind} job", find(kind), stop(kind)) for kind in ("training", "transform"))


BILLING = (*_job_parts(), *endpoint.SERVING)  # goes first
PARTS = (
    *endpoint.NAMED,
    *registry.PARTS,
    bucket_part("models"),
    *(role_part(purpose) for purpose in ("endpoint", "ttl", "job")),
    log_part(log_group),
)
