"""A stage on AWS, from the first deploy to nothing left: `python -m backend.deploy up|status|... --stage dev`.

One stage is SageMaker's half (release) and Lambda's half (function); `page` is a container for the page beside them.
Every command may be stopped at any point and run again: it finds what is there and goes on.
"""

from __future__ import annotations

import json
import sys
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from backend.deploy import (
    canary,
    choices,
    cost,
    drift,
    endpoint,
    function,
    gateway,
    lock,
    page,
    parts,
    preview,
    prices,
    release,
    rule,
)
from backend.deploy.arguments import parser
from backend.deploy.buckets import ensure_bucket
from backend.deploy.logs import print_logs
from backend.deploy.plan import Plan, Release
from backend.deploy.prices import price
from backend.deploy.refusals import StageError, command, noted
from backend.deploy.roles import policy
from backend.deploy.stage import Stage, open_stage
from backend.deploy.tags import tagged
from backend.deploy.trial import TrialError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable
    from pathlib import Path

PAGE = {"status": page.status, "destroy": page.destroy}
JUDGED = {rule.PROMOTE: 0, rule.WAIT: 3, rule.TAKE_BACK: 4}  # the exit code of `canary judge`
PARTS = (*release.BILLING, page.PART, *function.PARTS, *release.PARTS)  # in the order in which `destroy` goes


def up(stage: Stage, given: argparse.Namespace) -> None:
    """Ask, then deploy both halves, the model first: the API is tried against it."""
    _say_where(stage)
    before, now = choices.settle(stage, vars(given))
    if stage.dry_run:
        parts.show(parts.inventory(stage, PARTS)[0])
    print("\n".join(["What changes:", *preview.lines(stage, now, before, given.artifact)]))
    ask(stage, given, now, before)
    ensure_bucket(stage, "deploy")
    with lock.held(stage):
        _deploy(stage, given.artifact, now, before)
    if stage.dry_run:
        return
    if sys.stdout.isatty():
        gateway.show_key(stage)
    else:  # a key does not belong into a log
        print(f"API_URL={gateway.url_of(stage)}\nAPI_KEY: python -m backend.deploy key --stage {stage.name}")


def _deploy(stage: Stage, artifact: Path, now: dict[str, Any], before: dict[str, Any]) -> None:
    """Deploy both halves; what fails its trial is not remembered, and an endpoint that nothing asks is removed."""
    choices.keep(stage, now)
    try:
        if now["mode"] == "sagemaker":
            release.up(stage, Release.load(artifact, stage, now["image"]), choices.plan(now), now["max_ms"])
        else:
            release.check_no_canary(stage)
        function.up(stage, choices.options(now))
    except TrialError:
        choices.keep(stage, before or now)
        _retire(stage)
        raise
    _retire(stage)


def _say_where(stage: Stage) -> None:
    """Say which account is meant; the first call to AWS, so that missing credentials end the command here."""
    print(f"{stage.prefix} in {stage.region}, account {stage.account}:")


def _retire(stage: Stage) -> None:
    """Remove the endpoint where the function does not ask it, after a change of mode or one that was taken back."""
    if not function.asks_endpoint(stage):
        _tell(parts.remove(stage, endpoint.SERVING))


def ask(stage: Stage, given: argparse.Namespace, now: dict[str, Any], before: dict[str, Any]) -> None:
    """Tell what is about to be deployed and what it costs, and ask whether to go on. Raises StageError on a no."""
    setup = choices.setup(stage.name, now)
    lines = [*cost.estimate(setup, given.requests_per_day, stage.region), *choices.told(before, now)]
    if now["mode"] == "embedded" and endpoint.describe(stage):
        lines.append("The endpoint goes once the function answers by itself: MODE=embedded asks none.")
    print(f"Stage {stage.name}: " + "\n".join(lines))
    confirm(given, hourly=setup.hourly > 0)


def confirm(given: argparse.Namespace, *, hourly: bool) -> None:
    """Ask whether to go on. --yes does not answer for what bills by the hour. Raises StageError on a no."""
    if given.dry_run or (given.yes and (given.accept_hourly or not hourly)):
        return
    if not sys.stdin.isatty() or input("Deploy it? [y/N] ").lower() != "y":
        how = "YES=1 ACCEPT_HOURLY=1, for it bills by the hour" if hourly else "YES=1"
        raise StageError(f"Nothing was deployed: say y, or run with {how}.")


def status(stage: Stage) -> None:
    """Print every part, and whether the repository holds a newer model than the live one."""
    _say_where(stage)
    rows, unseen = parts.inventory(stage, PARTS)
    parts.show(rows)
    with noted(unseen, "release"):
        if sentence := release.is_live(stage, choices.remembered(stage).get("image", "")):
            print(sentence)
        _, now = choices.settle(stage, {})
        for line in drift.found(stage, rows, now):
            print(line)
        canary.show(stage, now)
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


def logs(stage: Stage, minutes: float, *, follow: bool = False) -> None:
    """Print what both halves wrote in the last minutes, and with `follow` what they go on to write, until Ctrl-C."""
    print_logs(stage, [*release.log_groups(stage), function.log_group(stage)], minutes, follow=follow)


def show_cost(options: argparse.Namespace) -> None:
    """Print the table of prices, after asking AWS for today's where wanted; --chart draws it."""
    if options.refresh:
        import boto3  # the one thing here that asks AWS

        changes = prices.refresh(boto3.Session().client("pricing", region_name="us-east-1"))
        print("\n".join(changes) or "No price has changed.")
    if warning := prices.stale(datetime.now(UTC).date()):
        print(warning, file=sys.stderr)
    if options.chart:
        cost.chart(options.chart)
    print(cost.report(options.requests_per_day))


def promote(stage: Stage, given: argparse.Namespace) -> None:
    """Serve this stage's release on the stage --to; asks first, as `up` does."""
    target = open_stage(given.to, dry_run=given.dry_run)
    before, now = choices.settle(target, vars(given) | {"mode": "sagemaker"})
    ask(target, given, now, before)
    ensure_bucket(target, "deploy")
    with lock.held(target):
        release.promote(stage, given.version, target, choices.plan(now))
        choices.keep(target, choices.chosen(before, vars(given)))


def try_share(stage: Stage, given: argparse.Namespace) -> None:
    """Start, judge, promote or stop a canary. Judging ends with 3 where it waits, with 4 where it was taken back."""
    _say_where(stage)
    _, now = choices.settle(stage, {})
    if given.action == "start":
        now = canary.share(now, given.share, shadow=given.shadow)
        print(canary.price(now, given.requests_per_day))
        confirm(given, hourly=False)
    with lock.held(stage):
        if given.action == "start":
            canary.start(stage, Release.load(given.artifact, stage, now["image"]), now)
        elif given.action == "judge":
            sys.exit(JUDGED[canary.judge(stage, now, rule.Patience(given.answers, given.hours)).what])
        else:
            {"promote": canary.promote, "stop": canary.stop}[given.action](stage, now)


def rollback(stage: Stage, version: str) -> None:
    """Serve an earlier release again, on what the stage's endpoint runs on."""
    before, now = choices.settle(stage, {})
    known = choices.plan(now) if before else endpoint.live_plan(stage)
    ensure_bucket(stage, "deploy")
    with lock.held(stage):
        release.rollback(stage, version, known or Plan())


def page_up(stage: Stage, given: argparse.Namespace) -> None:
    """Tell the container's price, ask, and run the page in it."""
    _say_where(stage)
    choices.settle(stage, {})
    print(f"The page's container: ${price('page_lightsail_nano'):.2f} a month, used or not, until `make destroy`.")
    confirm(given, hourly=True)
    page.up(stage)


def show_policy(stage: Stage, repository: str) -> None:
    """Print the deployer's least rights, or the trust that lets a GitHub repository's workflow have them."""
    document = policy(stage, "github", repository=repository, environment=stage.name) if repository else None
    print(json.dumps(document or policy(stage, "deployer"), indent=2))


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
        "rollback": lambda: rollback(stage, options.version),
        "promote": lambda: promote(stage, options),
        "canary": lambda: try_share(stage, options),
        "key": lambda: gateway.show_key(stage),
        "logs": lambda: logs(stage, options.minutes, follow=options.follow),
        "destroy": lambda: destroy(stage),
        "policy": lambda: show_policy(stage, options.github),
        "page": lambda: page_up(stage, options) if options.action == "up" else PAGE[options.action](stage),
    }
    commands[options.command]()


if __name__ == "__main__":
    command(main)
