"""AWS' Lambda Runtime API, as the real awslambdaric asks it: hands over events one by one and takes the answers."""

from __future__ import annotations

import base64
import json
import os
import queue
import subprocess
import tempfile
import time
from typing import TYPE_CHECKING, Any

from tests.stand_in import StandIn

if TYPE_CHECKING:
    from pathlib import Path

    from tests.stand_in import Handler

SECONDS = 60  # for one answer, on a busy machine


class Runtime(StandIn):
    """Gives each of `events` to who asks for the next, and puts what comes back into `answers`."""

    def __init__(self) -> None:
        self.events: queue.Queue[dict[str, Any]] = queue.Queue()
        self.answers: queue.Queue[dict[str, Any]] = queue.Queue()
        super().__init__(self._act)

    def _act(self, handler: Handler, body: bytes) -> None:
        if handler.command == "GET":
            return self._send(handler, 200, self.events.get())
        kind = handler.path.rsplit("/", 1)[-1]
        self.answers.put({"kind": kind, "body": json.loads(body) if body else None})
        return self._send(handler, 202, {})

    def _send(self, handler: Handler, status: int, body: object) -> None:
        handler.send(  # with its Content-Type: without one awslambdaric's C part reads a null pointer
            status,
            body,
            Lambda_Runtime_Aws_Request_Id="11111111-1111-1111-1111-111111111111",
            Lambda_Runtime_Deadline_Ms=str(int(1000 * (time.time() + 29))),
            Lambda_Runtime_Invoked_Function_Arn="arn:aws:lambda:us-east-1:123456789012:function:x",
            Lambda_Runtime_Trace_Id="Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Sampled=0",
        )


class Function:
    """An unpacked package, run by awslambdaric as Lambda runs it: start it, send it API Gateway's events, stop it."""

    def __init__(self, package: Path, python: str, tree: Path, environment: dict[str, str]) -> None:
        self.server = Runtime()
        self.printed = tempfile.TemporaryFile()  # noqa: SIM115 - closed by stop(); a pipe nobody reads stops it at 64 kB
        self.process = subprocess.Popen(
            [python, "-m", "awslambdaric", "handler.lambda_handler"],
            cwd=package,
            env={
                "PATH": os.environ["PATH"],
                "PYTHONPATH": f"{package}:{tree}",
                "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{self.server.server_port}",
                "AWS_LAMBDA_FUNCTION_NAME": "fullstack-model-test",
                "AWS_REGION": "us-east-1",
                "AWS_DEFAULT_REGION": "us-east-1",
                "AWS_ACCESS_KEY_ID": "testing",
                "AWS_SECRET_ACCESS_KEY": "testing",
                "LAMBDA_TASK_ROOT": str(package),
                "PYTHONDONTWRITEBYTECODE": "1",
                **environment,
            },
            stdout=self.printed,
            stderr=subprocess.STDOUT,
        )

    def request(self, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None) -> Answer:
        """Send one REST v1 proxy event, as API Gateway with binary support does; wait for the answer."""
        self.server.events.put(event(method, path, body, headers or {}))
        end = time.monotonic() + SECONDS
        while True:
            try:
                return Answer(**self.server.answers.get(timeout=0.5))
            except queue.Empty:
                if self.process.poll() is not None or time.monotonic() > end:
                    raise AssertionError(f"no answer from Lambda: {self.stop()}") from None

    def stop(self) -> str:
        """End it; returns all that it printed, the first time."""
        if self.printed.closed:
            return ""
        self.process.kill()
        self.process.wait()
        self.server.stop()
        with self.printed:
            self.printed.seek(0)
            return self.printed.read().decode(errors="replace")


class Answer:
    """What the function gave API Gateway."""

    def __init__(self, kind: str, body: dict[str, Any]) -> None:
        assert kind == "response", body
        self.status = body["statusCode"]
        self.headers = {name.lower(): values[0] for name, values in body["multiValueHeaders"].items()}
        raw = body.get("body", "")
        self.body = base64.b64decode(raw) if body.get("isBase64Encoded") else raw.encode()
        self.json = json.loads(self.body) if "json" in self.headers.get("content-type", "") else None


def event(method: str, path: str, body: bytes, headers: dict[str, str]) -> dict[str, Any]:
    """An event of API Gateway's REST API, version 1."""
    path, _, query = path.partition("?")
    pairs = dict(pair.split("=") for pair in query.split("&")) if query else None
    headers = {"Host": "abc.execute-api.us-east-1.amazonaws.com", "X-Forwarded-Proto": "https", **headers}
    return {
        "resource": "/{proxy+}",
        "path": path,
        "httpMethod": method,
        "headers": headers,
        "multiValueHeaders": {name: [value] for name, value in headers.items()},
        "queryStringParameters": pairs,
        "multiValueQueryStringParameters": {name: [value] for name, value in (pairs or {}).items()} or None,
        "pathParameters": {"proxy": path.lstrip("/")},
        "stageVariables": None,
        "requestContext": {
            "resourcePath": "/{proxy+}",
            "httpMethod": method,
            "path": f"/dev{path}",
            "stage": "dev",
            "apiId": "abc",
            "accountId": "123456789012",
            "requestId": "22222222-2222-2222-2222-222222222222",
            "identity": {"sourceIp": "192.0.2.1", "apiKeyId": "key"},
        },
        "body": base64.b64encode(body).decode() if body else None,
        "isBase64Encoded": bool(body),
    }
