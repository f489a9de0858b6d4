"""Where the data comes from: checked, resumable by running again, and never half there."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from tests.stand_in import StandIn
from training.data import sources

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.stand_in import Handler

FILE = "train-labels-idx1-ubyte.gz"


@pytest.fixture
def home() -> Iterator[Callable[[bytes, int], str]]:
    """home(body, promised) -> the URL of a server that promises so many bytes and sends `body`."""
    with ExitStack() as servers:

        def start(body: bytes, promised: int) -> str:
            def behave(handler: Handler, _: bytes) -> None:
                handler.send(200, body, Content_Length=str(promised))
                handler.close_connection = True

            return f"{servers.enter_context(StandIn(behave)).url}/{FILE}"

        yield start


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
