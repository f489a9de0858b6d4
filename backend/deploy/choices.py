"""What somebody chose for a stage, kept in the stage: a later deploy changes only what it is told to change.

The choices are every field of Plan and Options, and the few of CHOSEN; they lie in the bucket beside the package.
"""

from __future__ import annotations

import json
from dataclasses import asdict, fields
from typing import TYPE_CHECKING, Any

from backend.deploy.cost import Setup
from backend.deploy.options import Options, book
from backend.deploy.plan import MAX_MS, Plan
from backend.deploy.refusals import attempt

if TYPE_CHECKING:
    from collections.abc import Mapping

    from backend.deploy.stage import Stage

KEY = "choices.json"
CHOSEN: dict[str, Any] = {
    "image": "",  # URI of the serving image
    "max_ms": MAX_MS,  # a slower endpoint is taken back
    "tag": [],  # K=V, beside our own
    "permissions_boundary": "",  # ARN of a policy that bounds every role
}
DEFAULTS: dict[str, Any] = {**asdict(Options()), **asdict(Plan()), **CHOSEN}


def remembered(stage: Stage) -> dict[str, Any]:
    """What was chosen for this stage before; empty for a new one."""
    found = attempt(stage.client("s3").get_object, Bucket=stage.bucket("deploy"), Key=KEY)
    return dict(json.loads(found["Body"].read())) if found else {}


def settle(stage: Stage, given: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The choices before and now; what the stage makes from here on has their tags and their permissions boundary."""
    before = remembered(stage)
    now = chosen(before, given)
    stage.own_tags = dict(each.split("=", 1) for each in now["tag"])
    stage.boundary = now["permissions_boundary"]
    return before, now


def chosen(before: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Every choice: as given now, else as before, else as by default."""
    return {name: given.get(name, before.get(name, default)) for name, default in DEFAULTS.items()}


def keep(stage: Stage, choices: Mapping[str, Any]) -> None:
    """Remember the choices; the bucket is there."""
    stage.client("s3").put_object(Bucket=stage.bucket("deploy"), Key=KEY, Body=json.dumps(dict(choices)).encode())


def told(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """The choices that are not the defaults, and what changes, as lines."""
    old = chosen(before, {})
    lines = []
    for name, value in now.items():
        if value != old[name]:
            lines.append(f"  {name}: {_shown(old[name])} -> {_shown(value)}")
        elif value != DEFAULTS[name]:
            lines.append(f"  {name}: {_shown(value)}")
    return lines


def _shown(value: Any) -> str:
    return str(value) if value not in ("", {}, []) else "none"


def plan(choices: Mapping[str, Any]) -> Plan:
    """The part of the choices that says what the endpoint runs on."""
    return Plan(**{field.name: choices[field.name] for field in fields(Plan)})


def options(choices: Mapping[str, Any]) -> Options:
    """The part of the choices that says what the function does."""
    chosen = {field.name: choices[field.name] for field in fields(Options)}
    return Options(**chosen | {"fallback": chosen["fallback"] and chosen["mode"] == "sagemaker"})


def setup(stage_name: str, choices: Mapping[str, Any]) -> Setup:
    """What of the choices and of zappa_settings.json decides the bill."""
    settings = book(stage_name)
    names = ("mode", "instance_type", "instances", "max_instances", "memory_mb", "provisioned", "ttl_hours")
    return Setup(
        **{name: choices[name] for name in names},
        lambda_mb=settings["memory_size"],
        metrics=bool(settings["aws_environment_variables"].get("BACKEND_METRICS")),
        traces=settings["xray_tracing"],
    )
