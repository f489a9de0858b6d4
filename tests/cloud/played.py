"""Lambda as the tests have it: a function runs this repository's API, in this process, with its own environment.

moto runs functions in Docker, which is nowhere here. What is written to standard output is kept in LINES.
"""

from __future__ import annotations

import functools
import json
import os
import time
from base64 import b64decode, b64encode
from typing import TYPE_CHECKING, Any

from moto.awslambda.models import lambda_backends
from moto.core import DEFAULT_ACCOUNT_ID

from backend.app import create_app
from backend.deploy import rehearsal, trial
from backend.deploy.function import log_group
from backend.settings import SHIPPED_MODEL

if TYPE_CHECKING:
    from flask.testing import FlaskClient

    from backend.deploy.stage import Stage


class Lines(list[str]):
    """telemetry's output."""

    dropped = 0

    def write(self, text: str) -> None:
        self.append(text)


LINES = Lines()


@functools.lru_cache(maxsize=8)
def _client(environment: tuple[tuple[str, str], ...], _runtime: str) -> FlaskClient:
    told = {name.removeprefix("BACKEND_"): text for name, text in environment if name.startswith("BACKEND_")}
    if "MODEL_DIR" in told:
        told["MODEL_DIR"] = str(SHIPPED_MODEL)
    told["SAGEMAKER_ENDPOINT_NAME"] = dict(environment).get("SAGEMAKER_ENDPOINT_NAME", "")
    return create_app(told).test_client()


def answer(environment: dict[str, str], event: dict[str, Any]) -> dict[str, Any]:
    """What Zappa's handler gives API Gateway."""
    client = _client(tuple(sorted(environment.items())), os.environ["AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME"])
    body = b64decode(event["body"]) if event["body"] else b""
    said = client.open(event["path"], method=event["httpMethod"], headers=event["headers"], data=body)
    return {"statusCode": said.status_code, "body": b64encode(said.data).decode(), "isBase64Encoded": True}


def invoke(self: Any, body: str, request_headers: Any, response_headers: Any) -> bytes:
    """In place of moto's."""
    try:
        return json.dumps(answer(self.environment_vars, json.loads(body))).encode()
    except Exception as error:  # noqa: BLE001 - as Lambda does
        response_headers["x-amz-function-error"] = "Unhandled"
        return json.dumps({"errorMessage": str(error)}).encode()


class Api:
    """A stage's API: what its live function says, through events as API Gateway's."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage

    def send(
        self, path: str, body: bytes | None = None, headers: dict[str, str] = rehearsal.HEADERS
    ) -> tuple[int, bytes]:
        there = lambda_backends[DEFAULT_ACCOUNT_ID][self.stage.region].get_function(self.stage.prefix)
        said = answer(there.environment_vars, rehearsal.event(path, body, headers))
        return said["statusCode"], b64decode(said["body"])

    def check(self, url: str, key: str) -> str:
        """What `function.up` and `canary.start` call a check: the real trial."""
        return trial.try_sent(url, self.send, "sagemaker")

    def predict(self, picture: bytes, caller: str) -> dict[str, Any]:
        status, body = self.send("/predictions", picture, {"Content-Type": "image/png", "X-Caller-Id": caller})
        assert status == 200, body
        return dict(json.loads(body))

    def write_log(self) -> None:
        """What the function printed, into its log group, as Lambda does."""
        logs, group = self.stage.client("logs"), log_group(self.stage)
        if not logs.describe_log_streams(logGroupName=group)["logStreams"]:
            logs.create_log_stream(logGroupName=group, logStreamName="one")
        events = [{"timestamp": int(1000 * time.time()), "message": line} for line in LINES]
        LINES.clear()
        logs.put_log_events(logGroupName=group, logStreamName="one", logEvents=events)
