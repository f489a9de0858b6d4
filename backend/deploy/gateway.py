"""The stage's REST API as callers meet it: address, key and usage plan. Used by function."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from backend.deploy.parts import Left, Part
from backend.deploy.refusals import StageError, attempt, pages

if TYPE_CHECKING:
    from backend.deploy.stage import Stage


def api_id(stage: Stage) -> str | None:
    """The REST API's id, from the stack; None also where the stack names one that is gone."""
    describe = stage.client("cloudformation").describe_stack_resource
    found = attempt(describe, StackName=stage.prefix, LogicalResourceId="Api")
    name = found["StackResourceDetail"].get("PhysicalResourceId") if found else None
    return name if name and attempt(stage.client("apigateway").get_rest_api, restApiId=name) else None


def url_of(stage: Stage) -> str | None:
    """The API's address, or None."""
    found = api_id(stage)
    return f"https://{found}.execute-api.{stage.region}.{stage.domain}/{stage.name}" if found else None


def show_key(stage: Stage) -> None:
    """Print the API's address and key, as the page reads them. Raises StageError where there is no API."""
    url, key = url_of(stage), key_of(stage, value=True)
    if url is None or key is None:
        raise StageError(f"Stage {stage.name} is not deployed: run `make deploy STAGE={stage.name}`.")
    print(f"API_URL={url}\nAPI_KEY={key['value']}")


def ensure_key(stage: Stage) -> str:
    """Make the stage's API key unless it is there; returns its id."""
    gateway, found = stage.client("apigateway"), key_of(stage)
    if found:
        if not found.get("enabled", True):  # switched off by hand
            patch = [{"op": "replace", "path": "/enabled", "value": "true"}]
            gateway.update_api_key(apiKey=found["id"], patchOperations=patch)
        return str(found["id"])
    return str(gateway.create_api_key(name=stage.prefix, enabled=True, tags=stage.tags)["id"])


def key_of(stage: Stage, *, value: bool = False) -> dict[str, Any] | None:
    """The stage's API key, or None; its value only where asked for."""
    keys = pages(stage.client("apigateway"), "get_api_keys", "items", nameQuery=stage.prefix, includeValues=value)
    return next((key for key in keys if key["name"] == stage.prefix), None)


def plan_of(stage: Stage) -> dict[str, Any] | None:
    """The stage's usage plan, or None."""
    plans = pages(stage.client("apigateway"), "get_usage_plans", "items")
    return next((plan for plan in plans if plan["name"] == stage.prefix), None)


def ensure_plan(stage: Stage, key: str, rate: float, burst: int, quota: int) -> None:
    """Bind key and API with a usage plan, which Zappa does not make: without one a key limits nothing."""
    gateway, api = stage.client("apigateway"), api_id(stage)
    throttle = {"rateLimit": rate, "burstLimit": burst}
    plan = plan_of(stage)
    if plan is None:
        plan = gateway.create_usage_plan(
            name=stage.prefix, throttle=throttle, quota={"limit": quota, "period": "DAY"}, tags=stage.tags
        )
    limits = {"/throttle/rateLimit": rate, "/throttle/burstLimit": burst, "/quota/limit": quota}
    patch = [{"op": "replace", "path": path, "value": _number(limit)} for path, limit in limits.items()]
    bound = [(old["apiId"], old["stage"]) for old in plan.get("apiStages", [])]
    patch += [
        {"op": "remove", "path": "/apiStages", "value": ":".join(old)} for old in bound if old != (api, stage.name)
    ]
    if (api, stage.name) not in bound:
        patch.append({"op": "add", "path": "/apiStages", "value": f"{api}:{stage.name}"})
    gateway.update_usage_plan(usagePlanId=plan["id"], patchOperations=patch)
    if not any(item["id"] == key for item in pages(gateway, "get_usage_plan_keys", "items", usagePlanId=plan["id"])):
        gateway.create_usage_plan_key(usagePlanId=plan["id"], keyId=key, keyType="API_KEY")


def _number(limit: float) -> str:
    """As API Gateway takes it: 1000000 and 0.5, never 1e+06 or 10.0."""
    return f"{limit:.6f}".rstrip("0").rstrip(".")


def _plans(stage: Stage) -> list[Left]:
    plan = plan_of(stage)
    if not plan:
        return []
    throttle, quota = plan["throttle"], plan["quota"]
    note = f"{_number(throttle['rateLimit'])} a second, burst {throttle['burstLimit']}, {quota['limit']:,} a day"
    return [Left("usage plan", stage.prefix, note=note)]


def _remove_plan(stage: Stage, _: str) -> None:
    gateway, plan = stage.client("apigateway"), plan_of(stage)
    if plan is None:
        return
    bound = [f"{item['apiId']}:{item['stage']}" for item in plan.get("apiStages", [])]
    if bound:  # an API in a usage plan cannot be deleted
        patch = [{"op": "remove", "path": "/apiStages", "value": value} for value in bound]
        gateway.update_usage_plan(usagePlanId=plan["id"], patchOperations=patch)
    gateway.delete_usage_plan(usagePlanId=plan["id"])


def _keys(stage: Stage) -> list[Left]:
    return [Left("API key", stage.prefix)] if key_of(stage) else []


def _remove_key(stage: Stage, _: str) -> None:
    if key := key_of(stage):
        stage.client("apigateway").delete_api_key(apiKey=key["id"])


PLAN = Part("usage plan", _plans, _remove_plan)
KEY = Part("API key", _keys, _remove_key)
