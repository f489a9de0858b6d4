"""`destroy` takes what bills first, never gives up at a refusal, and ends with what is left and why."""

from __future__ import annotations

import io
import json
import zipfile
from typing import TYPE_CHECKING, Any

import pytest

from backend.deploy import __main__ as deploy
from backend.deploy import function, gateway, options, parts, release, tags, watch
from backend.deploy.buckets import ensure_bucket
from backend.deploy.logs import ensure_log_group
from backend.deploy.options import Options
from backend.deploy.plan import Plan, Release
from backend.deploy.refusals import StageError
from backend.deploy.roles import ensure_role
from backend.deploy.stage import ARTIFACT, READS, Stage, open_stage
from tests.cloud.halves import TEMPLATE
from tests.cloud.unwilling import WAYS, Unwilling

if TYPE_CHECKING:
    from tests.cloud.lightsail import Lightsail

ALL = {
    "autoscaling", "endpoint", "time to live", "schedule group", "page", "usage plan", "stack", "function", "API key",
    "alarm", "topic", "budget", "role", "bucket", "log group", "config", "model", "release", "registry group",
}  # fmt: skip


def furnish(stage: Stage) -> None:
    """One of everything, without Zappa: its process takes seconds."""
    release.up(stage, Release.load(ARTIFACT, stage), Plan(instance_type="ml.m5.large"))
    ensure_bucket(stage, "deploy")
    role = ensure_role(stage, "function", options.rights(stage, Options()))
    ensure_log_group(stage, function.log_group(stage))
    code = io.BytesIO()
    with zipfile.ZipFile(code, "w") as content:
        content.writestr("handler.py", "lambda_handler = None")
    about = {"FunctionName": stage.prefix, "Role": role, "Runtime": "python3.13", "Handler": "handler.lambda_handler"}
    stage.client("lambda").create_function(**about, Code={"ZipFile": code.getvalue()})
    stage.client("cloudformation").create_stack(
        StackName=stage.prefix, TemplateBody=json.dumps(TEMPLATE), Tags=stage.tag_list()
    )
    gateway.ensure_plan(stage, gateway.ensure_key(stage), 10, 20, 5000)
    watch.ensure(stage, Options(email="me@example.org"))
    stage.client("lightsail").create_container_service(serviceName=f"{stage.prefix}-page", power="nano", scale=1)


def left(stage: Stage) -> set[str]:
    return {row.kind for row in parts.inventory(stage, deploy.PARTS)[0]}


def test_everything_is_found_and_then_gone(stage: Stage, lightsail: Lightsail) -> None:
    furnish(stage)
    assert left(stage) == ALL
    deploy.destroy(stage)
    assert left(stage) == set()
    assert lightsail.services == {}


def test_what_bills_by_the_hour_goes_before_anything_else(stage: Stage) -> None:
    furnish(stage)
    aws = Unwilling(stage)
    deploy.destroy(stage)
    writes = [operation for _, operation in aws.seen if not operation.startswith(READS)]
    assert writes[:2] == ["DeregisterScalableTarget", "DeleteEndpoint"]
    assert writes.index("DeleteContainerService") == 4


STAYS = {  # refused call -> what may stay of the stage with it; everything else goes
    "DeleteEndpoint": {"endpoint", "time to live", "schedule group"},
    "DescribeEndpoint": {"endpoint", "time to live", "schedule group"},
    "ListTags": {"endpoint", "time to live", "schedule group"},
    "DescribeModelPackageGroup": {"release", "registry group"},
    "DescribeModelPackage": {"release", "registry group"},
    "ListModelPackages": {"release", "registry group"},
    "DeleteModelPackage": {"release", "registry group"},
    "DeleteSchedule": {"time to live", "schedule group"},
    "GetSchedule": {"time to live", "schedule group"},
    "DescribeStacks": {"stack"},
    "GetResources": set(),
}


def refuse_in_turn(stage: Stage, chosen: set[str], capsys: pytest.CaptureFixture[str]) -> int:
    """Refuse each call of `destroy` (of `chosen`, where there are any) once; returns how many there were."""
    furnish(stage)
    aws = Unwilling(stage)
    deploy.destroy(stage)
    operations = sorted({operation for service, operation in aws.seen if service != "sts"})
    operations = [name for name in operations if name != "DescribeEndpointConfig"]  # of which only a price is told
    for number, operation in enumerate(sorted(chosen) or operations):
        furnish(stage)
        aws.refuse, aws.how = operation, WAYS[number % 3]
        with pytest.raises(StageError, match=r"left|looked for"):
            deploy.destroy(stage)
        told = capsys.readouterr().out
        assert {"denied": operation, "throttled": "slow down", "timed out": "longer"}[aws.how] in told
        aws.refuse = ""
        stays = left(stage)
        assert stays <= STAYS[operation] if operation in STAYS else len(stays) <= 1, operation
        deploy.destroy(stage)
        assert left(stage) == set()
    assert chosen <= set(operations)
    return len(operations)


def test_a_refused_call_stops_nothing_but_its_own_part(stage: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    """The two that bill, and what accounts often deny or tags delay."""
    often = {"DescribeEndpoint", "DeleteEndpoint", "DescribeBudget", "GetResources", "ListTransformJobs"}
    refuse_in_turn(stage, often, capsys)


@pytest.mark.slow
def test_every_call_refused_in_turn_stops_nothing_else(stage: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    calls = refuse_in_turn(stage, set(), capsys)
    with capsys.disabled():
        print(f"\n{calls} calls of destroy refused in turn, each healed by the right")
    assert calls >= 50


def test_an_endpoint_that_stays_keeps_the_schedule_that_removes_it(stage: Stage) -> None:
    furnish(stage)
    aws = Unwilling(stage)
    aws.refuse = "DeleteEndpoint"
    with pytest.raises(StageError):
        deploy.destroy(stage)
    assert stage.client("scheduler").get_schedule(GroupName=stage.prefix, Name=stage.prefix)


def test_status_shows_the_rest_where_one_part_is_refused(stage: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    furnish(stage)
    aws = Unwilling(stage)
    aws.refuse = "DescribeBudget"
    with pytest.raises(StageError, match="1 kinds of parts could not be looked for"):
        deploy.status(stage)
    told = capsys.readouterr().out
    assert "budget: Your AWS user may not do budgets:DescribeBudget" in told
    assert "InService" in told


def test_foreign_endpoint_is_left_alone_and_named(stage: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    furnish(stage)
    arn = stage.client("sagemaker").describe_endpoint(EndpointName=stage.prefix)["EndpointArn"]
    stage.client("sagemaker").delete_tags(ResourceArn=arn, TagKeys=["Stage"])
    with pytest.raises(StageError):
        deploy.destroy(stage)
    assert stage.client("sagemaker").describe_endpoint(EndpointName=stage.prefix)
    assert "not ours" in capsys.readouterr().out


def test_object_that_s3_keeps_is_named(stage: Stage) -> None:
    furnish(stage)

    def keep(params: dict[str, Any], **_: Any) -> tuple[Any, dict[str, Any]]:
        error = {"Key": "models/x", "Code": "AccessDenied", "Message": "locked"}
        return type("Answer", (), {"status_code": 200}), {"Errors": [error]}

    stage.client("s3").meta.events.register("before-call.s3.DeleteObjects", keep)
    refused = parts.remove(stage, deploy.PARTS)
    assert "S3 keeps models/x" in refused[f"bucket {stage.bucket('models')}"]


def test_each_arn_is_asked_of_its_own_service(stage: Stage) -> None:
    """What is there counts, what the tagging API still lists of a stage that is gone does not."""
    furnish(stage)
    key, plan = gateway.key_of(stage) or {}, gateway.plan_of(stage) or {}
    package = release.registry.entries(stage)[0].arn
    model, config = release.endpoint.models(stage)[0].name, release.endpoint.configs(stage)[0].name
    arns = [
        stage.arn("sagemaker", f"endpoint/{stage.prefix}"),
        stage.arn("sagemaker", f"model-package-group/{stage.prefix}"),
        stage.arn("sagemaker", f"model/{model}"),
        stage.arn("sagemaker", f"endpoint-config/{config}"),
        package,
        stage.role_arn("function"),
        f"arn:aws:s3:::{stage.bucket('deploy')}",
        stage.arn("logs", f"log-group:{function.log_group(stage)}"),
        stage.arn("logs", f"log-group:{function.log_group(stage)}:*"),
        stage.arn("scheduler", f"schedule-group/{stage.prefix}"),
        stage.arn("lambda", f"function:{stage.prefix}"),
        stage.arn("cloudformation", f"stack/{stage.prefix}/0123"),
        f"arn:aws:apigateway:us-east-1::/restapis/{gateway.api_id(stage)}",
        f"arn:aws:apigateway:us-east-1::/apikeys/{key['id']}",
        f"arn:aws:apigateway:us-east-1::/usageplans/{plan['id']}",
        stage.arn("cloudwatch", f"alarm:{stage.prefix}-errors"),
        stage.arn("sns", stage.prefix),
    ]
    assert [arn for arn in arns if not tags.exists(stage, arn)] == []
    deploy.destroy(stage)
    assert [arn for arn in arns if tags.exists(stage, arn) and "restapis" not in arn] == []  # moto keeps a stack's API


def test_arn_of_an_unknown_kind_counts_as_left(stage: Stage) -> None:
    assert tags.exists(stage, stage.arn("dynamodb", "table/x"))


@pytest.mark.usefixtures("aws")
def test_dry_run_removes_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    furnish(open_stage("test"))
    deploy.destroy(open_stage("test", dry_run=True))
    told = capsys.readouterr().out
    for call in ("SageMaker DeleteEndpoint", "Lambda DeleteFunction", "CloudFormation DeleteStack", "S3 DeleteBucket"):
        assert f"would call {call}" in told
    assert left(open_stage("test")) == ALL
