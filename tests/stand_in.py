"""One small HTTP server for all tests that need another's: SageMaker's runtime, an API, a price list, a download."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, NamedTuple, Self

if TYPE_CHECKING:
    from collections.abc import Callable

    Behaviour = Callable[["Handler", bytes], None]


class Received(NamedTuple):
    """A request."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class Handler(BaseHTTPRequestHandler):
    """HTTP/1.1 without a word: not of requests, nor of a client that goes in the middle of one."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1  # one packet: unbuffered, Nagle's algorithm costs 40 ms a call
    server: StandIn

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.requests.append(Received(self.command, self.path, dict(self.headers), body))
        self.server.behave(self, body)

    do_GET = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = do_POST  # noqa: N815 - the names of http.server

    def log_message(self, *_: object) -> None:
        """Silent."""

    def handle(self) -> None:
        try:
            super().handle()
        except ConnectionError:  # the client gave up first, as it should
            self.close_connection = True

    def send(self, status: int, body: object = b"", **headers: str) -> None:
        """`body`: bytes as they are, anything else as JSON."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        kind = {"Content_Type": "application/json", "Content_Length": str(len(data))}
        self.send_response(status)
        for name, value in (kind | headers).items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(data)


class StandIn(ThreadingHTTPServer):
    """Answers each request by `behave(handler, body)`, which a test may change; `requests` holds what came.

    Serves at `url` until `stop()`, or the end of a `with` block; `ended` is for a behaviour that goes on until then.
    """

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, behave: Behaviour) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.behave = behave
        self.requests: list[Received] = []
        self.ended = threading.Event()
        self.url = f"http://127.0.0.1:{self.server_port}"
        self._thread = threading.Thread(target=self.serve_forever, args=(0.01,))
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        self.ended.set()
        self.shutdown()
        self._thread.join()
        self.server_close()
