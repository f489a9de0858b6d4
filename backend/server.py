"""The API on a real threaded server (waitress), for everywhere but Lambda: `python -m backend.server --port 8000`."""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import logging
import signal
import sys
from ipaddress import ip_address
from typing import TYPE_CHECKING

import msgspec
from waitress.channel import HTTPChannel
from waitress.server import TcpWSGIServer
from waitress.task import ErrorTask, WSGITask

from backend import contract
from backend.app import create_app
from backend.contract import ProblemDetails
from backend.keys import keep_to_loopback_names
from backend.output import Output
from backend.predictors import CONNECTIONS
from backend.settings import Settings, SettingsError

if TYPE_CHECKING:
    from flask import Flask

THREADS = 3  # computing gains nothing from more: 8 clients on 2 cores got 555 answers a second of 8, 635 of these
WAITING_THREADS = CONNECTIONS + THREADS  # for a relay, where a slow endpoint may hold that many for 13 s each
MAX_BODY_BYTES = 4 * contract.MAX_BODY_BYTES  # up to here the app itself says 413, beyond it the server
SENTENCES = {
    contract.TOO_LARGE: f"The body is over {contract.MAX_BODY_BYTES} bytes.",
    contract.MALFORMED: "Broken HTTP.",
}


class ProblemTask(ErrorTask):  # type: ignore[misc]  # waitress has no types
    """The server's own refusals (broken HTTP, far too large), as the API's problems."""

    def execute(self) -> None:
        """Write the answer and close."""
        problem = contract.TOO_LARGE if self.request.error.code == contract.TOO_LARGE.status else contract.MALFORMED
        kind = contract.PROBLEM_PAGES + problem.slug
        body = msgspec.json.encode(ProblemDetails(kind, problem.title, problem.status, SENTENCES[problem], ""))
        self.status = f"{problem.status} {problem.title}"
        self.response_headers.append(("Content-Type", contract.PROBLEM_TYPE))
        self.content_length = len(body)
        self.set_close_on_finish()
        self.write(body)


class Task(WSGITask):  # type: ignore[misc]  # waitress has no types
    """One request, whose answer's head and body leave in one packet: in two, 8 clients got a fifth fewer answers."""

    wrote_header: bool

    def write(self, data: bytes) -> None:
        """See waitress; what does not come whole goes its way."""
        if not self.complete or self.wrote_header or not self.has_body or len(data) != self.content_length:
            super().write(data)
            return
        head = self.build_response_header()
        self.wrote_header, self.content_bytes_written = True, len(data)
        self.channel.write_soon(head + data)


class Channel(HTTPChannel):  # type: ignore[misc]  # waitress has no types
    """One connection."""

    task_class = Task
    error_task_class = ProblemTask


class Server(TcpWSGIServer):  # type: ignore[misc]  # waitress has no types
    """Listens from the start, on `effective_port`; `run()` answers until another thread calls `stop()`.

    Bodies are read by one loop for all connections, so that slow clients hold no thread.
    """

    channel_class = Channel

    def __init__(self, app: Flask, host: str = "127.0.0.1", port: int = 0, threads: int = THREADS) -> None:
        super().__init__(
            app,
            host=host,
            port=port,
            threads=threads,
            max_request_body_size=MAX_BODY_BYTES,
            connection_limit=1000,
            asyncore_use_poll=True,  # select() ends at 1024 files
            channel_timeout=30,  # seconds that a silent client may hold a connection
            ident=None,
        )
        if ip_address(self.effective_host).is_loopback:
            keep_to_loopback_names(app)

    def stop(self) -> None:
        """End `run()`: the loop's own thread closes what it watches, then the workers end."""
        with contextlib.suppress(OSError):  # a busy loop may have woken of itself and closed the trigger already
            self.trigger.pull_trigger(lambda: [each.close() for each in list(self._map.values())])
        self.task_dispatcher.shutdown()


def give_memory_back() -> None:
    """Have glibc return buffers of 1 MB and more at once: 8 threads each keeping theirs grew from 70 to 830 MB."""
    mmap_threshold, trim_threshold = -3, -1  # M_MMAP_THRESHOLD, M_TRIM_THRESHOLD; once set, they do not grow with use
    if sys.platform == "linux" and hasattr(libc := ctypes.CDLL(None), "mallopt"):
        libc.mallopt(mmap_threshold, 1024 * 1024)
        libc.mallopt(trim_threshold, 8 * 1024 * 1024)  # at 128 kB each drawing's buffers came and went as page faults


def main() -> None:
    """Serve what the environment configures, until SIGINT or SIGTERM."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000)
    arguments = parser.parse_args()
    give_memory_back()
    stderr = Output("stderr")
    logging.basicConfig(handlers=[logging.StreamHandler(stderr)], format="%(message)s")
    try:
        threads = WAITING_THREADS if Settings.from_environment().sagemaker_endpoint_name else THREADS
        server = Server(create_app(), arguments.host, arguments.port, threads)
    except (SettingsError, OSError) as error:
        sys.exit(f"The API cannot start: {error}")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    stderr.write(f"API on http://{arguments.host}:{server.effective_port}\n")
    server.run()


if __name__ == "__main__":
    main()
