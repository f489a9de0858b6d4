"""The stage's SageMaker endpoints: model, immutable config, endpoint, autoscaling, time to live, and their removal.

A stage has one endpoint, and a serverless second while a new release is tried: the candidate.

Every step may be run again: it finds what is there and makes what is missing. Used by release.
"""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from backend.deploy import images
from backend.deploy.parts import Left, Part, age
from backend.deploy.plan import ENVIRONMENT, Plan, Release
from backend.deploy.refusals import StageError, attempt, noted, pages, patiently
from backend.deploy.roles import ensure_role, policy

if TYPE_CHECKING:
    from backend.deploy.stage import Stage

VARIANT = "AllTraffic"
BUSY = ("Creating", "Updating", "SystemUpdating", "RollingBack", "Deleting")
WAIT_SECONDS = 30 * 60  # SageMaker gives up on an endpoint sooner
REQUESTS_PER_INSTANCE = 3000  # a minute, where autoscaling adds one: 50 a second is a third of what ml.m5.large serves


def describe(stage: Stage, name: str = "") -> dict[str, Any] | None:
    """The endpoint (the stage's own, where no name is given) as SageMaker describes it, or None."""
    ask = stage.client("sagemaker").describe_endpoint
    found: dict[str, Any] | None = attempt(ask, EndpointName=name or stage.prefix)
    return found


def live_plan(stage: Stage, name: str = "") -> Plan | None:
    """The plan that the endpoint now runs on, read from its config; None without endpoint or config."""
    endpoint = describe(stage, name)
    if endpoint is None:
        return None
    ask = stage.client("sagemaker").describe_endpoint_config
    config = attempt(ask, EndpointConfigName=endpoint["EndpointConfigName"])
    if config is None:
        return None
    variant = config["ProductionVariants"][0]
    if "ServerlessConfig" in variant:
        serverless = variant["ServerlessConfig"]
        provisioned = serverless.get("ProvisionedConcurrency", 0)
        return Plan(serverless["MemorySizeInMB"], serverless["MaxConcurrency"], provisioned)
    number = variant["InitialInstanceCount"]
    return Plan(instance_type=variant["InstanceType"], instances=number, max_instances=max(number, Plan.max_instances))


def ours(stage: Stage, name: str = "") -> dict[str, Any] | None:
    """The endpoint, or None. Raises StageError where it is somebody else's."""
    endpoint = describe(stage, name)
    if endpoint:
        tags = stage.client("sagemaker").list_tags(ResourceArn=endpoint["EndpointArn"])["Tags"]
        if not stage.owns(tags):
            called = name or stage.prefix
            raise StageError(f"The endpoint {called} is not ours: it lacks our tags. Choose another STAGE.")
    return endpoint


def check_may_deploy(stage: Stage, plan: Plan) -> None:
    """Raise StageError where the endpoint is somebody else's or of the other kind; nothing is made before this."""
    if ours(stage) is None:
        return
    live = live_plan(stage)
    if live and bool(live.instance_type) != bool(plan.instance_type):
        raise StageError(
            "SageMaker cannot turn a serverless endpoint into one on instances or back without a gap: "
            "choose another STAGE, or run `make destroy` first."
        )


def ensure_model(stage: Stage, release: Release, url: str, role: str) -> str:
    """Make the SageMaker model of this release unless it is there; returns its name."""
    sagemaker, name = stage.client("sagemaker"), f"{stage.prefix}-{release.name}"
    if attempt(sagemaker.describe_model, ModelName=name) is None:
        container = {"Image": release.image, "ModelDataUrl": url, "Environment": ENVIRONMENT}
        patiently(
            sagemaker.create_model,
            ModelName=name,
            PrimaryContainer=container,
            ExecutionRoleArn=role,
            Tags=stage.tag_list(),
        )
    return name


def ensure_config(stage: Stage, model: str, plan: Plan) -> str:
    """Make the endpoint config of this model on this plan unless it is there; its name says all of it."""
    sagemaker, name = stage.client("sagemaker"), f"{model}-{plan.digest}"
    if attempt(sagemaker.describe_endpoint_config, EndpointConfigName=name) is None:
        variant = {"VariantName": VARIANT, "ModelName": model, **plan.variant}
        sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[variant], Tags=stage.tag_list())
    return name


def serve(stage: Stage, config: str, name: str = "") -> None:
    """Put the endpoint on this config, make it where there is none, and wait until it is in service."""
    sagemaker, name = stage.client("sagemaker"), name or stage.prefix
    endpoint = wait(stage, name)
    if endpoint and endpoint["EndpointStatus"] == "Failed":
        # a failed endpoint serves nobody and takes no update: the one case where it is removed first
        sagemaker.delete_endpoint(EndpointName=name)
        endpoint = wait(stage, name)
    if endpoint is None:
        patiently(sagemaker.create_endpoint, EndpointName=name, EndpointConfigName=config, Tags=stage.tag_list())
    elif endpoint["EndpointConfigName"] != config:
        if name == stage.prefix:
            stop_scaling(stage)
        sagemaker.update_endpoint(EndpointName=name, EndpointConfigName=config)
    if not stage.dry_run:
        _check_served(wait(stage, name), config)


def _check_served(endpoint: dict[str, Any] | None, config: str) -> None:
    if endpoint and endpoint["EndpointStatus"] == "InService" and endpoint["EndpointConfigName"] == config:
        return
    reason = (endpoint or {}).get("FailureReason", "SageMaker gave no reason")
    raise StageError(f"The endpoint did not come into service: {reason.rstrip('.')}. See `make logs`.")


def wait(stage: Stage, name: str = "", every: float = 10) -> dict[str, Any] | None:
    """Wait while the endpoint is being changed, telling its status; returns it, or None once there is none."""
    started = time.monotonic()
    while (endpoint := describe(stage, name)) and endpoint["EndpointStatus"] in BUSY:
        seconds = time.monotonic() - started
        if seconds > WAIT_SECONDS:
            raise StageError("The endpoint is still changing after 30 minutes: see `make status` and `make logs`.")
        print(f"  endpoint {endpoint['EndpointStatus']} for {seconds:.0f} s", flush=True)
        time.sleep(every)
    return endpoint


def scale(stage: Stage, plan: Plan) -> None:
    """Let AWS add and remove instances with the traffic; serverless scales by itself, burstable types cannot."""
    if not plan.setup.scales:
        return
    scaling = stage.client("application-autoscaling")
    target = _scalable(stage)
    scaling.register_scalable_target(**target, MinCapacity=plan.instances, MaxCapacity=plan.max_instances)
    metric = {"PredefinedMetricType": "SageMakerVariantInvocationsPerInstance"}
    tracking = {"TargetValue": float(REQUESTS_PER_INSTANCE), "PredefinedMetricSpecification": metric}
    scaling.put_scaling_policy(
        **target,
        PolicyName=stage.prefix,
        PolicyType="TargetTrackingScaling",
        TargetTrackingScalingPolicyConfiguration=tracking,
    )


def _scalable(stage: Stage) -> dict[str, str]:
    return {
        "ServiceNamespace": "sagemaker",
        "ResourceId": f"endpoint/{stage.prefix}/variant/{VARIANT}",
        "ScalableDimension": "sagemaker:variant:DesiredInstanceCount",
    }


def stop_scaling(stage: Stage) -> None:
    """Take the endpoint out of autoscaling: SageMaker changes the instance type only then."""
    attempt(stage.client("application-autoscaling").deregister_scalable_target, **_scalable(stage))


def expire(stage: Stage, plan: Plan) -> None:
    """Have EventBridge Scheduler delete the endpoint when its time to live ends; called before it is made."""
    scheduler = stage.client("scheduler")
    if not plan.instance_type or not plan.ttl_hours:
        attempt(scheduler.delete_schedule, GroupName=stage.prefix, Name=stage.prefix)
        return
    role = ensure_role(stage, "ttl", policy(stage, "schedule"))
    if attempt(scheduler.get_schedule_group, Name=stage.prefix) is None:
        scheduler.create_schedule_group(Name=stage.prefix, Tags=stage.tag_list())
    schedule = _schedule(stage, plan, role)
    there = attempt(scheduler.get_schedule, GroupName=stage.prefix, Name=stage.prefix)
    patiently(scheduler.create_schedule if there is None else scheduler.update_schedule, **schedule)


def _schedule(stage: Stage, plan: Plan, role: str) -> dict[str, Any]:
    end = datetime.now(UTC) + timedelta(hours=plan.ttl_hours)
    target = {
        "Arn": f"arn:{stage.partition}:scheduler:::aws-sdk:sagemaker:deleteEndpoint",
        "RoleArn": role,
        "Input": json.dumps({"EndpointName": stage.prefix}),
    }
    return {
        "Name": stage.prefix,
        "GroupName": stage.prefix,
        "ScheduleExpression": f"at({end:%Y-%m-%dT%H:%M:%S})",
        "FlexibleTimeWindow": {"Mode": "OFF"},
        "ActionAfterCompletion": "DELETE",
        "Target": target,
    }


def endpoint_role(stage: Stage, release: Release, bucket: str) -> str:
    """Make the endpoint's execution role: read the models, write its log, pull its image."""
    return ensure_role(stage, "endpoint", policy(stage, "endpoint", bucket=bucket, **images.place(release.image)))


def configs(stage: Stage) -> list[Left]:
    """The stage's endpoint configs, by name."""
    found = pages(stage.client("sagemaker"), "list_endpoint_configs", "EndpointConfigs", NameContains=stage.prefix)
    rows = [Left("config", config["EndpointConfigName"], age=age(config["CreationTime"])) for config in found]
    return [row for row in rows if row.name.startswith(f"{stage.prefix}-")]


def models(stage: Stage) -> list[Left]:
    """The stage's models, by name."""
    found = pages(stage.client("sagemaker"), "list_models", "Models", NameContains=stage.prefix)
    rows = [Left("model", model["ModelName"], age=age(model["CreationTime"])) for model in found]
    return [row for row in rows if row.name.startswith(f"{stage.prefix}-")]


def _found(stage: Stage, kind: str, name: str) -> list[Left]:
    """The endpoint, with its USD an hour."""
    endpoint = ours(stage, name)
    if endpoint is None:
        return []
    unknown: dict[str, str] = {}
    note = f"{endpoint['EndpointConfigName']}, "
    with noted(unknown, "price"):  # the endpoint is there, whatever else AWS does not tell
        plan = live_plan(stage, name) or Plan()
        note += f"${plan.setup.hourly:.3f} an hour at rest"
    note += unknown.get("price", "")
    return [Left(kind, name, endpoint["EndpointStatus"], age(endpoint["LastModifiedTime"]), note)]


def remove(stage: Stage, name: str) -> None:
    """Remove an endpoint; SageMaker deletes none while it changes it."""
    if wait(stage, name):
        attempt(stage.client("sagemaker").delete_endpoint, EndpointName=name)
    if not stage.dry_run:
        wait(stage, name)


def _targets(stage: Stage) -> list[Left]:
    asked = {"ServiceNamespace": "sagemaker", "ResourceIds": [_scalable(stage)["ResourceId"]]}
    found = pages(stage.client("application-autoscaling"), "describe_scalable_targets", "ScalableTargets", **asked)
    return [Left("autoscaling", f"{stage.prefix}", note=f"{t['MinCapacity']} to {t['MaxCapacity']}") for t in found]


def _schedules(stage: Stage) -> list[Left]:
    found = attempt(stage.client("scheduler").get_schedule, GroupName=stage.prefix, Name=stage.prefix)
    note = f"removes the endpoint {found['ScheduleExpression']} UTC" if found else ""
    return [Left("time to live", stage.prefix, note=note)] if found else []


def _remove_schedule(stage: Stage, name: str) -> None:
    """Remove the schedule once the endpoint is gone: one that AWS will not let go of still ends by it."""
    if describe(stage) and not stage.dry_run:
        raise StageError("It stays for as long as the endpoint is there, which it removes when its time ends.")
    attempt(stage.client("scheduler").delete_schedule, GroupName=name, Name=name)


def _schedule_groups(stage: Stage) -> list[Left]:
    found = attempt(stage.client("scheduler").get_schedule_group, Name=stage.prefix)
    there = found and found["State"] != "DELETING"  # AWS takes seconds to remove one
    return [Left("schedule group", stage.prefix, found["State"])] if there else []


def _remove_group(stage: Stage, name: str) -> None:
    """Remove the group unless it holds a schedule that is needed: the group's removal is the schedule's."""
    if _schedules(stage) and not stage.dry_run:
        raise StageError("It holds the endpoint's time to live.")
    attempt(stage.client("scheduler").delete_schedule_group, Name=name)


def _remove_config(stage: Stage, name: str) -> None:
    attempt(stage.client("sagemaker").delete_endpoint_config, EndpointConfigName=name)


def _remove_model(stage: Stage, name: str) -> None:
    attempt(stage.client("sagemaker").delete_model, ModelName=name)


SERVING = (  # what serves, and bills where it runs on instances
    Part("autoscaling", _targets, lambda stage, _: stop_scaling(stage)),
    Part("endpoint", lambda stage: _found(stage, "endpoint", stage.prefix), remove),
    Part("candidate", lambda stage: _found(stage, "candidate", stage.candidate), remove),
    Part("time to live", _schedules, _remove_schedule),
    Part("schedule group", _schedule_groups, _remove_group),
)
NAMED = (Part("config", configs, _remove_config), Part("model", models, _remove_model))
