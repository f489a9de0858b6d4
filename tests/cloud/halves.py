"""The two halves of a stage as the tests make them, look at them and remove them: every part found, no refusal."""

from __future__ import annotations

import io
import json
import zipfile
from typing import TYPE_CHECKING

from backend.deploy import choices, function, gateway, options, parts, release, serving, watch
from backend.deploy.buckets import ensure_bucket
from backend.deploy.logs import ensure_log_group
from backend.deploy.plan import Plan
from backend.deploy.roles import ensure_role
from backend.deploy.serving import Serving

if TYPE_CHECKING:
    from backend.deploy.parts import Left
    from backend.deploy.plan import Release
    from backend.deploy.stage import Stage

MAX_MS = 60_000.0  # on a machine that is busy with other things, half a second and more
NOW = choices.chosen({}, {"max_ms": MAX_MS})
TEMPLATE = {"Resources": {"Api": {"Type": "AWS::ApiGateway::RestApi", "Properties": {"Name": "an API"}}}}
MODEL = (*release.BILLING, *release.PARTS)


def model_parts(stage: Stage) -> list[Left]:
    rows, unseen = parts.inventory(stage, MODEL)
    assert unseen == {}, unseen
    return rows


def function_parts(stage: Stage) -> list[Left]:
    rows, unseen = parts.inventory(stage, function.PARTS)
    assert unseen == {}, unseen
    return rows


def remove_model(stage: Stage) -> None:
    refused = parts.remove(stage, MODEL)
    assert refused == {}, refused


def remove_function(stage: Stage) -> None:
    refused = parts.remove(stage, function.PARTS)
    assert refused == {}, refused


def deployed(stage: Stage, first: Release) -> Stage:
    """Both halves, as a deploy leaves them; without Zappa, whose process takes seconds."""
    release.up(stage, first, Plan(), MAX_MS)
    bucket = ensure_bucket(stage, "deploy")
    code = io.BytesIO()
    with zipfile.ZipFile(code, "w") as content:
        content.writestr("handler.py", "lambda_handler = None")
    stage.client("s3").put_object(Bucket=bucket, Key="packages/one.zip", Body=code.getvalue())
    plain, key = choices.options(NOW), gateway.ensure_key(stage)
    settings = options.settings(stage, plain, key)[stage.name]
    good = Serving(f"s3://{bucket}/packages/one.zip", settings, options.rights(stage, plain), plain.limits)
    role = ensure_role(stage, "function", good.rights)
    ensure_log_group(stage, function.log_group(stage))
    about = {"FunctionName": stage.prefix, "Role": role, "Runtime": "python3.13", "Handler": "handler.lambda_handler"}
    about |= {"MemorySize": settings["memory_size"], "Timeout": settings["timeout_seconds"]}
    where = {"S3Bucket": bucket, "S3Key": "packages/one.zip"}
    stage.client("lambda").create_function(**about, Code=where, Environment={"Variables": good.environment})
    template = json.dumps(TEMPLATE)
    stage.client("cloudformation").create_stack(StackName=stage.prefix, TemplateBody=template, Tags=stage.tag_list())
    gateway.ensure_plan(stage, key, **plain.limits)
    watch.ensure(stage, plain)
    serving.keep(stage, good, None)
    choices.keep(stage, NOW)
    return stage
