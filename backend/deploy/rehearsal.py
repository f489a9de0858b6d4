"""A new version of the function proved before the API points to it: as a function of its own, which nobody calls.

It has the package, environment and role of the one to come, costs nothing at rest and is removed at once. Used by
function and canary.
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from backend.contract import API_KEY_HEADER, REQUEST_ID_HEADER
from backend.deploy import trial
from backend.deploy.gateway import key_of, url_of
from backend.deploy.parts import Left, Part
from backend.deploy.refusals import StageError, attempt, patiently

if TYPE_CHECKING:
    from collections.abc import Mapping

    from backend.deploy.serving import Serving
    from backend.deploy.stage import Stage

HANDLER = "handler.lambda_handler"  # Zappa's
HEADERS = {"Content-Type": "image/png", REQUEST_ID_HEADER: trial.REQUEST_ID}


def name(stage: Stage) -> str:
    """The function's name."""
    return f"{stage.prefix}-trial"


def prove(stage: Stage, new: Serving, variables: Mapping[str, str] | None = None, version: str = "") -> None:
    """Run `new` as a function of its own and have it read the known drawings. Raises TrialError.

    `variables` are its environment where it is not told what `new` is; `version` must be the model's that answers.
    """
    environment = dict(variables or new.environment)
    remove(stage, name(stage))  # of a command that was stopped
    try:
        _create(stage, new, environment)
        served_by = "sagemaker" if "SAGEMAKER_ENDPOINT_NAME" in environment else "embedded"
        said = trial.try_sent(name(stage), _Invoke(stage), served_by, version)
    except trial.TrialError as error:
        raise trial.TrialError(f"{error} The API does not point to it: what it serves goes on.") from None
    finally:
        remove(stage, name(stage))
    print(f"  tried before traffic: {said}")


def _create(stage: Stage, new: Serving, environment: dict[str, str]) -> None:
    client = stage.client("lambda")
    bucket, _, key = new.package.removeprefix("s3://").partition("/")
    patiently(
        client.create_function,
        FunctionName=name(stage),
        Role=stage.role_arn("function"),
        Code={"S3Bucket": bucket, "S3Key": key},
        Runtime=new.settings["runtime"],
        Handler=HANDLER,
        MemorySize=new.settings["memory_size"],
        Timeout=new.settings["timeout_seconds"],
        Environment={"Variables": environment},
        LoggingConfig={"LogGroup": f"/aws/lambda/{stage.prefix}"},  # the one group that the role may write to
        Tags=stage.tags,
    )
    client.get_waiter("function_active_v2").wait(FunctionName=name(stage))


class _Invoke:
    """Asks the function as API Gateway does: trial's `Send`."""

    def __init__(self, stage: Stage) -> None:
        self._lambda, self._name = stage.client("lambda"), name(stage)
        key, host = key_of(stage, value=True) or {}, urlsplit(url_of(stage) or "").hostname or "lambda"
        self._headers = HEADERS | {API_KEY_HEADER: str(key.get("value", "")), "Host": host}

    def __call__(self, path: str, body: bytes | None = None) -> tuple[int, bytes]:
        """The status and the body of the answer. Raises TrialError where the function itself failed."""
        payload = json.dumps(event(path, body, self._headers)).encode()
        answer = self._lambda.invoke(FunctionName=self._name, Payload=payload)
        said: dict[str, Any] = json.loads(answer["Payload"].read())
        if answer.get("FunctionError"):
            raise trial.TrialError(f"The new version of the function fails: {said.get('errorMessage', said)}.")
        text = said.get("body") or ""
        return int(said["statusCode"]), b64decode(text) if said.get("isBase64Encoded") else text.encode()


def event(path: str, body: bytes | None, headers: Mapping[str, str]) -> dict[str, Any]:
    """An event of API Gateway's REST API, version 1."""
    method = "GET" if body is None else "POST"
    return {
        "resource": "/{proxy+}",
        "path": path,
        "httpMethod": method,
        "headers": dict(headers),
        "multiValueHeaders": {key: [value] for key, value in headers.items()},
        "queryStringParameters": None,
        "multiValueQueryStringParameters": None,
        "requestContext": {"httpMethod": method, "path": path, "identity": {}},
        "body": b64encode(body).decode() if body else None,
        "isBase64Encoded": bool(body),
    }


def remove(stage: Stage, called: str) -> None:
    """Remove the function, if it is there."""
    attempt(stage.client("lambda").delete_function, FunctionName=called)


def _found(stage: Stage) -> list[Left]:
    found = attempt(stage.client("lambda").get_function, FunctionName=name(stage))
    if found and found["Configuration"]["Role"] != stage.role_arn("function"):
        raise StageError(f"The function {name(stage)} in this account is not ours: remove it yourself.")
    return [Left("function", name(stage), note="of a trial that was stopped; $0 at rest")] if found else []


PART = Part("function", _found, remove)
