"""What differs between a stage as it was last deployed and as it is: parts that are gone, a changed environment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from backend.deploy import serving, watch
from backend.deploy.refusals import attempt

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from backend.deploy.parts import Left
    from backend.deploy.stage import Stage

FUNCTION = ("usage plan", "stack", "function", "API key", "bucket")
MODEL = ("endpoint", "config", "model", "release", "registry group")


def found(stage: Stage, rows: Sequence[Left], choices: Mapping[str, Any]) -> list[str]:
    """A line for each difference; nothing for a stage that was never deployed."""
    good = serving.last_good(stage)
    if good is None:
        return []
    there = {(row.kind, row.name) for row in rows}
    kinds = {row.kind for row in rows}
    gone = [kind for kind in FUNCTION + _asked(choices) if kind not in kinds]
    alarms = watch.alarms(stage, relays=choices["mode"] == "sagemaker")
    gone += [f"alarm {alarm.name}" for alarm in alarms if ("alarm", f"{stage.prefix}-{alarm.name}") not in there]
    lines = [f"gone: {what}; the next deploy makes it again" for what in gone]
    return lines + _environment(stage, good.environment)


def _asked(choices: Mapping[str, Any]) -> tuple[str, ...]:
    """The kinds that these choices make beside every stage's."""
    told = ("topic", "budget") if choices["email"] else ()
    if choices["mode"] == "embedded":
        return told
    timed = ("time to live", "schedule group") if choices["instance_type"] and choices["ttl_hours"] else ()
    return told + MODEL + timed


def _environment(stage: Stage, wanted: Mapping[str, str]) -> list[str]:
    about = attempt(stage.client("lambda").get_function_configuration, FunctionName=stage.prefix)
    if about is None:
        return []
    there = about.get("Environment", {}).get("Variables", {})
    names = sorted(name for name in {*there, *wanted} if there.get(name) != wanted.get(name))
    # by its name alone: a value set by hand may be a secret
    return [f"changed by hand: the function's {name}; the next deploy writes it again" for name in names]
