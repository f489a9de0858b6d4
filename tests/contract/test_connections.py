"""The server's connections: slow ones, many ones, refused ones, and those that are open when it is told to end."""

from __future__ import annotations

import json
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path
from statistics import median
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
import requests
from flask import Flask, request

from backend import connections, contract
from backend.app import create_app
from tests.contract.process import Process

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import BinaryIO

    from backend.predictors import EmbeddedPredictor

KEY = {"X-Api-Key": "right"}
KEYS = {"api_keys": sha256(b"right").hexdigest()}
PNG = {"Content-Type": "image/png"}


def connect(url: str) -> socket.socket:
    where = urlsplit(url)
    return socket.create_connection((where.hostname, where.port), 10)


def head(length: int, *lines: str) -> bytes:
    known = ["POST /predictions HTTP/1.1", "Host: localhost", "Content-Type: image/png", f"Content-Length: {length}"]
    return "\r\n".join([*known, *lines, "", ""]).encode()


def all_of(line: socket.socket) -> bytes:
    """All that comes until the other side closes."""
    received = b""
    while part := line.recv(65536):
        received += part
    return received


def answer_of(line: socket.socket) -> tuple[int, dict[str, object]]:
    """The only answer that comes: its status and its JSON."""
    top, _, body = all_of(line).partition(b"\r\n\r\n")
    return int(top.split()[1]), json.loads(body)


@pytest.fixture
def api() -> Iterator[Process]:
    process = Process()
    yield process
    process.stop()


def slow_connections(api: Process) -> tuple[float, int]:
    """A thousand of one address -> the median seconds of ten GET /health among them, and the API's open files.

    Heads that never end, bodies that never come, and nothing at all.
    """
    slow, spent = [], []
    for n in range(1000):
        line = connect(api.url)
        line.sendall([b"POST /pre", head(1000) + b"x", b""][n % 3])
        slow.append(line)
    for _ in range(10):
        started = time.monotonic()
        assert requests.get(f"{api.url}/health", timeout=10).status_code == 200
        spent.append(time.monotonic() - started)
    files = len(list(Path(f"/proc/{api.popen.pid}/fd").iterdir()))
    for line in slow:
        line.close()
    return median(spent), files


def test_a_thousand_slow_connections_do_not_hold_health(api: Process) -> None:
    seconds, files = slow_connections(api)
    assert seconds < 0.1
    assert files < 250, "all but the newest of one address were closed"


def test_a_request_that_drips_is_refused_in_time(
    embedded: EmbeddedPredictor, serve: Callable[[Flask], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "HEAD_SECONDS", 0.5)
    monkeypatch.setattr(connections, "BODY_SECONDS", 0.5)
    url = serve(create_app({}, embedded))
    for first in (b"POST /predictions HTTP/1.1\r\nX-Long: ", head(1000)):
        with connect(url) as line:
            line.sendall(first)
            drips = threading.Event()
            dripping = threading.Thread(target=drip, args=(line, drips))
            dripping.start()
            status, problem = answer_of(line)
            drips.set()
            dripping.join()
        assert (status, problem["type"]) == (400, "/problems/malformed-request")
        assert "in time" in str(problem["detail"]) or "did not arrive whole" in str(problem["detail"])


def drip(line: socket.socket, ended: threading.Event) -> None:
    """A byte now and then, which keeps a limit on silence from ever passing."""
    while not ended.wait(0.1):
        try:
            line.sendall(b"x")
        except OSError:
            return


def test_a_silent_connection_is_closed(
    embedded: EmbeddedPredictor, serve: Callable[[Flask], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "IDLE_SECONDS", 0.5)
    with connect(serve(create_app({}, embedded))) as line:
        assert line.recv(1) == b""


def test_a_wrong_key_is_refused_before_the_body_comes(
    embedded: EmbeddedPredictor, serve: Callable[[Flask], str]
) -> None:
    """By the app itself, so with its header, id and log line."""
    url = serve(create_app(KEYS, embedded))
    with connect(url) as line:
        line.sendall(head(4_000_000, "X-Api-Key: wrong", "X-Request-Id: a-1"))
        top = line.recv(65536)
    assert top.startswith(b"HTTP/1.1 401")
    assert b"X-Request-Id: a-1" in top
    assert b"www-authenticate" in top.lower()


def test_a_body_over_the_limit_is_refused_before_it_comes(live_api: str) -> None:
    with connect(live_api) as line:
        line.sendall(head(contract.MAX_BODY_BYTES + 1))
        assert line.recv(65536).startswith(b"HTTP/1.1 413")


def test_a_client_that_sends_its_whole_body_first_still_reads_the_refusal(
    embedded: EmbeddedPredictor, serve: Callable[[Flask], str]
) -> None:
    """Closed at once with its bytes unread, the connection would be reset and the answer lost."""
    url = serve(create_app(KEYS, embedded))
    for _ in range(5):
        with connect(url) as line:
            line.sendall(head(4_000_000))
            line.sendall(bytes(4_000_000))
            line.shutdown(socket.SHUT_WR)
            assert answer_of(line)[0] == 401
    answer = requests.post(f"{url}/predictions", data=bytes(20_000_000), headers=KEY | PNG, timeout=30)
    assert answer.status_code == 413


def test_what_follows_a_refused_head_is_no_request(embedded: EmbeddedPredictor, serve: Callable[[Flask], str]) -> None:
    """A body that looks like one (request smuggling)."""
    inner = b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with connect(serve(create_app(KEYS, embedded))) as line:
        line.sendall(head(len(inner)) + inner)
        line.shutdown(socket.SHUT_WR)
        received = b""
        while part := line.recv(65536):
            received += part
    assert received.count(b"HTTP/1.1") == 1


def test_bodies_without_a_key_fill_no_disk(tmp_path: Path) -> None:
    """Sixty that promise and send 4 MB each: without a key nothing of it is kept."""
    api = Process(BACKEND_API_KEYS=KEYS["api_keys"], TMPDIR=str(tmp_path))
    before = api.kernel("VmRSS")

    def send(_: int) -> int:
        with connect(api.url) as line:
            line.sendall(head(4_000_000))
            line.sendall(bytes(4_000_000))
            line.shutdown(socket.SHUT_WR)
            return answer_of(line)[0]

    with ThreadPoolExecutor(20) as clients:
        assert set(clients.map(send, range(60))) == {401}
    assert api.kernel("VmHWM") - before < 60
    assert files_of(api, tmp_path) == 0
    api.stop()


def files_of(api: Process, folder: Path) -> int:
    """Open files below `folder`, deleted ones too."""
    names = [link.readlink() for link in Path(f"/proc/{api.popen.pid}/fd").iterdir() if link.is_symlink()]
    return sum(str(name).startswith(str(folder)) for name in names)


class Caller(threading.Thread):
    """Asks on one kept connection until it is told that the connection closes, or has `enough`."""

    def __init__(self, url: str, picture: bytes) -> None:
        super().__init__()
        self.url, self.request = url, head(len(picture)) + picture
        self.answered, self.unanswered, self.enough = 0, 0, False

    def run(self) -> None:
        """Each request that was sent is one of the two."""
        with connect(self.url) as line, line.makefile("rb") as answers:
            closes = False
            while not (closes or self.unanswered or self.enough):
                line.sendall(self.request)
                if answers.readline().startswith(b"HTTP/1.1 200"):
                    closes = self.read_on(answers)
                    self.answered += 1
                else:
                    self.unanswered += 1

    def read_on(self, answers: BinaryIO) -> bool:
        """The rest of an answer -> whether the connection closes now."""
        headers = {}
        while (field := answers.readline().strip()) != b"":
            name, _, value = field.partition(b": ")
            headers[name.lower()] = value
        answers.read(int(headers[b"content-length"]))
        return headers.get(b"connection") == b"close"


def end_under_load(picture: bytes) -> tuple[int, int, float]:
    """SIGTERM while eight clients ask -> requests answered, requests unanswered, and the seconds until the end."""
    api = Process()
    clients = [Caller(api.url, picture) for _ in range(8)]
    for client in clients:
        client.start()
    while min(client.answered for client in clients) < 5:
        time.sleep(0.01)
    started = time.monotonic()
    assert api.stop() == 0
    seconds = time.monotonic() - started
    for client in clients:
        client.join(10)
    return sum(client.answered for client in clients), sum(client.unanswered for client in clients), seconds


def test_told_to_end_under_load_it_leaves_no_request_unanswered(seven: bytes) -> None:
    """Eight clients on kept connections: each request that was sent is answered, then the connection is closed."""
    _, unanswered, seconds = end_under_load(seven)
    assert unanswered == 0
    assert seconds < 5


def test_a_connection_that_is_closed_while_its_next_request_is_read_is_no_error() -> None:
    ours, theirs = socket.socketpair()
    here = SimpleNamespace(has_next=True)
    channel: Any = SimpleNamespace(socket=ours, total_outbufs_len=0, requests=[], server=SimpleNamespace(here=here))

    def close(_: bytes) -> None:
        ours.close()
        channel.socket = None

    channel.received = close
    theirs.sendall(b"GET")
    connections.Channel.read_next(channel)
    assert channel.socket is None
    assert not here.has_next
    connections.Channel.read_next(channel)
    theirs.close()


def test_told_to_end_it_waits_for_a_body_that_is_coming_in(seven: bytes) -> None:
    api = Process()
    with connect(api.url) as line:
        line.sendall(head(len(seven)) + seven[:100])
        time.sleep(0.3)
        api.popen.terminate()
        time.sleep(0.5)
        line.sendall(seven[100:])
        assert answer_of(line)[0] == 200
    assert api.popen.wait(5) == 0


def test_told_to_end_without_load_it_ends_at_once() -> None:
    api = Process()
    with connect(api.url) as idle:
        assert idle
        started = time.monotonic()
        assert api.stop() == 0
        assert time.monotonic() - started < 2


def test_told_to_end_twice_it_waits_for_nobody(seven: bytes) -> None:
    api = Process()
    with connect(api.url) as line:
        line.sendall(head(len(seven)) + seven[:100])
        time.sleep(0.3)
        api.popen.terminate()
        time.sleep(0.5)
        started = time.monotonic()
        api.stop()
        assert time.monotonic() - started < 3


class Held:
    """An app that says how much it was given, and keeps the first answer back until `may` is set."""

    def __init__(self) -> None:
        self.app, self.asked, self.may = Flask(__name__), threading.Event(), threading.Event()
        self.app.add_url_rule("/predictions", view_func=self._answer, methods=["POST"])

    def _answer(self) -> str:
        given = len(request.get_data())
        self.asked.set()
        assert self.may.wait(10)
        return str(given)


@pytest.mark.parametrize("sent_at_once", [10, len(head(2000)) - 1, len(head(2000)) + 1000, len(head(2000)) + 2000])
def test_a_request_that_follows_at_once_is_answered_however_much_of_it_has_come(
    serve: Callable[[Flask], str], sent_at_once: int
) -> None:
    """The thread that gives the first answer reads what is there of the second; the loop reads the rest."""
    held = Held()
    second = head(2000) + bytes(2000)
    with connect(serve(held.app)) as line:
        line.sendall(head(3) + b"abc")
        assert held.asked.wait(10)
        line.sendall(second[:sent_at_once])
        held.may.set()
        if sent_at_once < len(second):
            time.sleep(0.2)
            line.sendall(second[sent_at_once:])
        line.shutdown(socket.SHUT_WR)
        received = all_of(line)
    assert [answer.rpartition(b"\r\n\r\n")[2] for answer in received.split(b"HTTP/1.1 200 OK")[1:]] == [b"3", b"2000"]


def test_who_asks_without_a_pause_leaves_the_others_their_turn(
    app: Flask, serve: Callable[..., str], seven: bytes
) -> None:
    """Of one thread, which goes on with the same client only while nobody waits."""
    url = serve(app, threads=1)
    callers = [Caller(url, seven) for _ in range(2)]
    for caller in callers:
        caller.start()
    for _ in range(20):
        assert requests.get(f"{url}/health", timeout=2).status_code == 200
    for caller in callers:
        caller.enough = True
        caller.join(10)
    assert min(caller.answered for caller in callers) > 5
    assert sum(caller.unanswered for caller in callers) == 0
