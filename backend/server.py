"""The API on a real threaded server (waitress), for everywhere but Lambda: `python -m backend.server --port 8000`."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

import msgspec
from waitress.channel import HTTPChannel
from waitress.server import create_server
from waitress.task import ErrorTask

from backend import contract
from backend.app import create_app
from backend.contract import ProblemDetails

if TYPE_CHECKING:
    from flask import Flask

THREADS = 8
MAX_BODY_BYTES = 4 * contract.MAX_BODY_BYTES  # up to here the app itself says 413, beyond it the server


class ProblemTask(ErrorTask):
    """The server's own refusals (broken HTTP, far too large), as the API's problems."""

    def execute(self) -> None:
        """Write the answer."""
        status = self.request.error.code
        problem = contract.TOO_LARGE if status == contract.TOO_LARGE.status else contract.MALFORMED
        body = ProblemDetails(
            contract.PROBLEM_PAGES + problem.slug, problem.title, problem.status, self.request.error.body, ""
        )
        data = msgspec.json.encode(body)
        self.status = f"{problem.status} {problem.title}"
        self.response_headers += [("Content-Type", contract.PROBLEM_TYPE), ("Content-Length", str(len(data)))]
        self.set_close_on_finish()
        self.content_length = len(data)
        self.write(data)


class Channel(HTTPChannel):
    """One connection."""

    error_task_class = ProblemTask


def make_server(app: Flask, host: str = "127.0.0.1", port: int = 0, threads: int = THREADS) -> Any:
    """A waitress server that is bound (`effective_port`) and not yet running: `run()` blocks, `close()` ends it."""
    server = create_server(
        app,
        host=host,
        port=port,
        threads=threads,
        max_request_body_size=MAX_BODY_BYTES,
        channel_timeout=30,  # seconds that a silent client may hold a connection
        ident="",
    )
    server.channel_class = Channel
    return server


def main() -> None:
    """Serve what the environment configures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000)
    arguments = parser.parse_args()
    make_server(create_app(), arguments.host, arguments.port).run()


if __name__ == "__main__":
    main()
