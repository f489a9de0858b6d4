"""A stage on AWS, from the first deploy to nothing left: `python -m backend.deploy up|status|... --stage dev`.

One stage is SageMaker's half (release) and Lambda's half (function); `page` is a container for the page beside them.
Every command may be stopped at any point and run again: it finds what is there and goes on.
"""

from __future__ import annotations

import argparse
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from backend.deploy import cost, endpoint, function, gateway, page, parts, release
from backend.deploy.endpoint import Plan, Release
from backend.deploy.logs import print_logs
from backend.deploy.options import Options
from backend.deploy.refusals import StageError, command, noted
from backend.deploy.stage import ARTIFACT, Stage, open_stage
from backend.deploy.tags import tagged
from backend.deploy.trial import TrialError

if TYPE_CHECKING:
    from collections.abc import Callable

PLAN = ("memory_mb", "concurrency", "provisioned", "instance_type", "instances", "max_instances", "ttl_hours")
OPTIONS = ("mode", "fallback", "email", "rate", "burst", "quota", "budget")
COMMANDS = {
    "up": "deploy the stage, or bring it up to date; tells the cost and asks first",
    "status": "every part of the stage",
    "list": "the registered releases of the model, newest first",
    "rollback": "serve an earlier release again",
    "promote": "serve this stage's release, the very same bytes, on another stage",
    "key": "the API's address and key, as the page reads them",
    "logs": "what endpoint and function wrote",
    "destroy": "remove the stage and prove that nothing is left",
    "cost": "what each way to run it costs a month; touches nothing",
    "page": "the page as a Lightsail container",
}
PARTS = (*release.BILLING, page.PART, *function.PARTS, *release.PARTS)  # in the order in which `destroy` goes


def up(stage: Stage, options: argparse.Namespace) -> None:
    """Ask, then deploy both halves, the model first: the API is tried against it."""
    _say_where(stage)
    ask(options)
    if options.mode == "sagemaker":
        release.up(stage, Release.load(options.artifact, stage.region, options.image), _plan(options), options.max_ms)
    try:
        function.up(stage, Options(**{name: getattr(options, name) for name in OPTIONS}))
    except TrialError:
        _retire(stage)
        raise
    _retire(stage)
    if stage.dry_run:
        return
    if sys.stdout.isatty():
        gateway.show_key(stage)
    else:  # a key does not belong into a log
        print(f"API_URL={gateway.url_of(stage)}\nAPI_KEY: python -m backend.deploy key --stage {stage.name}")


def _say_where(stage: Stage) -> None:
    """Say which account is meant; the first call to AWS, so that missing credentials end the command here."""
    print(f"{stage.prefix} in {stage.region}, account {stage.account}:")


def _retire(stage: Stage) -> None:
    """Remove the endpoint where the function does not ask it, after a change of mode or one that was taken back."""
    if not function.asks_endpoint(stage):
        _tell(parts.remove(stage, endpoint.SERVING))


def _plan(options: argparse.Namespace) -> Plan:
    return Plan(**{name: getattr(options, name) for name in PLAN})


def ask(options: argparse.Namespace) -> None:
    """Tell what is about to be deployed and what it costs, and ask whether to go on. Raises StageError on a no."""
    print(f"Stage {options.stage}: {cost.estimate(options.mode, options.instance_type, options.requests_per_day)}")
    if options.mode == "sagemaker" and options.provisioned:
        print(f"Provisioned concurrency {options.provisioned} bills by the hour, used or not, until `make destroy`.")
    if options.mode == "sagemaker" and options.instance_type:
        until = f"for {options.ttl_hours:g} hours" if options.ttl_hours else "until `make destroy`"
        print(f"{options.instances} x {options.instance_type} {until}.")
    if options.yes or options.dry_run:
        return
    if not sys.stdin.isatty() or input("Deploy it? [y/N] ").lower() != "y":
        raise StageError("Nothing was deployed: say y, or run with YES=1.")


def status(stage: Stage) -> None:
    """Print every part, and whether the repository holds a newer model than the live one."""
    _say_where(stage)
    rows, unseen = parts.inventory(stage, PARTS)
    parts.show(rows)
    with noted(unseen, "release"):
        if sentence := release.is_live(stage):
            print(sentence)
    _tell(unseen)
    if unseen:
        raise StageError(f"{len(unseen)} kinds of parts could not be looked for, see above.")


def destroy(stage: Stage) -> None:
    """Remove every part, what bills first, then list by name and by tag what is left. Raises StageError if any is."""
    _say_where(stage)
    refused = parts.remove(stage, PARTS)
    if stage.dry_run:
        return
    for _ in range(3):  # IAM and Lightsail show for seconds what is gone
        left, unseen = parts.inventory(stage, PARTS)
        with noted(unseen, "tags"):
            left += [row for row in tagged(stage) if not row.name.endswith(tuple(known.name for known in left))]
        if not left:
            break
        time.sleep(6)
    if not left and not unseen:
        print(f"Nothing of {stage.prefix} is left.")
        return
    parts.show(left)
    _tell(refused | unseen)
    raise StageError(_outcome(stage, len(left), len(unseen)))


def _tell(refused: dict[str, str]) -> None:
    for what, why in refused.items():
        print(f"{what}: {why}")


def _outcome(stage: Stage, left: int, unseen: int) -> str:
    parts_left = f"{left} parts of {stage.prefix} are left" if left else ""
    unknown = f"{unseen} kinds of parts could not be looked for" if unseen else ""
    again = f"Run `make destroy STAGE={stage.name}` again once that is put right: it goes on."
    return f"{' and '.join(filter(None, (parts_left, unknown)))}, see above. {again}"


def logs(stage: Stage, minutes: float) -> None:
    """Print what both halves wrote in the last minutes."""
    for group in (release.log_group(stage), function.log_group(stage)):
        print_logs(stage, group, minutes)


def show_cost(options: argparse.Namespace) -> None:
    """Print the table of prices, after asking AWS for today's where wanted; --chart draws it."""
    if options.refresh:
        import boto3  # the one thing here that asks AWS

        changes = cost.refresh(boto3.Session().client("pricing", region_name="us-east-1"))
        print("\n".join(changes) or "No price has changed.")
    if warning := cost.stale(datetime.now(UTC).date()):
        print(warning, file=sys.stderr)
    if options.chart:
        cost.chart(options.chart)
    print(cost.report(options.requests_per_day))


def parser() -> argparse.ArgumentParser:
    """The command line of every command."""
    whole = argparse.ArgumentParser(prog="python -m backend.deploy", description=(__doc__ or "").splitlines()[0])
    commands = whole.add_subparsers(dest="command", required=True)
    for name, text in COMMANDS.items():
        each = commands.add_parser(name, help=text, description=text)
        each.add_argument("--stage", default="dev")
        each.add_argument("--dry-run", action="store_true", help="print every call that would change something")
        if name in ("rollback", "promote"):
            each.add_argument("version")
        if name == "logs":
            each.add_argument("--minutes", type=float, default=60)
        if name in ("up", "promote"):
            _add_plan(each)
            each.add_argument("--yes", action="store_true", help="do not ask")
        if name in ("up", "cost"):
            each.add_argument("--requests-per-day", type=float, default=1000, help="what the cost is told for")
    _add_up(commands.choices["up"])
    commands.choices["promote"].add_argument("--to", required=True, help="the stage to serve it on")
    commands.choices["cost"].add_argument("--chart", type=Path, help="draw it into this .svg or .png")
    commands.choices["cost"].add_argument("--refresh", action="store_true", help="ask AWS for today's prices first")
    commands.choices["page"].add_argument("action", choices=("up", "status", "destroy"))
    return whole


def _add_plan(each: argparse.ArgumentParser) -> None:
    each.add_argument("--memory-mb", type=int, default=Plan.memory_mb)
    each.add_argument("--concurrency", type=int, default=Plan.concurrency)
    each.add_argument("--provisioned", type=int, default=Plan.provisioned, help="kept warm; billed by the hour")
    each.add_argument("--instance-type", default="", help="such as ml.m5.large; serverless without")
    each.add_argument("--instances", type=int, default=Plan.instances)
    each.add_argument("--max-instances", type=int, default=Plan.max_instances)
    each.add_argument("--ttl-hours", type=float, default=Plan.ttl_hours, help="0: until destroyed")


def _add_up(each: argparse.ArgumentParser) -> None:
    each.add_argument("--artifact", type=Path, default=ARTIFACT, help="the model's folder")
    each.add_argument("--image", default="", help="URI of the TensorFlow Serving image")
    each.add_argument("--max-ms", type=float, default=release.MAX_MS, help="a slower endpoint is rolled back")
    each.add_argument("--mode", choices=("sagemaker", "embedded"), default=Options.mode)
    each.add_argument("--fallback", action="store_true", help="embed the model for when the endpoint fails")
    each.add_argument("--email", default="", help="gets alarms and the budget's warnings")
    each.add_argument("--rate", type=float, default=Options.rate, help="requests a second for the key")
    each.add_argument("--burst", type=int, default=Options.burst)
    each.add_argument("--quota", type=int, default=Options.quota, help="requests a day for the key")
    each.add_argument("--budget", type=float, default=Options.budget, help="USD a month that warn by e-mail")


def promote(stage: Stage, options: argparse.Namespace) -> None:
    """Serve this stage's release on the stage --to; asks first, as `up` does."""
    ask(argparse.Namespace(**vars(options) | {"stage": options.to, "mode": "sagemaker", "requests_per_day": 1000}))
    release.promote(stage, options.version, open_stage(options.to, dry_run=options.dry_run), _plan(options))


def main(arguments: list[str] | None = None) -> None:
    """Read the command line and do it."""
    options = parser().parse_args(arguments)
    if options.command == "cost":
        show_cost(options)
        return
    stage = open_stage(options.stage, dry_run=options.dry_run)
    commands: dict[str, Callable[[], None]] = {
        "up": lambda: up(stage, options),
        "status": lambda: status(stage),
        "list": lambda: release.show_releases(stage),
        "rollback": lambda: release.rollback(stage, options.version),
        "promote": lambda: promote(stage, options),
        "key": lambda: gateway.show_key(stage),
        "logs": lambda: logs(stage, options.minutes),
        "destroy": lambda: destroy(stage),
        "page": lambda: {"up": page.up, "status": page.status, "destroy": page.destroy}[options.action](stage),
    }
    commands[options.command]()


if __name__ == "__main__":
    command(main)
