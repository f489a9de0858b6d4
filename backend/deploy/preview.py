"""What a deploy would change, as lines of old -> new: the model, what it runs on, the function, its rights, the bill.

Old is what was last good, new what the choices and zappa_settings.json say. Only the code is not compared: it is
packaged when it is deployed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from backend.deploy import choices, endpoint, options, serving, watch
from backend.deploy.plan import Release
from backend.deploy.refusals import StageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from backend.deploy.stage import Stage

PRIVATE = ("KEY", "SECRET", "TOKEN", "PASSWORD")  # of a variable's name: its value is nobody's here
OWN = ("aws_environment_variables", "api_key", "tags", "s3_bucket", "role_arn", "aws_region", "exclude")


def lines(stage: Stage, now: Mapping[str, Any], before: Mapping[str, Any], artifact: Path) -> list[str]:
    """Each difference; one line that says so where there is none."""
    found = [*_model(stage, now, artifact), *_function(stage, now), *_bill(stage, now, before)]
    return found or ["Nothing would change but the code, which is packaged anew."]


def _model(stage: Stage, now: Mapping[str, Any], artifact: Path) -> Iterator[str]:
    """The release and its plan."""
    there = endpoint.describe(stage)
    if now["mode"] == "embedded":
        if there:
            yield "  endpoint: removed once the function answers by itself"
        return
    live = (there or {}).get("EndpointConfigName", "")
    new = Release.load(artifact, stage, now["image"]).name
    if new not in live:
        yield f"  release: {live.removeprefix(f'{stage.prefix}-').rpartition('-')[0] or 'none'} -> {new}"
    old, plan = endpoint.live_plan(stage), choices.plan(now)
    if old is None or old.variant != plan.variant:
        yield f"  endpoint on: {old or 'none'} -> {plan}"


def _function(stage: Stage, now: Mapping[str, Any]) -> Iterator[str]:
    """Settings, environment, limits, rights and alarms."""
    good, wanted = serving.last_good(stage), choices.options(now)
    if good is None:
        yield f"  function, API, key, usage plan: none -> made, {wanted.mode}"
    else:
        settings = options.settings(stage, wanted)[stage.name]
        yield from _differ("function", _plain(good.settings), _plain(settings))
        yield from _differ("variable", good.environment, settings["aws_environment_variables"])
        yield from _differ("limit", good.limits, wanted.limits)
        yield from _differ("right", _by_name(good.rights), _by_name(options.rights(stage, wanted)))
    there = {row.name.removeprefix(f"{stage.prefix}-") for row in watch.PARTS[0].find(stage)}
    alarms = {alarm.name for alarm in watch.alarms(stage, wanted)}
    yield from (f"  alarm {name}: none -> made" for name in sorted(alarms - there))
    yield from (f"  alarm {name}: there -> removed" for name in sorted(there - alarms))


def _plain(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Of Zappa's settings, those that say how the function runs."""
    return {name: value for name, value in settings.items() if name not in OWN}


def _by_name(rights: Mapping[str, Any]) -> dict[str, str]:
    """The statements' names and what each is about."""
    found = {}
    for statement in rights["policy"]["Statement"]:
        about = statement["Resource"]
        found[statement["Sid"]] = " ".join([about] if isinstance(about, str) else about)
    return found


def _differ(kind: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    for name in sorted({*old, *new}):
        if old.get(name) != new.get(name):
            shown = [_shown(name if kind == "variable" else "", each.get(name)) for each in (old, new)]
            yield f"  {kind} {name}: {shown[0]} -> {shown[1]}"


def _shown(variable: str, value: Any) -> str:
    if value is None:
        return "none"
    return "***" if any(word in variable.upper() for word in PRIVATE) else str(value)


def _bill(stage: Stage, now: Mapping[str, Any], before: Mapping[str, Any]) -> Iterator[str]:
    if not before:
        return
    try:
        old, new = (choices.setup(stage.name, each).at_rest for each in (choices.chosen(before, {}), now))
    except StageError:  # an instance type without price: the estimate above says so
        return
    if old != new:
        yield f"  at rest: ${old:.2f} a month -> ${new:.2f}"
