"""waitress' connections, bounded: in number, in the time of a head and of a body, and in what is read at all.

One loop reads every connection, so that slow clients hold no thread, but what follows an answer at once is read by the
thread that gave it; a body is read only for whoever may send it.
"""

from __future__ import annotations

import socket
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import msgspec
from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser
from waitress.task import ErrorTask, WSGITask

from backend import contract
from backend.contract import ProblemDetails
from backend.problems import SENTENCES

if TYPE_CHECKING:
    from backend.contract import Problem

IDLE_SECONDS = 30  # between two requests
HEAD_SECONDS = 10  # from a request's first byte to the end of its head
BODY_SECONDS = 60  # and to the end of its body: 4 MiB at 0.6 Mbit/s
ANSWER_SECONDS = 60  # for a client to read its answer
NEXT_SECONDS = 0.001  # for a client's next request: 8 clients get 1.2 to 1.4 times the answers of a loop that reads all
NEXT_BYTES = 65536  # read of it at once; a drawing has 5,000
LINGER_SECONDS = 10  # to read what a refused client still sends: closed at once, it may never see why

BROKEN = "Broken HTTP."
LATE = f"The request did not arrive whole: a head takes {HEAD_SECONDS} s at most, a body {BODY_SECONDS} s."


class Refusal:
    """Stands in a parser's `error`; waitress asks for nothing but the code."""

    def __init__(self, problem: Problem, detail: str) -> None:
        self.code, self.problem, self.detail = problem.status, problem, detail


class Parser(HTTPRequestParser):  # type: ignore[misc]  # waitress has no types
    """A request; where the app would refuse it for its head, its body is not kept."""

    body_rcv: Any
    content_length: int
    unread = False

    def parse_header(self, head: bytes) -> None:
        """See waitress."""
        super().parse_header(head)
        if self.body_rcv is None:
            return
        if self.content_length > contract.MAX_BODY_BYTES or not self.adj.admits(self):
            self.close()  # the body's buffer
            self.body_rcv, self.content_length = None, 0
            self.unread, self.expect_continue = True, False

    def received(self, data: bytes) -> int:
        """See waitress; what follows an unread request is its body and no other request."""
        consumed: int = super().received(data)
        return len(data) if self.unread else consumed


class ProblemTask(ErrorTask):  # type: ignore[misc]  # waitress has no types
    """The server's own refusals (broken HTTP, far too large, too slow), as the API's problems."""

    def execute(self) -> None:
        """Write the answer and close."""
        problem, detail = self._problem()
        kind = contract.PROBLEM_PAGES + problem.slug
        body = msgspec.json.encode(ProblemDetails(kind, problem.title, problem.status, detail, ""))
        self.status = f"{problem.status} {problem.title}"
        self.response_headers.append(("Content-Type", contract.PROBLEM_TYPE))
        self.content_length = len(body)
        self.set_close_on_finish()
        self.channel.lingers = True
        self.write(body)

    def _problem(self) -> tuple[Problem, str]:
        error = self.request.error
        if isinstance(error, Refusal):
            return error.problem, error.detail
        if error.code == contract.TOO_LARGE.status:
            return contract.TOO_LARGE, SENTENCES[contract.TOO_LARGE]
        return contract.MALFORMED, BROKEN


class Task(WSGITask):  # type: ignore[misc]  # waitress has no types
    """One request, whose answer's head and body leave in one packet: in two, 8 clients got a fifth fewer answers."""

    wrote_header: bool

    def service(self) -> None:
        """See waitress."""
        super().service()
        if not self.close_on_finish:
            self.channel.read_next()

    def execute(self) -> None:
        """See waitress."""
        if self.request.unread or self.channel.server.draining:
            self.set_close_on_finish()
            self.channel.lingers = self.request.unread
        super().execute()

    def write(self, data: bytes) -> None:
        """See waitress; a body that does not arrive whole takes waitress' own way."""
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
    parser_class = Parser

    request: Any
    began = 0.0  # when the request that comes in, or last came in, sent its first byte
    lingers = False  # whether to read on before closing
    lingers_since = 0.0

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.server.make_room(self)

    def del_channel(self, map: Any = None) -> None:  # noqa: A002 - waitress' name
        """See waitress."""
        super().del_channel(map)
        self.server.forget(self)

    def received(self, data: bytes) -> bool:
        """See waitress."""
        if self.request is None:
            self.began = time.time()
        return bool(super().received(data))

    def service(self) -> None:
        """See waitress; and again, where this thread has read the next request itself and nobody waits in the queue."""
        here = self.server.here
        here.goes_on = True
        while here.goes_on:
            here.has_next = here.goes_on = False
            super().service()
        here.has_next = False

    def read_next(self) -> None:
        """Read the next request by the thread that has just answered, where it comes at once; the loop reads the rest.

        The loop leaves a connection alone that has a request. It would be woken twice for the next one, and would
        compete for the interpreter with the threads that compute.
        """
        line = self.socket  # None once a server that ends has closed it, at any moment
        if line is None or self.total_outbufs_len or len(self.requests) > 1:
            return
        with suppress(OSError):  # late, or gone: the loop finds out
            line.settimeout(NEXT_SECONDS)
            if data := line.recv(NEXT_BYTES):
                self.received(data)
        with suppress(OSError):  # closed meanwhile
            line.settimeout(0)
        self.server.here.has_next = len(self.requests) > 1

    def handle_read(self) -> None:
        """See waitress."""
        if not self.lingers_since:
            super().handle_read()
            return
        with suppress(OSError):
            if self.recv(self.adj.recv_bytes):
                return  # into nothing
        self.end()

    def handle_close(self) -> None:
        """See waitress; closed with bytes unread, the kernel would tell the client nothing but that it is gone."""
        if self.lingers and not self.lingers_since:
            self.lingers_since, self.will_close = time.time(), False
            with suppress(OSError):  # the client is gone already
                self.socket.shutdown(socket.SHUT_WR)
                return
        self.end()

    def end(self) -> None:
        """Close at once."""
        super().handle_close()

    def is_busy(self) -> bool:
        """Whether a request is coming in, being answered, or its answer going out."""
        return bool(self.requests or self.request is not None or self.total_outbufs_len)

    def keep_to_time(self, now: float) -> None:
        """Refuse or close where a limit has passed. Called by the loop's thread, about each second."""
        if self.requests:
            return
        if self.request is not None:
            limit = BODY_SECONDS if self.request.headers_finished else HEAD_SECONDS
            if now - self.began > limit:
                self._refuse_late()
            return
        since, limit = self.last_activity, IDLE_SECONDS
        if self.total_outbufs_len:
            since, limit = self.began, ANSWER_SECONDS
        elif self.lingers_since:
            since, limit = self.lingers_since, LINGER_SECONDS
        if now - since > limit:
            self.end()

    def _refuse_late(self) -> None:
        with self.requests_lock:
            request, self.request = self.request, None
            request.error, request.completed = Refusal(contract.MALFORMED, LATE), True
            self.requests.append(request)
            self.server.add_task(self)
