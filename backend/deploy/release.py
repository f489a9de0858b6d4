"""SageMaker's half of a stage: a release is tried beside the endpoint, goes onto it, and stays or is taken back.

Every function may be stopped at any point and run again: it finds what is there and goes on.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from backend.deploy import candidate, endpoint, gate, registry, trial
from backend.deploy.buckets import bucket_part, ensure_bucket
from backend.deploy.candidate import Prepared
from backend.deploy.logs import JOB_LOGS, ensure_log_group, log_part
from backend.deploy.parts import Left, Part, age
from backend.deploy.plan import MAX_MS, Plan, Release
from backend.deploy.refusals import StageError, pages
from backend.deploy.roles import role_part
from backend.deploy.stage import ARTIFACT

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from backend.deploy.stage import Stage

RELEASES = Path("build") / "releases"


def up(stage: Stage, release: Release, plan: Plan, max_ms: float = MAX_MS) -> None:
    """Serve this release on the stage's endpoint, try it, and go back to the last good one if it fails."""
    check_no_canary(stage, release.name)
    put(stage, release, plan, max_ms)


def check_no_canary(stage: Stage, name: str = "") -> None:
    """Raise StageError where a canary runs, unless it is this release that has the stage's traffic meanwhile."""
    running = registry.canary(stage)
    if running and running.against != name:
        raise StageError(
            f"{running.name} is the canary of stage {stage.name}: first `python -m backend.deploy canary promote` or "
            f"`canary stop --stage {stage.name}`."
        )


def put(stage: Stage, release: Release, plan: Plan, max_ms: float, *, proved: bool = False) -> None:
    """What `up` does, whatever canary runs; what was `proved` before need not be tried beside the endpoint."""
    endpoint.check_may_deploy(stage, plan)
    print(f"{stage.prefix}: release {release.name} on {plan}")
    prepared = prepare(stage, release)
    live = (endpoint.describe(stage) or {}).get("EndpointConfigName", "")
    if live and not live.startswith(prepared.model) and not proved:
        candidate.prove(stage, prepared, max_ms)
        candidate.remove(stage)
    config = endpoint.ensure_config(stage, prepared.model, plan)
    endpoint.expire(stage, plan)
    endpoint.serve(stage, config)
    if not stage.dry_run:
        _prove(stage, prepared, config, max_ms)
    endpoint.scale(stage, plan)


def prepare(stage: Stage, release: Release) -> Prepared:
    """Make what a release needs before it is served anywhere, if the gate lets it. Raises StageError."""
    check_gate(stage, release)
    bucket = ensure_bucket(stage, "models")
    role = endpoint.endpoint_role(stage, release, bucket)
    for group in log_groups(stage):
        ensure_log_group(stage, group)
    url = registry.upload(stage, release, bucket)
    package = registry.register(stage, release, url)
    return Prepared(release, package, endpoint.ensure_model(stage, release, url, role))


def check_gate(stage: Stage, release: Release) -> None:
    """Whether the release may take the place of the one that serves. Raises StageError if not."""
    approved = [entry for entry in registry.entries(stage) if entry.status == "Approved"]
    if not approved or release.name in {entry.name for entry in approved}:
        return  # what served here before is put back, not promoted
    live = (endpoint.describe(stage) or {}).get("EndpointConfigName", "")
    before = next((entry for entry in approved if entry.name in live), approved[0])
    if refused := gate.refusals(release.card, registry.card(stage, before)):
        raise StageError(
            f"Nothing was deployed: {release.name} is no better than {before.name}, which serves. "
            f"`python -m training.export --force` overrules it. {' '.join(refused)}"
        )


def _prove(stage: Stage, new: Prepared, config: str, max_ms: float) -> None:
    """Try what is live: approve it, or reject it and put the last good config back. Raises StageError then."""
    try:
        print("  " + trial.try_endpoint(stage.client("sagemaker-runtime"), stage.prefix, new.release.folder, max_ms))
    except trial.TrialError as error:
        registry.reject(stage, new.package, str(error))
        if (endpoint.describe(stage) or {}).get("EndpointConfigName") != config:
            raise trial.TrialError(f"{error} Somebody else has deployed since, so nothing was put back.") from None
        raise trial.TrialError(f"{error} {go_back(stage, new.release.name)}") from None
    registry.approve(stage, new.package, config)


def go_back(stage: Stage, name: str) -> str:
    """Put the newest other approved release back, or take the endpoint away where there is none; says which."""
    for entry in registry.entries(stage):
        if entry.status == "Approved" and entry.name != name:
            endpoint.serve(stage, entry.config)
            return f"The endpoint is back on {entry.name}."
    stage.client("sagemaker").delete_endpoint(EndpointName=stage.prefix)
    return "There is no earlier release to go back to, so the endpoint was removed."


def rollback(stage: Stage, version: str, plan: Plan) -> None:
    """Serve an earlier release again; what was approved here needs no other trial than the endpoint's own."""
    entry = registry.find(stage, version)
    check_no_canary(stage, entry.name)
    put(stage, registry.fetch(stage, entry, RELEASES), plan, MAX_MS, proved=entry.status == "Approved")


def promote(stage: Stage, version: str, target: Stage, plan: Plan) -> None:
    """Serve this stage's release, the very same bytes, on another stage."""
    entry = registry.find(stage, version)
    if entry.status != "Approved":
        raise StageError(f"{entry.name} is {entry.status} in stage {stage.name}: only what passed there may go on.")
    up(target, registry.fetch(stage, entry, RELEASES), plan)


def show_releases(stage: Stage) -> None:
    """Print the registry, newest first, a line each."""
    live = (endpoint.describe(stage) or {}).get("EndpointConfigName", "")
    for entry in registry.entries(stage):
        mark = "live" if entry.name in live else ""
        print(f"{entry.name:28} {entry.state:22} {age(entry.created):>7}  {mark:5} {_about(entry.metrics)}".rstrip())


def _about(noted: Mapping[str, str]) -> str:
    """What it reads of the test set, its worst and its best measure on unseen people, and what it learnt from."""
    unseen = sorted((float(noted[name]), name.removeprefix("unseen ")) for name in noted if name.startswith("unseen "))
    words = [f"test {float(noted['test']):.2%}"] if "test" in noted else []
    words += [" to ".join(f"{name} {value:.1%}" for value, name in (unseen[0], unseen[-1]))] if unseen else []
    words += [f"{noted['corrections']} corrections after {noted['parent']}"] if "parent" in noted else []
    return ", ".join(words)


def log_groups(stage: Stage) -> tuple[str, ...]:
    """The log groups that SageMaker writes the containers' output to: the endpoint's and the candidate's."""
    return tuple(f"/aws/sagemaker/Endpoints/{name}" for name in (stage.prefix, stage.candidate))


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
    log_part(log_groups),
    JOB_LOGS,
)
