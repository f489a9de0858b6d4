"""Where the data comes from: checked, resumable by running again, and never half there."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING

import pytest

from training.data import sources

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

FILE = "train-labels-idx1-ubyte.gz"


@pytest.fixture
def home() -> Iterator[Callable[[bytes, int], str]]:
    """home(body, promised) -> the URL of a server that promises so many bytes and sends `body`."""
    servers = []

    def start(body: bytes, promised: int) -> str:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200)
                self.send_header("Content-Length", str(promised))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Quiet."""

        server = HTTPServer(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        servers.append((server, thread))
        return f"http://127.0.0.1:{server.server_port}/{FILE}"

    yield start
    for server, thread in servers:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def original(tiny_sources: Path, monkeypatch: pytest.MonkeyPatch) -> bytes:
    """A file's right content, which is to be downloaded now."""
    monkeypatch.delenv("DATA_DIR")
    return (tiny_sources / FILE).read_bytes()


def _moved_to(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sources.SOURCES, "fashion-train-y", sources.SOURCES["fashion-train-y"]._replace(url=url))


def test_a_file_is_downloaded_once_and_then_cached(
    original: bytes, home: Callable[[bytes, int], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    _moved_to(home(original, len(original)), monkeypatch)
    path = sources.fetch("fashion-train-y")
    assert path.read_bytes() == original
    _moved_to("http://127.0.0.1:1/gone/" + FILE, monkeypatch)
    assert sources.fetch("fashion-train-y") == path


@pytest.mark.parametrize("loss", ["cut", "altered", "refused"])
def test_a_bad_download_is_an_error_and_leaves_nothing(
    original: bytes, home: Callable[[bytes, int], str], monkeypatch: pytest.MonkeyPatch, loss: str
) -> None:
    altered = original[:-1] + bytes([original[-1] ^ 1])
    urls = {
        "cut": lambda: home(original[:10], len(original)),
        "altered": lambda: home(altered, len(altered)),
        "refused": lambda: "http://127.0.0.1:1/" + FILE,
    }
    _moved_to(urls[loss](), monkeypatch)
    with pytest.raises(sources.DataError, match=r"labels-idx1"):
        sources.fetch("fashion-train-y")
    assert list(sources.cache().iterdir()) == []


def test_a_file_missing_from_data_dir_is_named(tiny_sources: Path) -> None:
    (tiny_sources / "mnist.npz").unlink()
    with pytest.raises(sources.DataError, match=r"mnist\.npz is not in DATA_DIR"):
        sources.fetch("mnist")


@pytest.mark.parametrize("key", list(sources.SOURCES))
def test_a_half_written_file_in_data_dir_is_an_error(tiny_sources: Path, key: str) -> None:
    path = tiny_sources / sources.SOURCES[key].name
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(sources.DataError, match="Delete it and run again"):
        sources.fetch(key)
