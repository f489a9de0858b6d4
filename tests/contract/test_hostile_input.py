"""Input made to hurt, against the real server in its own process: a clear problem, bounded time and memory, alive."""

from __future__ import annotations

import json
import socket
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
import requests

from backend import contract
from tests.contract import hostile
from tests.contract.process import Process

if TYPE_CHECKING:
    from collections.abc import Iterator

SECONDS = 1.0  # of the processor, for any body of 4 MiB; by the wall's clock on a machine that does nothing else
GROWTH = 150  # MB that any one request may take
PNG = {"Content-Type": "image/png"}


class Victim(Process):
    """The API under attack."""

    def __init__(self) -> None:
        super().__init__()
        self.session = requests.Session()

    def post(self, path: str = contract.PREDICTIONS, **request: object) -> requests.Response:
        """Ask, and check time, memory, and that it is a whole answer or a whole problem."""
        response, cost = self.cost(lambda: self.session.post(self.url + path, timeout=120, **request))  # type: ignore[arg-type]
        assert response.status_code < 500, response.text
        assert response.status_code == 200 or response.headers["Content-Type"] == contract.PROBLEM_TYPE
        assert cost.megabytes < GROWTH
        assert cost.seconds < SECONDS
        return response

    def ask(self, data: object) -> requests.Response:
        """A request that is not itself an attack."""
        return self.session.post(self.url + contract.PREDICTIONS, data=data, headers=PNG, timeout=60)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def server() -> Iterator[Victim]:
    victim = Victim()
    yield victim
    victim.session.close()
    assert victim.stop() == 0, "alive to the end, and then it left in order"


@pytest.fixture(autouse=True)
def still_right(server: Victim, seven: bytes) -> Iterator[None]:
    """After each attack the next request is answered rightly."""
    yield
    assert server.ask(seven).json()["label"] == "7"


@pytest.mark.parametrize("name", hostile.ALLOWED)
def test_large_and_odd_pictures_are_answered(server: Victim, name: str) -> None:
    response = server.post(data=hostile.ALLOWED[name](), headers=PNG)
    assert response.status_code == 200, response.text


def test_a_turned_photo_is_read_upright(server: Victim) -> None:
    """The bar stands; turned by EXIF it lies, and is no one."""
    upright, turned = hostile.ALLOWED["CMYK JPEG"](), hostile.ALLOWED["turned JPEG"]()
    assert server.post(data=upright, headers=PNG).json()["label"] == "1"
    assert server.post(data=turned, headers=PNG).json()["label"] != "1"


@pytest.mark.parametrize("name", hostile.REFUSED)
def test_bombs_and_strangers_are_refused(server: Victim, name: str) -> None:
    response = server.post(data=hostile.REFUSED[name](), headers=PNG)
    assert response.status_code in (413, 415, 422), response.text


def test_many_large_pictures_at_once_do_not_add_up(server: Victim) -> None:
    """Eight at once, of which four are read at a time."""
    server.forget_peak()
    before = server.kernel("VmRSS")
    picture = hostile.ALLOWED["lossless WebP"]()
    with ThreadPoolExecutor(8) as clients:
        answers = list(clients.map(lambda _: ask_alone(server.url, picture), range(8)))
    assert {answer.status_code for answer in answers} == {200}
    assert server.kernel("VmHWM") - before < 4 * GROWTH


def ask_alone(url: str, picture: bytes) -> requests.Response:
    """On a connection of its own."""
    return requests.post(url + contract.PREDICTIONS, data=picture, headers=PNG, timeout=120)


@pytest.mark.parametrize("name", ["RGBA PNG of 2048x2048", "lossless WebP", "progressive JPEG of 16 megapixels"])
def test_a_batch_of_large_pictures_costs_no_more_than_one_request_may(server: Victim, name: str) -> None:
    picture = hostile.ALLOWED[name]()
    n = min(contract.MAX_BATCH, contract.MAX_BODY_BYTES // (len(picture) + 200))
    response = server.post(contract.BATCH, files=[("image", ("a", picture))] * n)
    assert len(response.json()["results"]) == n


def test_a_million_bytes_of_wrecked_files_are_each_an_answer_or_a_problem(server: Victim) -> None:
    statuses = set()
    files = hostile.wrecks(seed=1, total=1_000_000)
    for at in range(0, len(files), contract.MAX_BATCH):
        batch = [("image", ("a", file)) for file in files[at : at + contract.MAX_BATCH]]
        for result in server.post(contract.BATCH, files=batch).json()["results"]:
            statuses.add(200 if "prediction" in result else result["problem"]["status"])
    assert statuses <= {200, 413, 415, 422}
    assert {200, 415, 422} <= statuses, "the corpus is neither all good nor all bad"


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"[" * 4_000_000, 400),
        (b'{"image":' * 400_000, 400),
        (b'{"other":' + b"[" * 2_000_000 + b"]" * 2_000_000 + b"}", 400),
        (b'{"image": NaN}', 400),
        (b'{"image": 1e999}', 400),
        (b'{"image": "\\ud800"}', 400),
        (b'{"image": null}', 400),
        (b'{"image": "' + b"A" * 4_000_000 + b'"}', 415),
        (b'{"image": "data:image/png;base64,' + b"data:" * 800_000 + b'"}', 400),
        (b"{" + b'"a":1,' * 600_000 + b'"image":"AAAA"}', 415),
        (b"\0" * 1000, 400),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_json_made_to_hurt_is_refused(server: Victim, body: bytes, status: int) -> None:
    assert server.post(data=body, headers={"Content-Type": "application/json"}).status_code == status


def test_ten_thousand_pictures_in_a_batch_are_refused(server: Victim) -> None:
    assert server.post(contract.BATCH, json={"images": ["AAAA"] * 10_000}).status_code == 400
    files = [("image", ("a", b"x"))] * 10_000
    assert server.post(contract.BATCH, files=files).status_code == 413


def test_a_form_of_empty_parts_is_refused(server: Victim) -> None:
    body = b"--b\r\n\r\n" * 400_000 + b"--b--\r\n"
    assert server.post(data=body, headers={"Content-Type": "multipart/form-data; boundary=b"}).status_code in (400, 413)
    assert server.post(files={"image": ("", b"")}).status_code == 400


def exchange(url: str, request: bytes) -> bytes:
    """Raw bytes over a socket -> all that comes back until the server closes or is silent for a second."""
    host, port = url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=1) as connection:
        connection.sendall(request)
        received = b""
        try:
            while part := connection.recv(65536):
                received += part
        except (TimeoutError, ConnectionResetError):
            return received
    return received


def head(*lines: str) -> bytes:
    return "\r\n".join(
        ["POST /predictions HTTP/1.1", "Host: localhost", "Content-Type: image/png", *lines, "", ""]
    ).encode("latin-1")


def test_a_chunked_body_is_read(server: Victim, seven: bytes) -> None:
    assert server.ask(iter([seven[:100], seven[100:]])).json()["label"] == "7"


def test_a_chunked_body_over_the_limit_is_413(server: Victim) -> None:
    assert server.ask(bytes(1_000_000) for _ in range(6)).status_code == 413


@pytest.mark.parametrize(
    ("lines", "body", "status"),
    [
        (["Content-Length: -1"], b"", 400),
        (["Content-Length: ten"], b"", 400),
        (["Content-Length: 5", "Content-Length: 6"], b"abcdef", 400),
        (["Content-Length: 99999999999999999999"], b"", 413),
        ([f"Content-Length: {17 * 1024**2}"], b"", 413),  # at once, before any of it comes
        (["Transfer-Encoding: chunked"], b"zz\r\n", 400),
        (["Transfer-Encoding: gzip, chunked", "Content-Length: 3"], b"abc", 400),
        (["Content-Length: 3", "X-Request-Id: a\nb: c"], b"abc", 400),
    ],
    ids=lambda value: str(value)[:50],
)
def test_broken_http_is_a_problem_too(server: Victim, lines: list[str], body: bytes, status: int) -> None:
    received = exchange(server.url, head(*lines) + body)
    assert int(received.split(b" ", 2)[1]) == status, received[:300]
    assert contract.PROBLEM_TYPE.encode() in received
    assert json.loads(received.partition(b"\r\n\r\n")[2])["status"] == status


def test_a_header_without_end_is_cut_off(server: Victim) -> None:
    assert b" 200 " not in exchange(server.url, head("X-Long: " + "x" * 1_000_000)[:-2])


def test_a_header_cannot_be_injected_through_the_request_id(server: Victim) -> None:
    received = exchange(
        server.url, head("Content-Length: 1", "Connection: close", "X-Request-Id: a%0d%0aSet-Cookie: x=1") + b"a"
    )
    assert b"Set-Cookie" not in received


def test_too_short_a_body_holds_no_thread(server: Victim, seven: bytes) -> None:
    """Fifty clients that promise a megabyte and send ten bytes; the fifty-first is answered at once."""
    host, port = server.url.removeprefix("http://").split(":")
    slow = [socket.create_connection((host, int(port))) for _ in range(50)]
    try:
        for connection in slow:
            connection.sendall(head("Content-Length: 1000000") + b"0123456789")
        assert server.ask(seven).json()["label"] == "7"
    finally:
        for connection in slow:
            connection.close()
