"""What differs between a stage as it was last deployed and as it is: parts that are gone, and what was changed by hand.

Compared are the endpoint's release, the function's environment, memory and rights, the usage plan, the key and alarms.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from backend.deploy import endpoint, gateway, registry, serving, watch
from backend.deploy.choices import options
from backend.deploy.refusals import attempt, pages

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from backend.deploy.parts import Left
    from backend.deploy.serving import Serving
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
    alarms = watch.alarms(stage, options(choices))
    gone += [f"alarm {alarm.name}" for alarm in alarms if ("alarm", f"{stage.prefix}-{alarm.name}") not in there]
    lines = [f"gone: {what}; the next deploy makes it again" for what in gone]
    changed = [*_function(stage, good), *_rights(stage, good), *_gateway(stage, good), *_alarms(stage, alarms)]
    changed += _endpoint(stage) if choices["mode"] == "sagemaker" else []
    # by its name alone: a value set by hand may be a secret
    return lines + [f"changed by hand: {what}; the next deploy writes it again" for what in changed]


def _asked(choices: Mapping[str, Any]) -> tuple[str, ...]:
    """The kinds that these choices make beside every stage's."""
    told = ("topic", "budget") if choices["email"] else ()
    if choices["mode"] == "embedded":
        return told
    timed = ("time to live", "schedule group") if choices["instance_type"] and choices["ttl_hours"] else ()
    return told + MODEL + timed + (("candidate",) if choices["canary"] else ())


def _function(stage: Stage, good: Serving) -> list[str]:
    about = attempt(stage.client("lambda").get_function_configuration, FunctionName=stage.prefix)
    if about is None:
        return []
    there, wanted = about.get("Environment", {}).get("Variables", {}), good.environment
    changed = sorted(name for name in {*there, *wanted} if there.get(name) != wanted.get(name))
    sizes = {"MemorySize": "memory_size", "Timeout": "timeout_seconds"}
    changed += [ours for theirs, ours in sizes.items() if about[theirs] != good.settings[ours]]
    return [f"the function's {name}" for name in changed]


def _rights(stage: Stage, good: Serving) -> list[str]:
    ask = stage.client("iam").get_role_policy
    there = attempt(ask, RoleName=stage.role("function"), PolicyName="stage")
    same = there and there["PolicyDocument"] == good.rights["policy"]
    return [] if same else ["the function's rights"]


def _gateway(stage: Stage, good: Serving) -> list[str]:
    changed = []
    if plan := gateway.plan_of(stage):
        throttle, quota = plan.get("throttle", {}), plan.get("quota", {})
        there = {"rate": throttle.get("rateLimit"), "burst": throttle.get("burstLimit"), "quota": quota.get("limit")}
        changed += [f"the usage plan's {name}" for name, limit in good.limits.items() if there[name] != limit]
    if (key := gateway.key_of(stage)) and not key.get("enabled", True):
        changed.append("the key, which is switched off")
    return changed


def _alarms(stage: Stage, wanted: Sequence[watch.Alarm]) -> list[str]:
    names = [f"{stage.prefix}-{alarm.name}" for alarm in wanted]
    found = pages(stage.client("cloudwatch"), "describe_alarms", "MetricAlarms", AlarmNames=names)
    there = {each["AlarmName"]: each for each in found}
    changed = []
    for name, alarm in zip(names, wanted, strict=True):
        if each := there.get(name):
            same = each["Threshold"] == alarm.threshold and each["EvaluationPeriods"] == alarm.periods
            changed += [] if same and each.get("ActionsEnabled", True) else [f"the alarm {alarm.name}"]
    return changed


def _endpoint(stage: Stage) -> list[str]:
    """An endpoint on a config that no trial has approved, as a deploy that was stopped leaves it too."""
    live = (endpoint.describe(stage) or {}).get("EndpointConfigName")
    known = {entry.config for entry in registry.entries(stage)}
    return ["what the endpoint serves"] if live and live not in known else []
