"""A new release meets a share of a stage's callers first: proved, given its share, judged, promoted or taken back.

    start ─▶ proved on the candidate's endpoint ─▶ in the registry as the canary ─▶ the function asks it ─▶ judge
    judge ─▶ rule.decide: wait, promote (onto the stage's endpoint) or stop (taken back)

Every command may be stopped at any point and run again: the registry names the canary until all else is done.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from backend.deploy import candidate, choices, cost, endpoint, evidence, function, registry, release, rule, watch
from backend.deploy.plan import Plan
from backend.deploy.refusals import StageError
from backend.deploy.trial import TrialError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from backend.deploy.plan import Release
    from backend.deploy.registry import Entry
    from backend.deploy.rule import Counts, Patience, Verdict
    from backend.deploy.stage import Stage

    Check = Callable[[str, str], str]

OFF = {"canary": 0.0, "shadow": False}  # the choices of a stage without a canary


def start(stage: Stage, new: Release, now: Mapping[str, Any], check: Check | None = None) -> None:
    """Prove the release, then give it the share of callers that `now` says. Raises StageError, TrialError."""
    live = _live(stage)
    running = registry.canary(stage)
    if running and running.name != new.name:
        raise StageError(f"{running.name} is the canary already: promote or stop it first.")
    _check_may_start(stage, live, new)
    if not _serves(stage, new):
        prepared = release.prepare(stage, new)
        plan = Plan(memory_mb=now["memory_mb"], concurrency=now["concurrency"])
        candidate.prove(stage, prepared, now["max_ms"], plan)
    if stage.dry_run:
        return
    registry.begin_canary(stage, registry.find(stage, new.name), live.name)
    try:
        _route(stage, now, new.version, check)
    except TrialError as error:
        _end(stage, dict(now) | OFF, registry.find(stage, new.name), f"taken back: {error}", check)
        raise
    print(f"  {new.name} is the canary: {told(now)}, beside {live.name}")


def _live(stage: Stage) -> Entry:
    """The release that has the stage's traffic. Raises StageError where there is none, or the function asks none."""
    config = (endpoint.describe(stage) or {}).get("EndpointConfigName", "")
    found = [entry for entry in registry.entries(stage) if entry.name in config]
    if not found or not function.asks_endpoint(stage):
        raise StageError(
            f"Stage {stage.name} serves no release by an endpoint: a canary stands beside one. Run `make deploy` first."
        )
    return found[0]


def _serves(stage: Stage, new: Release) -> bool:
    """Whether the candidate's endpoint has this release already: a command before this got that far."""
    running = registry.canary(stage)
    there = endpoint.describe(stage, stage.candidate) or {}
    in_service = there.get("EndpointStatus") == "InService"
    return bool(running and in_service and new.name in there.get("EndpointConfigName", ""))


def _check_may_start(stage: Stage, live: Entry, new: Release) -> None:
    if live.name == new.name:
        raise StageError(f"{new.name} has the stage's traffic already.")
    if live.version == new.version:
        raise StageError(
            f"Both releases call themselves {new.version}: their answers could not be told apart. Give the new one "
            "another version in its card.json and export it again."
        )
    if on := watch.raised(stage):
        raise StageError(f"The alarm {on[0]} is on: put that right first, for an alarm takes a canary back.")


def _route(stage: Stage, now: Mapping[str, Any], version: str, check: Check | None) -> None:
    """Tell the function, its alarms and the stage's memory of the share that the candidate has, or has no more."""
    wanted = choices.options(now)
    function.retell(stage, wanted, version, check)
    watch.ensure_alarms(stage, wanted)
    choices.keep(stage, now)


def _end(stage: Stage, now: Mapping[str, Any], entry: Entry, how: str, check: Check | None) -> None:
    """No more traffic, no more endpoint; that it is the canary goes last, so that until then this can be run again."""
    _route(stage, now, "", check)
    candidate.remove(stage)
    if not stage.dry_run:
        registry.end_canary(stage, entry, how)


def running(stage: Stage) -> Entry:
    """The canary. Raises StageError where there is none."""
    found = registry.canary(stage)
    if found is None:
        raise StageError(f"Stage {stage.name} has no canary: `python -m backend.deploy canary start` begins one.")
    return found


def promote(stage: Stage, now: Mapping[str, Any], why: str = "by hand", check: Check | None = None) -> None:
    """Give the canary all of the stage's traffic; where it fails its trial there, it is taken back."""
    entry = running(stage)
    new = registry.fetch(stage, entry, release.RELEASES)
    try:
        release.put(stage, new, choices.plan(now), now["max_ms"], proved=True)
    except TrialError as error:
        _end(stage, dict(now) | OFF, entry, f"taken back: {error}", check)
        raise
    _end(stage, dict(now) | OFF, entry, f"promoted: {why}", check)
    print(f"  {entry.name} is promoted: {why}")


def stop(stage: Stage, now: Mapping[str, Any], why: str = "by hand", check: Check | None = None) -> None:
    """Take the canary back; also from the stage's endpoint, where a promotion was stopped half-way."""
    entry = running(stage)
    if entry.name in (endpoint.describe(stage) or {}).get("EndpointConfigName", ""):
        print(f"  {release.go_back(stage, entry.name)}")
    _end(stage, dict(now) | OFF, entry, f"taken back: {why}", check)
    print(f"  {entry.name} is taken back: {why}")


def judge(stage: Stage, now: Mapping[str, Any], patience: Patience, check: Check | None = None) -> Verdict:
    """Compare both releases and do what the rule says; returns that."""
    entry = running(stage)
    found = read(stage, entry)
    for line in table(entry, found, now):
        print(line)
    ran = (time.time() - entry.since) / 3600
    verdict = rule.decide(found.stable, found.new, watch.raised(stage), ran, patience)
    print(f"  {verdict.what}: {verdict.why}")
    if verdict.what == rule.PROMOTE:
        promote(stage, now, verdict.why, check)
    elif verdict.what == rule.TAKE_BACK:
        stop(stage, now, verdict.why, check)
    return verdict


def read(stage: Stage, entry: Entry) -> evidence.Evidence:
    """What the canary and the release beside it have done since it began."""
    return evidence.read(stage, function.log_group(stage), entry.since, _version(stage, entry.against), entry.version)


def _version(stage: Stage, name: str) -> str:
    return next((entry.version for entry in registry.entries(stage) if entry.name == name), "")


def show(stage: Stage, now: Mapping[str, Any]) -> None:
    """Print both releases side by side, where there is a canary."""
    entry = registry.canary(stage)
    if entry:
        for line in table(entry, read(stage, entry), now):
            print(line)


def table(entry: Entry, found: evidence.Evidence, now: Mapping[str, Any]) -> list[str]:
    """Both releases side by side, as lines."""
    head = f"{'':28} {'answers':>8} {'rejected':>9} {'failed':>7} {'corrected':>14} {'median':>8}"
    hours = (time.time() - entry.since) / 3600
    lines = [f"canary {told(now)}, for {hours:.1f} hours", head]
    for name, counts in ((entry.against, found.stable), (entry.name, found.new)):
        lines.append(f"{name:28} {_row(counts)}")
    if found.new.same is not None and found.new.answers:
        lines.append(f"{found.new.same / found.new.answers:.1%} of the shadow's answers are the other's")
    return lines


def _row(counts: Counts) -> str:
    rejected = f"{counts.rejections / counts.answers:.1%}" if counts.answers else "-"
    corrected = f"{counts.corrections} of {counts.judged}"
    took = f"{counts.median:.0f} ms" if counts.ms else "-"
    return f"{counts.answers:>8,} {rejected:>9} {counts.failures:>7,} {corrected:>14} {took:>8}"


def told(now: Mapping[str, Any]) -> str:
    """The share in words."""
    return "asked for every picture, answers nobody" if now["shadow"] else f"answers {now['canary']:g} % of the callers"


def price(now: Mapping[str, Any], requests_per_day: float) -> str:
    """What the candidate's endpoint costs, as a line."""
    more = cost.asked(now["memory_mb"]) * requests_per_day * cost.DAYS * (1 if now["shadow"] else now["canary"] / 100)
    what = "beside" if now["shadow"] else "in place of"
    return (
        f"The canary's endpoint is serverless: $0 at rest, ${more:.2f} a month at {requests_per_day:,.0f} requests "
        f"a day {what} the stage's own, and $0.10 a month for its alarm; until `canary promote` or `canary stop`."
    )


def share(now: Mapping[str, Any], percent: float, *, shadow: bool) -> dict[str, Any]:
    """The stage's choices with this share for a canary."""
    return dict(now) | {"canary": 100.0 if shadow else percent, "shadow": shadow}
