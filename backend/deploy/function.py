"""The Lambda half of a stage: Zappa makes the function and the API, this makes what Zappa leaves out.

That is least rights, a usage plan, alarms, a budget and log retention. Every function may be stopped at any point and
run again.
"""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from backend.deploy import package, trial, watch
from backend.deploy.buckets import bucket_part, ensure_bucket
from backend.deploy.gateway import KEY, PLAN, ensure_key, ensure_plan, key_of, url_of
from backend.deploy.logs import ensure_log_group, log_part
from backend.deploy.parts import Left, Part
from backend.deploy.refusals import StageError, attempt
from backend.deploy.roles import ensure_role, policy, role_part
from backend.deploy.stage import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from backend.deploy.stage import Stage

SETTLED = ("CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE")


@dataclass(frozen=True)
class Options:
    """What may differ between stages beside zappa_settings.json."""

    mode: str = "sagemaker"  # or "embedded": the model inside the function, no SageMaker at all
    fallback: bool = False  # sagemaker mode: the embedded model answers while the endpoint fails
    email: str = ""  # gets the alarms and the budget's warnings
    rate: float = 10.0  # requests a second, steady
    burst: int = 20
    quota: int = 5000  # requests a day
    budget: float = 20.0  # USD a month, of the whole account

    @property
    def embedded(self) -> bool:
        """Whether the model is in the package."""
        return self.fallback or self.mode == "embedded"


def settings(stage: Stage, options: Options, key: str = "") -> dict[str, Any]:
    """zappa_settings.json's stage, or its base, with what only the account knows, as Zappa reads it."""
    book = json.loads((ROOT / "zappa_settings.json").read_text())
    found = {**book["base"], **book.get(stage.name, {})}
    found.pop("extends", None)
    known = {
        "aws_region": stage.region,
        "s3_bucket": stage.bucket("deploy"),
        "role_arn": stage.role_arn("function"),
        "tags": stage.tags,
        "aws_environment_variables": found["aws_environment_variables"] | _environment(stage, options),
        "exclude": ["zappa_settings.json"],
    }
    return {stage.name: {**found, **known, **({"api_key": key} if key else {})}}


def _environment(stage: Stage, options: Options) -> dict[str, str]:
    relay = {"SAGEMAKER_ENDPOINT_NAME": stage.prefix} if options.mode == "sagemaker" else {}
    model = {"BACKEND_MODEL_DIR": "model"} if options.embedded else {}  # Lambda starts in the package's folder
    return relay | model | ({"BACKEND_FALLBACK": "embedded"} if options.fallback else {})


def up(stage: Stage, options: Options, check: Callable[[str, str], str] | None = None) -> None:
    """Deploy or update the stage; `check`(url, key) tries it and returns the outcome in words."""
    found = function_and_stack(stage)
    print(f"{stage.prefix}: {options.mode}{', with the model as fallback' if options.fallback else ''}")
    ensure_bucket(stage, "deploy")
    ensure_role(stage, "function", rights(stage, options))
    ensure_log_group(stage, log_group(stage))
    key = ensure_key(stage)
    config = settings(stage, options, key)
    archive = _deploy(stage, options, config, *found)
    if not stage.dry_run:
        ensure_plan(stage, key, options.rate, options.burst, options.quota)
        watch.ensure(stage, options.email, options.budget, relays=options.mode == "sagemaker")
        _prove(stage, config, check or trial.try_api, archive)


def rights(stage: Stage, options: Options) -> dict[str, Any]:
    """The function's role for what this stage does: call its endpoint, keep feedback where it is told to."""
    document = policy(stage, "function")
    statements = document["policy"]["Statement"]
    if options.mode == "embedded":
        statements = [statement for statement in statements if statement["Sid"] != "AskTheModel"]
    kept = settings(stage, options)[stage.name]["aws_environment_variables"].get("BACKEND_FEEDBACK", "")
    if kept.startswith("s3://"):
        where = f"arn:aws:s3:::{kept.removeprefix('s3://').rstrip('/')}"
        files = ["s3:GetObject", "s3:PutObject", "s3:DeleteObject"]
        statements.append({"Sid": "KeepFeedback", "Effect": "Allow", "Action": files, "Resource": f"{where}/*"})
        bucket = where.partition("/")[0]  # without the right to list it, what is not there reads as not allowed
        statements.append({"Sid": "FindFeedback", "Effect": "Allow", "Action": "s3:ListBucket", "Resource": bucket})
    document["policy"]["Statement"] = statements
    return document


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


def _deploy(stage: Stage, options: Options, config: dict[str, Any], function: Any, stack: dict[str, Any] | None) -> str:
    """Have Zappa deploy, or update what is whole; half of a deployment is removed first. Returns the package's URL."""
    stack = _settle(stage, stack)
    whole = bool(function and stack and stack["StackStatus"] in SETTLED)
    verb = "update" if whole else "deploy"
    if stage.dry_run:
        print(f"would run zappa {verb} {stage.name} with {json.dumps(config)}")
        return ""
    folder = package.build(options.mode + ("-fallback" if options.fallback else ""), embedded=options.embedded)
    archive = package.package(folder, config, stage.name)
    print(f"  package of {archive.stat().st_size / 1e6:.1f} MB")
    if not whole:
        _remove_stack(stage, stage.prefix)
        _remove_function(stage, stage.prefix)
    url = _upload(stage, archive)
    package.zappa(folder, config, verb, stage.name, "--zip", url)
    if url_of(stage) is None:  # Zappa's exit code is 0 whatever happened
        raise StageError("Zappa made no API: run the command again.")
    return url


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


def _prove(stage: Stage, config: dict[str, Any], check: Callable[[str, str], str], archive: str) -> None:
    """Try the deployed API; where it fails, put the last good package back. Raises StageError."""
    url, key = url_of(stage) or "", (key_of(stage, value=True) or {}).get("value", "")
    s3, good = stage.client("s3"), {"Bucket": stage.bucket("deploy"), "Key": "good"}
    try:
        print("  " + check(url, key))
    except StageError as error:
        before = attempt(s3.get_object, **good)
        if before is None:
            raise StageError(f"{error} See `make logs`, or remove it with `make destroy`.") from None
        last = before["Body"].read().decode()
        package.zappa(ROOT / package.BUILD / "rollback", config, "update", stage.name, "--zip", last)
        raise StageError(f"{error} The function is back on the code before this.") from None
    s3.put_object(**good, Body=archive.encode())


def log_group(stage: Stage) -> str:
    """The function's log group."""
    return f"/aws/lambda/{stage.prefix}"


PARTS = (
    PLAN,  # an API in a usage plan cannot be deleted
    Part("stack", _stacks, _remove_stack),
    Part("function", _functions, _remove_function),
    KEY,
    *watch.PARTS,
    role_part("function"),
    bucket_part("deploy"),
    log_part(log_group),
)
