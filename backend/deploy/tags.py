"""What the tagging API lists under a stage's tags, each asked for itself: the list lags hours behind a removal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from backend.deploy.parts import Left
from backend.deploy.refusals import attempt, pages

if TYPE_CHECKING:
    from backend.deploy.stage import Stage

ASK = {  # how an ARN's resource begins -> service, call and argument that tell whether it is there
    "sagemaker:endpoint/": ("sagemaker", "describe_endpoint", "EndpointName"),
    "sagemaker:endpoint-config/": ("sagemaker", "describe_endpoint_config", "EndpointConfigName"),
    "sagemaker:model/": ("sagemaker", "describe_model", "ModelName"),
    "sagemaker:model-package-group/": ("sagemaker", "describe_model_package_group", "ModelPackageGroupName"),
    "sagemaker:training-job/": ("sagemaker", "describe_training_job", "TrainingJobName"),
    "sagemaker:transform-job/": ("sagemaker", "describe_transform_job", "TransformJobName"),
    "iam:role/": ("iam", "get_role", "RoleName"),
    "s3:": ("s3", "head_bucket", "Bucket"),
    "logs:log-group:": ("logs", "describe_log_groups", "logGroupNamePrefix"),
    "scheduler:schedule-group/": ("scheduler", "get_schedule_group", "Name"),
    "lambda:function:": ("lambda", "get_function", "FunctionName"),
    "cloudformation:stack/": ("cloudformation", "describe_stacks", "StackName"),
    "apigateway:/restapis/": ("apigateway", "get_rest_api", "restApiId"),
    "apigateway:/apikeys/": ("apigateway", "get_api_key", "apiKey"),
    "apigateway:/usageplans/": ("apigateway", "get_usage_plan", "usagePlanId"),
    "cloudwatch:alarm:": ("cloudwatch", "describe_alarms", "AlarmNames"),
    "lightsail:ContainerService/": ("lightsail", "get_container_services", ""),
}
BY_ARN = {  # these are asked for by the whole ARN
    "sagemaker:model-package/": ("sagemaker", "describe_model_package", "ModelPackageName"),
    "sns:": ("sns", "get_topic_attributes", "TopicArn"),
}
RUNNING = ("InProgress", "Stopping")  # a job that has ended stays listed for ever and costs nothing


def tagged(stage: Stage) -> list[Left]:
    """What is tagged as the stage's and there. Of a kind that is not known here, the tag alone counts."""
    filters = [{"Key": key, "Values": [value]} for key, value in stage.mark.items()]
    client = stage.client("resourcegroupstaggingapi")
    found = pages(client, "get_resources", "ResourceTagMappingList", TagFilters=filters)
    return [Left("tagged", item["ResourceARN"]) for item in found if exists(stage, item["ResourceARN"])]


def exists(stage: Stage, arn: str) -> bool:
    """Whether the thing with this ARN is there, asked of its own service."""
    _, _, service, _, _, resource = arn.split(":", 5)
    whole = f"{service}:{resource}"
    for start, asked in BY_ARN.items():
        if whole.startswith(start):
            return _ask(stage, asked, arn)
    for start, asked in ASK.items():
        if whole.startswith(start):
            rest = whole.removeprefix(start).removesuffix(":*")
            return _ask(stage, asked, rest if service == "s3" else rest.split("/")[0] if service != "logs" else rest)
    return True


def _ask(stage: Stage, asked: tuple[str, str, str], name: str) -> bool:
    service, call, argument = asked
    value: Any = [name] if argument == "AlarmNames" else name
    answer = attempt(getattr(stage.client(service), call), **({argument: value} if argument else {}))
    if answer is None:
        return False
    status = [answer[key] for key in ("TrainingJobStatus", "TransformJobStatus") if key in answer]
    if status:
        return status[0] in RUNNING
    return _holds(answer, name)


def _holds(answer: dict[str, Any], name: str) -> bool:
    """Calls that list answer with an empty list, or with others whose name or ARN begins alike."""
    lists = {"logGroups": "logGroupName", "MetricAlarms": "AlarmName", "containerServices": "arn"}
    for member, key in lists.items():
        if member in answer:
            return any(name in (item[key], item[key].rpartition("/")[2]) for item in answer[member])
    stacks = answer.get("Stacks")
    return stacks is None or any(stack["StackStatus"] != "DELETE_COMPLETE" for stack in stacks)
