"""The Lambda half of a stage: Zappa makes the function and the API, this makes what Zappa leaves out.

That is least rights, a usage plan, alarms, a budget and log retention. Every function may be stopped at any point and
run again.
"""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from backend.deploy import domain, package, rehearsal, serving, trial, watch
from backend.deploy.buckets import bucket_part, ensure_bucket
from backend.deploy.gateway import KEY, PLAN, ensure_key, key_of, url_of
from backend.deploy.logs import ensure_log_group, log_part
from backend.deploy.options import CANARY, ENDPOINT, Options, asking, canary, rights, settings
from backend.deploy.parts import Left, Part
from backend.deploy.refusals import StageError, attempt
from backend.deploy.roles import role_part
from backend.deploy.serving import Serving
from backend.deploy.stage import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from backend.deploy.stage import Stage

    Check = Callable[[str, str], str]  # address and key -> the outcome in words

SETTLED = ("CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE")


def up(stage: Stage, options: Options, check: Check | None = None) -> None:
    """Deploy or update the stage; `check`(url, key) tries it and returns the outcome in words."""
    domain.check(options)
    found = function_and_stack(stage)
    print(f"{stage.prefix}: {options.mode}{', with the model as fallback' if options.fallback else ''}")
    ensure_bucket(stage, "deploy")
    ensure_log_group(stage, log_group(stage))
    key = ensure_key(stage)
    before = serving.last_good(stage)
    new = Serving("", settings(stage, options, key)[stage.name], rights(stage, options), options.limits)
    new.allow(stage, before)  # until it is proved, both may do what they do
    new = _deploy(stage, options, new, *found)
    if not stage.dry_run:
        back = partial(Serving.put, stage=stage, folder=ROOT / package.BUILD / "rollback", whole=True)
        _prove(stage, new, check or partial(trial.try_api, served_by=options.mode), before, back)
        watch.ensure(stage, options)
        domain.ensure(stage, options)


def retell(stage: Stage, options: Options, version: str = "", check: Check | None = None) -> None:
    """Tell the code that runs which endpoints to ask now, once it is proved; `version`: the candidate's.

    Raises StageError where nothing is deployed, TrialError where the code cannot do it: then all is as before.
    """
    before = serving.last_good(stage)
    if before is None:
        raise StageError(f"Stage {stage.name} is not deployed: run `make deploy STAGE={stage.name}`.")
    kept = {name: value for name, value in before.environment.items() if name not in CANARY}
    told = canary(stage, options)
    new = before.changed(kept | told, asking(stage, options, before.rights["policy"]["Statement"]))
    new.allow(stage, before)
    if stage.dry_run:
        print(f"would tell the function {json.dumps(told)}")
        return
    if told:  # all questions go to the candidate there, so that it is seen to answer
        rehearsal.prove(stage, new, kept | canary(stage, replace(options, canary=100, shadow=False)), version)
    new.tell(stage)
    back = partial(Serving.tell, stage=stage)
    _prove(stage, new, check or partial(trial.try_api, served_by=options.mode), before, back)


def function_and_stack(stage: Stage) -> tuple[dict[str, Any] | None, dict[str, Any] | None]:
    """The function and the CloudFormation stack, each or None. Raises StageError where one is somebody else's."""
    return _function(stage), _stack(stage)


def _function(stage: Stage) -> dict[str, Any] | None:
    found: dict[str, Any] | None = attempt(stage.client("lambda").get_function, FunctionName=stage.prefix)
    # by its role, for Zappa tags the function only some calls after it has made it
    if found and found["Configuration"]["Role"] != stage.role_arn("function"):
        raise StageError(f"The function {stage.prefix} in this account is not ours: choose another STAGE.")
    return found


def _stack(stage: Stage) -> dict[str, Any] | None:
    found = attempt(stage.client("cloudformation").describe_stacks, StackName=stage.prefix)
    stack: dict[str, Any] | None = found["Stacks"][0] if found and found["Stacks"] else None
    if stack and not stage.owns(stack.get("Tags", [])):
        raise StageError(f"The stack {stage.prefix} in this account is not ours: choose another STAGE.")
    return stack


def _deploy(stage: Stage, options: Options, new: Serving, function: Any, stack: dict[str, Any] | None) -> Serving:
    """Have Zappa deploy, or update what is whole; half a deployment is removed first. Returns it with its package."""
    stack = _settle(stage, stack)
    whole = bool(function and stack and stack["StackStatus"] in SETTLED and url_of(stage))
    if stage.dry_run:
        new.print_instead(stage, whole=whole)
        return new
    folder = package.build(options.mode + ("-fallback" if options.fallback else ""), embedded=options.embedded)
    archive = package.package(folder, {stage.name: new.settings}, stage.name)
    print(f"  package of {archive.stat().st_size / 1e6:.1f} MB")
    if not whole:
        _remove_stack(stage, stage.prefix)
        _remove_function(stage, stage.prefix)
    new = new._replace(package=_upload(stage, archive))
    if whole:
        rehearsal.prove(stage, new)
    new.put(stage, folder, whole=whole)
    return new


def _upload(stage: Stage, archive: Path) -> str:
    """Put the package into the stage's bucket, where a later command finds it to go back to; returns its s3:// URL."""
    content = archive.read_bytes()
    key = f"packages/{hashlib.sha256(content).hexdigest()[:16]}.zip"
    stage.client("s3").put_object(Bucket=stage.bucket("deploy"), Key=key, Body=content)
    return f"s3://{stage.bucket('deploy')}/{key}"


def _settle(stage: Stage, stack: dict[str, Any] | None, every: float = 5) -> dict[str, Any] | None:
    """Wait while CloudFormation works on the stack: an interrupted command may have left it at that."""
    while stack and stack["StackStatus"].endswith("IN_PROGRESS"):
        print(f"  stack {stack['StackStatus']}", flush=True)
        time.sleep(every)
        stack = _stack(stage)
    return stack


def _stacks(stage: Stage) -> list[Left]:
    stack = _stack(stage)
    return [Left("stack", stage.prefix, stack["StackStatus"], note=url_of(stage) or "")] if stack else []


def _remove_stack(stage: Stage, name: str) -> None:
    client = stage.client("cloudformation")
    if _settle(stage, _stack(stage)):
        client.delete_stack(StackName=name)
        if not stage.dry_run:
            client.get_waiter("stack_delete_complete").wait(StackName=name, WaiterConfig={"Delay": 5})


def _functions(stage: Stage) -> list[Left]:
    found = _function(stage)
    if found is None:
        return []
    about = found["Configuration"]
    note = f"{about['Runtime']}, {about['MemorySize']} MB, $0 at rest"
    return [Left("function", stage.prefix, about.get("State", ""), about["LastModified"][:16], note)]


def _remove_function(stage: Stage, name: str) -> None:
    attempt(stage.client("lambda").delete_function, FunctionName=name)


def _prove(stage: Stage, new: Serving, check: Check, before: Serving | None, back: Callable[[Serving], object]) -> None:
    """Try the deployed API; where it fails, put `back` what was last good, and its rights. Raises TrialError."""
    url, key = url_of(stage) or "", (key_of(stage, value=True) or {}).get("value", "")
    try:
        print("  " + check(url, key))
    except StageError as error:
        if before is None:
            raise trial.TrialError(f"{error} See `make logs`, or remove it with `make destroy`.") from None
        if serving.last_good(stage) != before:
            raise trial.TrialError(f"{error} Somebody else has deployed since, so nothing was put back.") from None
        back(before)
        before.allow(stage)
        raise trial.TrialError(f"{error} The function is back on the code, settings and rights before this.") from None
    serving.keep(stage, new, before)
    if before:
        new.allow(stage)


def asks_endpoint(stage: Stage) -> bool:
    """Whether the function relays to the stage's endpoint; also where there is no function yet."""
    found = _function(stage)
    return found is None or ENDPOINT in found["Configuration"].get("Environment", {}).get("Variables", {})


def log_group(stage: Stage) -> str:
    """The function's log group."""
    return f"/aws/lambda/{stage.prefix}"


PARTS = (
    domain.PART,
    PLAN,  # an API in a usage plan cannot be deleted
    Part("stack", _stacks, _remove_stack),
    Part("function", _functions, _remove_function),
    rehearsal.PART,
    KEY,
    *watch.PARTS,
    role_part("function"),
    bucket_part("deploy"),
    log_part(lambda stage: [log_group(stage)]),
)
