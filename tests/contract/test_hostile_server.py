"""The client before servers that lie, stall, lead astray or never end: each ends soon, as one of its own errors."""

from __future__ import annotations

import gzip
import socket
import threading
import time
from email.utils import formatdate
from typing import TYPE_CHECKING

import pytest

from ui.client import BadSetting, Client, KeyRejected, NotUnderstood, RateLimited, TimedOut, Unreachable
from ui.exchange import MOST_BYTES, Reply

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Raw:
    """A TCP server that reads a request, answers with `pieces`, each after `pause` seconds, and hangs up."""

    def __init__(self) -> None:
        self._door = socket.create_server(("127.0.0.1", 0))
        self.port = self._door.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.pieces: Callable[[], Iterator[bytes]] = lambda: iter(())
        self.pause = 0.0
        self.requests: list[bytes] = []
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def answer(self, *pieces: bytes) -> None:
        self.pieces = lambda: iter(pieces)

    def _serve(self) -> None:
        while True:
            line, _ = self._door.accept()
            with line:
                request = line.recv(65536)
                if not request:
                    return
                self.requests.append(request)
                try:
                    for piece in self.pieces():
                        line.sendall(piece)
                        time.sleep(self.pause)
                    line.shutdown(socket.SHUT_WR)
                    line.settimeout(1)
                    line.recv(65536)  # until the client hangs up too
                except OSError:  # the client gave up first, as it should
                    continue

    def stop(self) -> None:
        socket.create_connection(("127.0.0.1", self.port)).close()
        self._thread.join(10)
        self._door.close()
        assert not self._thread.is_alive()


@pytest.fixture
def server() -> Iterator[Raw]:
    raw = Raw()
    yield raw
    raw.stop()


def head(*lines: str, status: str = "200 OK") -> bytes:
    return "\r\n".join([f"HTTP/1.1 {status}", *lines, "", ""]).encode("latin-1")


def endless(start: bytes, piece: bytes) -> Callable[[], Iterator[bytes]]:
    def pieces() -> Iterator[bytes]:
        yield start
        while True:
            yield piece

    return pieces


GARBLED = {
    "another protocol": [b"SSH-2.0-OpenSSH_9.2\r\n"],
    "a status that is no number": [b"HTTP/1.1 abc OK\r\n\r\n"],
    "a line of a megabyte": [b"HTTP/1.1 200 OK\r\nX: " + bytes(1_000_000)],
    "a thousand headers": [head(*[f"X-{n}: x" for n in range(1000)])],
    "a body that is no gzip": [head("Content-Encoding: gzip", "Content-Length: 4"), b"abcd"],
    "a body of 100 MB packed in 100 kB": [head("Content-Encoding: gzip"), gzip.compress(bytes(100_000_000), 1)],
    "a body over the limit": [head(), *[bytes(1024 * 1024)] * (MOST_BYTES // 1024**2 + 2)],
    "a page": [head("Content-Type: text/html"), b"<h1>Welcome to my router</h1>"],
    "a status of its own": [head(status="299 Whatever"), b"[]"],
    "a redirect to nowhere": [head(status="302 Found")],
}


@pytest.mark.parametrize("pieces", GARBLED.values(), ids=GARBLED)
def test_what_is_no_answer_of_this_api_is_not_understood(server: Raw, pieces: list[bytes]) -> None:
    server.answer(*pieces)
    with pytest.raises(NotUnderstood):
        Client(server.url, retries=0).predict(b"x")


@pytest.mark.parametrize("pieces", [[], [head("Content-Length: 500"), b"{"]], ids=["at once", "in the middle"])
def test_a_line_that_breaks_is_unreachable_and_not_asked_again(server: Raw, pieces: list[bytes]) -> None:
    server.answer(*pieces)
    with pytest.raises(Unreachable):
        Client(server.url).predict(b"x")
    assert len(server.requests) == 1


DRIPS = {
    "headers": (b"HTTP/1.1 200 OK\r\n", b"X: x\r\n"),
    "status line": (b"", b"H"),
    "body": (head("Content-Length: 100000"), b" "),
    "body of a server that closes": (head("Connection: close"), b" "),
    "chunks": (head("Transfer-Encoding: chunked"), b"1\r\n \r\n"),
    "packed body": (head("Content-Encoding: gzip") + gzip.compress(b"")[:10], b"\0"),
    "interim answers": (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
}


@pytest.mark.parametrize("drip", DRIPS.values(), ids=DRIPS)
def test_a_dripping_answer_ends_in_time(server: Raw, drip: tuple[bytes, bytes]) -> None:
    """A byte each 50 ms keeps every time-out of a socket from passing."""
    server.pieces, server.pause = endless(*drip), 0.05
    started = time.monotonic()
    with pytest.raises((TimedOut, NotUnderstood)):
        Client(server.url, timeout=(0.2, 0.4), retries=0).predict(b"x")
    assert time.monotonic() - started < 2


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent"])
@pytest.mark.parametrize("method", ["predict", "ready"])
def test_no_redirect_is_followed_and_the_sentence_says_where_it_leads(server: Raw, status: str, method: str) -> None:
    other = Raw()
    server.answer(head(f"Location: {other.url}/predictions\x1b[31m", status=status))
    client = Client(server.url, "open-sesame", retries=0)
    if method == "ready":
        assert not client.ready()
    else:
        with pytest.raises(NotUnderstood, match=other.url) as raised:
            client.predict(b"x")
        assert "\x1b" not in str(raised.value)
    assert len(server.requests) == 1
    assert other.requests == []
    other.stop()


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("7", 7),
        ("1.5", 1.5),
        (" 3 ", 3),
        ("0", 0),
        ("31536000", 86400),
        ("9" * 12, 86400),
        ("9" * 500, None),
        ("\u00b2", None),
        ("-1", None),
        ("nan", None),
        ("1e9", None),
        ("soon", None),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0),
        ("Wed, 99 Oct 9999999 07:28:00 GMT", None),
        ("", None),
    ],
)
def test_retry_after_in_every_spelling(header: str, seconds: float | None) -> None:
    assert Reply(429, {"Retry-After": header}, b"").retry_after == seconds


def test_retry_after_as_a_date_is_seconds_from_now() -> None:
    wait = Reply(503, {"Retry-After": formatdate(time.time() + 30, usegmt=True)}, b"").retry_after
    assert wait is not None
    assert 25 < wait <= 30


def test_a_pause_of_a_year_is_told_and_not_slept_through(server: Raw) -> None:
    server.answer(head("Retry-After: 31536000", "Content-Length: 0", status="429 Too Many Requests"))
    started = time.monotonic()
    with pytest.raises(RateLimited) as raised:
        Client(server.url).predict(b"x")
    assert time.monotonic() - started < 1
    assert raised.value.retry_after == 86400


@pytest.mark.parametrize(
    "key", ["\u201copen-sesame\u201d", "clé", "a\r\nX-Evil: 1", "a\0", " a", "a\n", "\u00a0a"], ids=ascii
)
def test_a_key_that_cannot_be_a_header_is_refused_without_being_told(key: str) -> None:
    with pytest.raises(BadSetting, match=r"X-Api-Key cannot be sent: .*\.$") as raised:
        Client("http://127.0.0.1:9", key)
    assert "sesame" not in str(raised.value)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "127.0.0.1:8000",
        "localhost:8000",
        "api.example.com/dev",
        "ftp://127.0.0.1",
        "file:///etc/passwd",
        "http://",
        "http:///x",
        "http://127.0.0.1:99999",
        "http://127.0.0.1:abc",
        "http://127.0.0.1:0",
        "http://[::1",
        "http://127.0.0.1:8000 ",
        " http://127.0.0.1:8000",
        "http://127.0.0.1:8000\n",
        '"http://127.0.0.1:8000"',
        "'http://127.0.0.1:8000'",
        "\u201chttp://127.0.0.1:8000\u201d",
        "http://127.0.0.1:8000/?stage=dev",
        "http://127.0.0.1:8000/#dev",
        "http://user:secret@127.0.0.1:8000",
    ],
    ids=ascii,
)
def test_an_address_that_cannot_be_asked_is_a_sentence(url: str) -> None:
    with pytest.raises(BadSetting, match=r"cannot be used: .*\.$"):
        Client(url)


def test_an_absent_bundle_of_certificates_is_a_setting_and_not_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nowhere/ca.pem")
    with pytest.raises(BadSetting, match=r"/nowhere/ca\.pem"):
        Client("https://api.example").predict(b"x")


def test_https_to_a_server_without_it_is_a_setting(server: Raw) -> None:
    server.answer(head(status="400 Bad Request"))
    with pytest.raises(BadSetting):
        Client(server.url.replace("http:", "https:")).predict(b"x")


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
@pytest.mark.parametrize("name", ["HTTP_PROXY", "http_proxy", "ALL_PROXY"])
def test_this_machine_itself_is_never_asked_through_a_proxy(
    server: Raw, monkeypatch: pytest.MonkeyPatch, name: str, host: str
) -> None:
    monkeypatch.setenv(name, "http://127.0.0.1:1")
    server.answer(head("Content-Length: 0", status="401 Unauthorized"))
    with pytest.raises(KeyRejected):
        Client(f"http://{host}:{server.port}", retries=0).predict(b"x")


def test_another_machine_is_asked_through_the_proxy(server: Raw, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", server.url)
    server.answer(head("Content-Length: 0", status="401 Unauthorized"))
    with pytest.raises(KeyRejected):
        Client("http://api.example", retries=0).predict(b"x")
    assert server.requests[0].startswith(b"POST http://api.example/predictions ")


def test_a_body_of_4_mb_is_sent_over_a_slow_line() -> None:
    """The server begins to read after 1 s, which is more than the 0.3 s to connect."""
    door = socket.create_server(("127.0.0.1", 0))
    door.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)

    def serve() -> None:
        line, _ = door.accept()
        time.sleep(1)
        with line, line.makefile("rb") as body:
            while (name := body.readline()) != b"\r\n":
                length = int(name.split(b":")[1]) if name.lower().startswith(b"content-length") else 0
                if length:
                    size = length
            body.read(size)
            line.sendall(head("Content-Length: 0", status="401 Unauthorized"))

    thread = threading.Thread(target=serve)
    thread.start()
    with pytest.raises(KeyRejected):
        Client(f"http://127.0.0.1:{door.getsockname()[1]}", timeout=(0.3, 20), retries=0).predict(bytes(4_000_000))
    thread.join(5)
    door.close()
