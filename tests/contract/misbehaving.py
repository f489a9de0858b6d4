"""A SageMaker runtime that misbehaves as told, and a predictor whose every answer can be computed."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import numpy as np

from backend.predictors import Answers
from tests.stand_in import StandIn

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tests.stand_in import Behaviour, Handler

LABELS = tuple("0123456789")


class LinearModel:
    """A predictor without training: a fixed random matrix, so that every picture has its own answer."""

    labels = LABELS
    matrix = np.random.default_rng(7).normal(size=(28 * 28, 10))

    def predict(self, x: NDArray[np.uint8], request_id: str = "") -> Answers:
        z = x.reshape(len(x), -1) / 255 @ self.matrix
        p = np.exp(z - z.max(axis=1, keepdims=True))
        p /= p.sum(axis=1, keepdims=True)
        return Answers(p, np.ones(len(x)), self.labels, 0.3, "linear", "7", "embedded")


class Noting(LinearModel):
    """The same, and the ids of the requests that asked it."""

    def __init__(self) -> None:
        self.ids: list[str] = []

    def predict(self, x: NDArray[np.uint8], request_id: str = "") -> Answers:
        self.ids.append(request_id)
        return super().predict(x, request_id)


def predictions(x: NDArray[np.uint8]) -> list[dict[str, Any]]:
    """The endpoint's answer to x by LinearModel."""
    rows = LinearModel().predict(x).probabilities.tolist()
    about = {"score": 1.0, "threshold": 0.3, "labels": list(LABELS), "name": "linear", "version": "7"}
    return [{"probabilities": row, **about} for row in rows]


class Runtime(StandIn):
    """sagemaker-runtime as boto3 sees it; `behave` is one of the functions below."""

    def __init__(self) -> None:
        super().__init__(well)


def well(handler: Handler, body: bytes) -> None:
    x = np.array(json.loads(body)["instances"], np.uint8)
    handler.send(200, {"predictions": predictions(x)})


def refuse(status: int, code: str, message: str = "as told") -> Behaviour:
    """An AWS error, as the runtime writes it."""
    return lambda handler, _: handler.send(status, {"Message": message}, x_amzn_ErrorType=code)


def answer(status: int, body: bytes) -> Behaviour:
    return lambda handler, _: handler.send(status, body)


def say(body: bytes) -> Behaviour:
    return answer(200, body)


def wait(seconds: float) -> Behaviour:
    def behave(handler: Handler, body: bytes) -> None:
        time.sleep(seconds)
        well(handler, body)

    return behave


def cut(handler: Handler, _: bytes) -> None:
    """Promise 500 bytes, send 20, hang up."""
    handler.send_response(200)
    handler.send_header("Content-Length", "500")
    handler.end_headers()
    handler.wfile.write(b'{"predictions": [{"p')
    handler.wfile.flush()
    handler.close_connection = True


def hang_up(handler: Handler, _: bytes) -> None:
    handler.close_connection = True


def drip(head: bytes, drop: bytes) -> Behaviour:
    """`head` at once, then `drop` every 50 ms until the other side hangs up: each read is quick, the whole is not."""

    def behave(handler: Handler, _: bytes) -> None:
        handler.wfile.write(head)
        while not handler.server.ended.wait(0.05):
            handler.wfile.write(drop)
            handler.wfile.flush()

    return behave


OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
DRIPS = {
    "body": drip(OK + b"Content-Length: 1000000\r\n\r\n", b" "),
    "body without a length": drip(OK + b"\r\n", b" "),
    "chunks": drip(OK + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
    "status line": drip(b"HTTP/1.1 200 ", b"O"),
    "header": drip(OK + b"X-Long: ", b"x"),
    "continue": drip(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "error": drip(b"HTTP/1.1 503 No\r\nContent-Length: 1000000\r\n\r\n", b" "),
}


def flood(head: bytes) -> Behaviour:
    """`head`, then a megabyte after the other until the other side hangs up."""

    def behave(handler: Handler, _: bytes) -> None:
        handler.wfile.write(head)
        while not handler.server.ended.is_set():
            handler.wfile.write(bytes(1_000_000))

    return behave


FLOODS = {
    "a body of 10^12 bytes": flood(OK + b"Content-Length: 1000000000000\r\n\r\n"),
    "a body without end": flood(OK + b"\r\n"),
    "an error of 10^12 bytes": flood(b"HTTP/1.1 500 No\r\nContent-Length: 1000000000000\r\n\r\n"),
    "a header without end": flood(OK + b"X-Long: "),
}
