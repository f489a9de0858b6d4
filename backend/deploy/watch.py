"""What watches a stage: alarms in CloudWatch, a topic that mails them, a monthly AWS Budget. Used by backend.deploy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from backend.deploy.parts import Left, Part
from backend.deploy.refusals import attempt, pages

if TYPE_CHECKING:
    from backend.deploy.options import Options
    from backend.deploy.stage import Stage


class Alarm(NamedTuple):
    """Raised when `metric` passes `threshold` in each of `periods` five minutes."""

    name: str
    namespace: str
    metric: str
    dimensions: dict[str, str]
    statistic: str
    threshold: float
    periods: int = 1


def alarms(stage: Stage, options: Options) -> list[Alarm]:
    """The alarms of a stage: of its API, and of each endpoint that its function asks."""
    api = {"ApiName": stage.prefix, "Stage": stage.name}
    known = [
        Alarm("errors", "AWS/ApiGateway", "5XXError", api, "Sum", 5),
        Alarm("slow", "AWS/ApiGateway", "Latency", api, "p95", 5000, 2),  # milliseconds
        Alarm("throttled", "AWS/Lambda", "Throttles", {"FunctionName": stage.prefix}, "Sum", 1),
    ]
    relays = options.mode == "sagemaker"
    asked = {"endpoint-errors": stage.prefix} if relays else {}
    asked |= {"candidate-errors": stage.candidate} if relays and options.canary else {}
    for name, endpoint in asked.items():
        variant = {"EndpointName": endpoint, "VariantName": "AllTraffic"}
        known.append(Alarm(name, "AWS/SageMaker", "Invocation5XXErrors", variant, "Sum", 5))
    return known


def ensure(stage: Stage, options: Options) -> None:
    """Make topic, alarms and budget, or bring them up to date; without an address they only show in `make status`."""
    ensure_alarms(stage, options)
    if options.email:
        _ensure_budget(stage, options.email, options.budget)
    else:
        print("  no EMAIL given: nobody is told of alarms, and there is no budget")


def ensure_alarms(stage: Stage, options: Options) -> None:
    """Make the alarms that these options ask for, and remove those of other options."""
    topic = _ensure_topic(stage, options.email) if options.email else ""
    known = alarms(stage, options)
    for alarm in known:
        stage.client("cloudwatch").put_metric_alarm(**_metric_alarm(stage, alarm, topic))
    for row in _alarms(stage):
        if row.name.removeprefix(f"{stage.prefix}-") not in {alarm.name for alarm in known}:
            _remove_alarm(stage, row.name)


def raised(stage: Stage) -> list[str]:
    """The names of the stage's alarms that are on."""
    return [row.name for row in _alarms(stage) if row.state == "ALARM"]


def _metric_alarm(stage: Stage, alarm: Alarm, topic: str) -> dict[str, Any]:
    statistic = "ExtendedStatistic" if alarm.statistic.startswith("p") else "Statistic"
    return {
        "AlarmName": f"{stage.prefix}-{alarm.name}",
        "Namespace": alarm.namespace,
        "MetricName": alarm.metric,
        "Dimensions": [{"Name": name, "Value": value} for name, value in alarm.dimensions.items()],
        statistic: alarm.statistic,
        "Period": 300,
        "EvaluationPeriods": alarm.periods,
        "Threshold": alarm.threshold,
        "ComparisonOperator": "GreaterThanOrEqualToThreshold",
        "TreatMissingData": "notBreaching",
        "AlarmActions": [topic] if topic else [],
        "Tags": stage.tag_list(),
    }


def _ensure_topic(stage: Stage, email: str) -> str:
    sns = stage.client("sns")
    topic = str(sns.create_topic(Name=stage.prefix, Tags=stage.tag_list())["TopicArn"])  # the same one each time
    known = [item["Endpoint"] for item in pages(sns, "list_subscriptions_by_topic", "Subscriptions", TopicArn=topic)]
    if email not in known:
        sns.subscribe(TopicArn=topic, Protocol="email", Endpoint=email)
    return topic


def _ensure_budget(stage: Stage, email: str, usd: float) -> None:
    """A budget of the whole account: one by tag would see nothing until the tag is activated for billing."""
    budgets = stage.client("budgets")
    budget = {
        "BudgetName": stage.prefix,
        "BudgetLimit": {"Amount": f"{usd:.2f}", "Unit": "USD"},
        "TimeUnit": "MONTHLY",
        "BudgetType": "COST",
    }
    if attempt(budgets.describe_budget, AccountId=stage.account, BudgetName=stage.prefix):
        budgets.delete_budget(AccountId=stage.account, BudgetName=stage.prefix)  # an update keeps the old address
    warn = [_notification(email, kind, share) for kind, share in (("ACTUAL", 80.0), ("FORECASTED", 100.0))]
    budgets.create_budget(AccountId=stage.account, Budget=budget, NotificationsWithSubscribers=warn)


def _notification(email: str, kind: str, percent: float) -> dict[str, Any]:
    return {
        "Notification": {
            "NotificationType": kind,
            "ComparisonOperator": "GREATER_THAN",
            "Threshold": percent,
            "ThresholdType": "PERCENTAGE",
        },
        "Subscribers": [{"SubscriptionType": "EMAIL", "Address": email}],
    }


def _alarms(stage: Stage) -> list[Left]:
    cloudwatch = stage.client("cloudwatch")
    found = pages(cloudwatch, "describe_alarms", "MetricAlarms", AlarmNamePrefix=f"{stage.prefix}-")
    return [Left("alarm", alarm["AlarmName"], alarm["StateValue"]) for alarm in found]


def _remove_alarm(stage: Stage, name: str) -> None:
    stage.client("cloudwatch").delete_alarms(AlarmNames=[name])


def _topic_arn(stage: Stage) -> str:
    return stage.arn("sns", stage.prefix)


def _topics(stage: Stage) -> list[Left]:
    found = attempt(stage.client("sns").get_topic_attributes, TopicArn=_topic_arn(stage))
    return [Left("topic", stage.prefix)] if found else []


def _remove_topic(stage: Stage, _: str) -> None:
    stage.client("sns").delete_topic(TopicArn=_topic_arn(stage))


def _budgets(stage: Stage) -> list[Left]:
    found = attempt(stage.client("budgets").describe_budget, AccountId=stage.account, BudgetName=stage.prefix)
    if not found:
        return []
    limit = found["Budget"]["BudgetLimit"]["Amount"]
    spent = found["Budget"].get("CalculatedSpend", {}).get("ActualSpend", {}).get("Amount", "?")
    return [Left("budget", stage.prefix, note=f"${spent} of ${limit} this month, whole account")]


def _remove_budget(stage: Stage, name: str) -> None:
    attempt(stage.client("budgets").delete_budget, AccountId=stage.account, BudgetName=name)


PARTS = (
    Part("alarm", _alarms, _remove_alarm),
    Part("topic", _topics, _remove_topic),
    Part("budget", _budgets, _remove_budget),
)
