"""What may differ between stages, and what follows of it: Zappa's settings, environment and the function's rights."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from backend.deploy.roles import policy
from backend.deploy.stage import ROOT

if TYPE_CHECKING:
    from backend.deploy.stage import Stage


ENDPOINT = "SAGEMAKER_ENDPOINT_NAME"  # set: the API relays to it
CANARY = ("BACKEND_CANARY", "BACKEND_CANARY_SHARE", "BACKEND_CANARY_SHADOW")
ASKS = "AskTheModel"  # the Sid of the right to ask the endpoints


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
    canary: float = 0.0  # percent of the callers whom the candidate's endpoint answers
    shadow: bool = False  # it is asked for every picture instead, and answers nobody
    domain: str = ""  # the API's own name, such as api.example.org
    certificate: str = ""  # its certificate's ARN in ACM

    @property
    def limits(self) -> dict[str, float]:
        """What the usage plan allows the key."""
        return {"rate": self.rate, "burst": self.burst, "quota": self.quota}

    @property
    def embedded(self) -> bool:
        """Whether the model is in the package."""
        return self.fallback or self.mode == "embedded"


def book(stage_name: str) -> dict[str, Any]:
    """zappa_settings.json's stage, or its base; of the environment, what the stage adds to the base's."""
    content = json.loads((ROOT / "zappa_settings.json").read_text())
    base, own = content["base"], content.get(stage_name, {})
    variables = base["aws_environment_variables"] | own.get("aws_environment_variables", {})
    found = {**base, **own, "aws_environment_variables": variables}
    for name in ("extends", "prebuild_script"):  # both are for whoever types `zappa` in the repository
        found.pop(name, None)
    return found


def settings(stage: Stage, options: Options, key: str = "") -> dict[str, Any]:
    """The stage's settings with what only the account knows, as Zappa reads them."""
    found = book(stage.name)
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
    relay = {ENDPOINT: stage.prefix} if options.mode == "sagemaker" else {}
    model = {"BACKEND_MODEL_DIR": "model"} if options.embedded else {}  # Lambda starts in the package's folder
    named = {"BACKEND_STAGE": stage.name}  # tells one stage's metrics from another's
    fallback = {"BACKEND_FALLBACK": "embedded"} if options.fallback else {}
    return named | relay | model | fallback | canary(stage, options)


def canary(stage: Stage, options: Options) -> dict[str, str]:
    """What the function is told of a new release's endpoint; nothing where there is none."""
    if not options.canary or options.mode != "sagemaker":
        return {}
    shadow = {"BACKEND_CANARY_SHADOW": "1"} if options.shadow else {}
    return {"BACKEND_CANARY": stage.candidate, "BACKEND_CANARY_SHARE": f"{options.canary:.6g}", **shadow}


def rights(stage: Stage, options: Options) -> dict[str, Any]:
    """The function's role for what this stage does: call its endpoint, keep feedback where it is told to."""
    document = policy(stage, "function")
    statements = document["policy"]["Statement"]
    if options.mode == "embedded":
        statements = [statement for statement in statements if statement["Sid"] != ASKS]
    statements = asking(stage, options, statements)
    kept = settings(stage, options)[stage.name]["aws_environment_variables"].get("BACKEND_FEEDBACK", "")
    if kept.startswith("s3://"):
        where = f"arn:{stage.partition}:s3:::{kept.removeprefix('s3://').rstrip('/')}"
        files = ["s3:GetObject", "s3:PutObject", "s3:DeleteObject"]
        statements.append({"Sid": "KeepFeedback", "Effect": "Allow", "Action": files, "Resource": f"{where}/*"})
        bucket = where.partition("/")[0]  # without the right to list it, what is not there reads as not allowed
        statements.append({"Sid": "FindFeedback", "Effect": "Allow", "Action": "s3:ListBucket", "Resource": bucket})
    document["policy"]["Statement"] = statements
    return document


def asking(stage: Stage, options: Options, statements: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The statements, with the right to ask the endpoints that these options name and no other."""
    names = [stage.prefix, *([stage.candidate] if canary(stage, options) else [])]
    arns = [stage.arn("sagemaker", f"endpoint/{name}") for name in names]
    return [
        each | {"Resource": arns if arns[1:] else arns[0]} if each.get("Sid") == ASKS else each for each in statements
    ]
