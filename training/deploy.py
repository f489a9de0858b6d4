"""SageMaker's part of a stage: `python -m training.deploy up|list|rollback|promote|status|logs|destroy --stage dev`.

Every command may be stopped at any point and run again: it finds what is there and goes on. The Lambda part is
backend.deploy; `make deploy` and `make destroy` run both.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import boto3
from botocore.config import Config

from backend.cost import hourly_price
from backend.stage import (
    Left,
    Stage,
    StageError,
    attempt,
    command,
    ensure_bucket,
    ensure_log_group,
    of_sagemaker,
    pages,
    print_logs,
    prove_gone,
    remove_bucket,
    show,
)
from training import endpoint, registry, smoke, submit
from training.endpoint import Plan, Release

if TYPE_CHECKING:
    from collections.abc import Callable

ARTIFACT = Path(__file__).parent / "artifacts" / "digits"
RELEASES = Path("build") / "releases"
MAX_MS = 1000  # warm, from the deployer's desk: the backend's read timeout is 5 s
RETRIES = {"mode": "standard", "max_attempts": 6}


def up(stage: Stage, release: Release, plan: Plan, max_ms: float = MAX_MS) -> None:
    """Serve this release on the stage's endpoint, smoke-test it, and go back to the last good one if it fails."""
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
    """Smoke-test what is live: approve it, or reject it and put the last good config back. Raises StageError then."""
    try:
        print("  " + smoke.check(stage.client("sagemaker-runtime"), stage.prefix, release.folder, max_ms))
    except smoke.SmokeError as error:
        registry.reject(stage, package, str(error))
        raise StageError(f"{error} {_go_back(stage, release)}") from None
    registry.approve(stage, package, config)


def _go_back(stage: Stage, release: Release) -> str:
    """Put the newest other approved release back, or take the endpoint away where there is none; says which."""
    for entry in registry.entries(stage):
        if entry.status == "Approved" and entry.name != release.name:
            endpoint.serve(stage, entry.config)
            return f"The endpoint is back on {entry.name}."
    stage.client("sagemaker").delete_endpoint(EndpointName=stage.prefix)
    return "There is no earlier release to go back to, so the endpoint was removed."


def rollback(stage: Stage, version: str) -> None:
    """Serve an earlier release again, on the plan that the endpoint is on now."""
    plan = endpoint.live_plan(stage) or Plan()
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
        print(f"{entry.name:28} {entry.status:22} {endpoint.age(entry.created):>7}  {mark:5} {metrics}".rstrip())


def log_group(stage: Stage) -> str:
    """The log group that SageMaker writes the endpoint's container output to."""
    return f"/aws/sagemaker/Endpoints/{stage.prefix}"


def inventory(stage: Stage) -> list[Left]:
    """Every SageMaker part of the stage that there is."""
    rows = [*endpoint.inventory(stage, hourly_price), *registry.inventory(stage)]
    if attempt(stage.client("s3").head_bucket, Bucket=stage.bucket("models")) is not None:
        rows.append(Left("bucket", stage.bucket("models")))
    for purpose in ("endpoint", "ttl", "job"):
        if attempt(stage.client("iam").get_role, RoleName=stage.role(purpose)):
            rows.append(Left("role", stage.role(purpose)))
    groups = pages(stage.client("logs"), "describe_log_groups", "logGroups", logGroupNamePrefix=log_group(stage))
    rows += [Left("log group", g["logGroupName"]) for g in groups if g["logGroupName"] == log_group(stage)]
    return rows


def status(stage: Stage, artifact: Path) -> None:
    """Print the inventory, and whether the repository holds a newer model than the live one."""
    show(inventory(stage))
    live = (endpoint.describe(stage) or {}).get("EndpointConfigName")
    if live and artifact.joinpath("model.tar.gz").is_file():
        here = Release.load(artifact, stage.region).name
        print(f"The repository's model is {here}: " + ("live." if here in live else "`make deploy` would serve it."))


def destroy(stage: Stage) -> None:
    """Remove every SageMaker part of the stage, then list what is left. Raises StageError if anything is."""
    submit.stop(stage)
    endpoint.remove(stage)
    registry.remove(stage)
    remove_bucket(stage, "models")
    attempt(stage.client("logs").delete_log_group, logGroupName=log_group(stage))
    if not stage.dry_run:
        # An ended job stays in SageMaker's list for ever, and costs nothing.
        prove_gone(stage, inventory, lambda arn: of_sagemaker(stage, arn) and "-job/" not in arn, "in SageMaker")


def open_stage(name: str, *, dry_run: bool = False) -> Stage:
    """The stage in the account and region that boto3 finds (environment, then ~/.aws)."""
    return Stage(name, boto3.Session(), Config(retries=RETRIES, connect_timeout=5, read_timeout=60), dry_run)


def _confirm(options: argparse.Namespace) -> None:
    """Ask before anything that bills by the hour."""
    kind, warm = options.instance_type, options.provisioned
    if not (kind or warm) or options.yes or options.dry_run:
        return
    until = f"for {options.ttl_hours:g} hours" if options.ttl_hours else "until `make destroy`"
    if kind:
        price = options.instances * hourly_price(kind)
        print(f"{options.instances} x {kind} costs ${price:.3f} an hour, asked for or not, {until}.")
    else:
        print(f"Provisioned concurrency {warm} bills by the hour, asked for or not, until `make destroy`.")
    if not sys.stdin.isatty() or input("Go on? [y/N] ").lower() != "y":
        raise StageError("Stopped: say y, or run with YES=1. Serverless, the default, costs nothing at rest.")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m training.deploy", description=(__doc__ or "").splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("up", "list", "rollback", "promote", "status", "logs", "destroy"):
        each = commands.add_parser(name)
        each.add_argument("--stage", default="dev")
        each.add_argument("--dry-run", action="store_true", help="print every call that would change something")
        each.add_argument("--artifact", type=Path, default=ARTIFACT)
        if name in ("rollback", "promote"):
            each.add_argument("version")
        if name == "promote":
            each.add_argument("--to", required=True, help="the stage to serve it on")
        if name == "logs":
            each.add_argument("--minutes", type=float, default=60)
        if name in ("up", "promote"):
            _add_plan(each)
    return parser


def _add_plan(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--image", default="", help="URI of the TensorFlow Serving image")
    parser.add_argument("--memory-mb", type=int, default=Plan.memory_mb)
    parser.add_argument("--concurrency", type=int, default=Plan.concurrency)
    parser.add_argument(
        "--provisioned", type=int, default=Plan.provisioned, help="instances kept warm; billed by the hour"
    )
    parser.add_argument("--instance-type", default="", help="such as ml.m5.large; serverless without")
    parser.add_argument("--instances", type=int, default=Plan.instances)
    parser.add_argument("--max-instances", type=int, default=Plan.max_instances)
    parser.add_argument("--ttl-hours", type=float, default=Plan.ttl_hours, help="0: until destroyed")
    parser.add_argument("--max-ms", type=float, default=MAX_MS, help="slower than this is rolled back")
    parser.add_argument("--yes", action="store_true")


def _plan(options: argparse.Namespace) -> Plan:
    names = ("memory_mb", "concurrency", "provisioned", "instance_type", "instances", "max_instances", "ttl_hours")
    return Plan(**{name: getattr(options, name) for name in names})


def main() -> None:
    """Read the command line and do it."""
    options = _parser().parse_args()
    stage = open_stage(options.stage, dry_run=options.dry_run)
    if options.command == "up":
        _confirm(options)
        up(stage, Release.load(options.artifact, stage.region, options.image), _plan(options), options.max_ms)
        return
    if options.command == "promote":
        _confirm(options)
        promote(stage, options.version, open_stage(options.to, dry_run=options.dry_run), _plan(options))
        return
    others: dict[str, Callable[[], None]] = {
        "list": lambda: show_releases(stage),
        "rollback": lambda: rollback(stage, options.version),
        "status": lambda: status(stage, options.artifact),
        "logs": lambda: print_logs(stage, log_group(stage), options.minutes),
        "destroy": lambda: destroy(stage),
    }
    others[options.command]()


if __name__ == "__main__":
    command(main)
