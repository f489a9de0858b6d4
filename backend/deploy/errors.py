"""API Gateway's own answers, before the function is asked: the API's problems instead, and a preflight without a key.

Zappa makes neither; both take effect with the next deployment of the API's stage, which is made here. Used by serving.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from backend import contract
from backend.deploy.gateway import api_id
from backend.deploy.refusals import attempt, pages

if TYPE_CHECKING:
    from backend.contract import Problem
    from backend.deploy.stage import Stage

ANSWERS: dict[str, tuple[Problem, str]] = {  # API Gateway's kind -> the API's problem, and its sentence
    "INVALID_API_KEY": (contract.UNAUTHORIZED, "The key is not one of this API."),
    "MISSING_AUTHENTICATION_TOKEN": (contract.NOT_FOUND, "There is no such address."),
    "ACCESS_DENIED": (contract.UNAUTHORIZED, "The key may not be used here."),
    "REQUEST_TOO_LARGE": (contract.TOO_LARGE, "API Gateway takes 10 MB at most."),
    "THROTTLED": (contract.RATE_LIMITED, "Too many requests a second for this key."),
    "QUOTA_EXCEEDED": (contract.RATE_LIMITED, "The key has had all its requests of today."),
    "INTEGRATION_TIMEOUT": (contract.MODEL_TIMEOUT, "There was no answer within 29 seconds."),
    "INTEGRATION_FAILURE": (contract.MODEL_UNAVAILABLE, "The function gave no answer."),
    "DEFAULT_5XX": (contract.INTERNAL, "API Gateway could not ask the function."),
    "DEFAULT_4XX": (contract.MALFORMED, "API Gateway cannot take this request."),
}
RETRY_AFTER = {"THROTTLED": "'1'", "QUOTA_EXCEEDED": "'3600'", "INTEGRATION_FAILURE": "'5'"}  # seconds
CORS = {
    "gatewayresponse.header.Access-Control-Allow-Origin": "method.request.header.Origin",
    "gatewayresponse.header.Access-Control-Expose-Headers": "'Retry-After'",
}


def ensure(stage: Stage, *, cors: bool) -> None:
    """Write every answer and, where pages of other origins may call, an OPTIONS without key; then deploy the API."""
    gateway, api = stage.client("apigateway"), api_id(stage)
    for kind, (problem, detail) in ANSWERS.items():
        gateway.put_gateway_response(restApiId=api, responseType=kind, **answer(kind, problem, detail, cors=cors))
    if cors:
        for resource in pages(gateway, "get_resources", "items", restApiId=api, embed=["methods"]):
            _allow_preflight(gateway, str(api), resource)
    gateway.create_deployment(restApiId=api, stageName=stage.name)


def answer(kind: str, problem: Problem, detail: str, *, cors: bool) -> dict[str, Any]:
    """One gateway response, RFC 9457 as the API's own."""
    headers = {"gatewayresponse.header.Content-Type": "'application/problem+json'"}
    if kind in RETRY_AFTER:
        headers["gatewayresponse.header.Retry-After"] = RETRY_AFTER[kind]
    body = {
        "type": f"/problems/{problem.slug}",
        "title": problem.title,
        "status": problem.status,
        "detail": detail,
        "request_id": "$context.requestId",
    }
    return {
        "statusCode": str(problem.status),
        "responseParameters": headers | (CORS if cors else {}),
        "responseTemplates": {"application/json": json.dumps(body)},  # the one that is taken whatever is accepted
    }


def _allow_preflight(gateway: Any, api: str, resource: dict[str, Any]) -> None:
    """A browser sends no key with OPTIONS: let the function, which knows the origins, answer it."""
    asked = resource.get("resourceMethods", {}).get("ANY")
    here = {"restApiId": api, "resourceId": resource["id"], "httpMethod": "OPTIONS"}
    if asked is None or attempt(gateway.get_method, **here):
        return
    integration = gateway.get_integration(**here | {"httpMethod": "ANY"})
    gateway.put_method(**here, authorizationType="NONE", apiKeyRequired=False)
    kept = {name: integration[name] for name in ("uri", "credentials") if integration.get(name)}
    gateway.put_integration(**here, type="AWS_PROXY", integrationHttpMethod="POST", **kept)
