"""A SageMaker runtime that misbehaves as told, and a predictor whose every answer can be computed."""

from __future__ import annotations

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import numpy as np

from backend.predictors import Answers

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Behaviour = Callable[["Handler", bytes], None]

LABELS = tuple("0123456789")


class LinearModel:
    """A predictor without training: a fixed random matrix, so that every picture has its own answer."""

    matrix = np.random.default_rng(7).normal(size=(28 * 28, 10))

    def predict(self, x: NDArray[np.uint8], request_id: str = "") -> Answers:
        z = x.reshape(len(x), -1) / 255 @ self.matrix
        p = np.exp(z - z.max(axis=1, keepdims=True))
        p /= p.sum(axis=1, keepdims=True)
        return Answers(p, np.ones(len(x)), LABELS, 0.3, "linear", "7", "embedded")


def predictions(x: NDArray[np.uint8]) -> list[dict[str, Any]]:
    """The endpoint's answer to x by LinearModel."""
    rows = LinearModel().predict(x).probabilities.tolist()
    about = {"score": 1.0, "threshold": 0.3, "labels": list(LABELS), "name": "linear", "version": "7"}
    return [{"probabilities": row, **about} for row in rows]


class Quiet(BaseHTTPRequestHandler):
    """HTTP/1.1 without a word: not of requests, nor of a client that goes in the middle of one."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1  # one packet: unbuffered, Nagle's algorithm costs 40 ms a call

    def log_message(self, *_: object) -> None:
        """Silent."""

    def handle(self) -> None:
        try:
            super().handle()
        except ConnectionError:  # the client gave up first, as it should
            self.close_connection = True

    def send(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in ({"Content-Type": "application/json"} | headers).items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class Handler(Quiet):
    """POST /endpoints/<name>/invocations, answered by the server's `behave`."""

    server: Runtime

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.calls.append((self.path, dict(self.headers), body))
        self.server.behave(self, body)


class Runtime(ThreadingHTTPServer):
    """sagemaker-runtime as boto3 sees it; `behave` is one of the functions below, `calls` what came."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.behave: Behaviour = well
        self.calls: list[tuple[str, dict[str, str], bytes]] = []
        self.ended = threading.Event()
        self.url = f"http://127.0.0.1:{self.server_port}"


def well(handler: Handler, body: bytes) -> None:
    x = np.array(json.loads(body)["instances"], np.uint8)
    handler.send(200, json.dumps({"predictions": predictions(x)}).encode())


def refuse(status: int, code: str, message: str = "as told") -> Behaviour:
    """An AWS error, as the runtime writes it."""
    body = json.dumps({"Message": message}).encode()
    return lambda handler, _: handler.send(status, body, x_amzn_ErrorType=code)


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
