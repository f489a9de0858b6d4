"""What every tier may use: the app on the shipped model, a live server, and drawings made of tests/strokes.json."""

from __future__ import annotations

import json
import threading
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import pytest

from backend.app import create_app
from backend.predictors import EmbeddedPredictor
from backend.server import Server
from backend.settings import SHIPPED_MODEL
from training.data.strokes import draw

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from flask import Flask
    from flask.testing import FlaskClient

HERE = Path(__file__).parent
TIERS = ("cloud", "browser", "model", "contract", "unit", "benchmarks")
STROKES: dict[str, list[list[list[list[int]]]]] = json.loads((HERE / "strokes.json").read_text(encoding="utf-8"))


class Drawing(Protocol):
    """drawing("7") -> the bytes of a 280x280 picture of a seven; three styles, any pen width, any of the formats."""

    def __call__(self, digit: str, style: int = 0, width: float = 16, kind: str = "PNG") -> bytes: ...


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A test's folder is its tier is its marker. Parallel workers take a file each, the longest tiers first."""
    items.sort(key=_tier)
    for item in items:
        item.add_marker(TIERS[_tier(item)])


def _tier(item: pytest.Item) -> int:
    return TIERS.index(Path(item.path).relative_to(HERE).parts[0])


@pytest.fixture(scope="session")
def drawing() -> Drawing:
    def make(digit: str, style: int = 0, width: float = 16, kind: str = "PNG") -> bytes:
        strokes = [np.array(stroke, float) for stroke in STROKES[digit][style]]
        buffer = BytesIO()
        sheet = draw(strokes, width)
        sheet.convert("RGB" if kind == "JPEG" else "RGBA").save(buffer, kind)
        return buffer.getvalue()

    return make


def scribble() -> bytes:
    """A picture that is no digit: forty lines to and fro."""
    rng, buffer = np.random.default_rng(4), BytesIO()
    draw([rng.uniform(30, 250, (40, 2))], 8).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture(scope="session")
def seven(drawing: Drawing) -> bytes:
    return drawing("7")


@pytest.fixture(scope="session")
def embedded() -> EmbeddedPredictor:
    return EmbeddedPredictor(SHIPPED_MODEL)


@pytest.fixture(scope="session")
def moto_url() -> Iterator[str]:
    """The URL of an AWS of our own: moto's server."""
    from moto.server import ThreadedMotoServer  # a second of import that most tests do without

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@cache
def _components() -> Any:
    from streamlit.components.v2 import manifest_scanner  # a second of import that other tests do without

    return manifest_scanner.scan_component_manifests()


@pytest.fixture
def fresh_page(monkeypatch: pytest.MonkeyPatch) -> None:
    """A page that nobody has visited: no client and no answer of an earlier test is kept.

    AppTest reads the metadata of all installed packages in each run, half a second; here once.
    """
    import streamlit as st

    found = _components()
    monkeypatch.setattr("streamlit.components.v2.manifest_scanner.scan_component_manifests", lambda: found)
    st.cache_resource.clear()
    st.cache_data.clear()


@pytest.fixture
def app(embedded: EmbeddedPredictor) -> Flask:
    """The API with nothing configured."""
    return create_app({}, embedded)


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


@pytest.fixture
def serve() -> Iterator[Callable[..., str]]:
    """serve(app) -> the URL of a real threaded server of it, which ends with the test; options are Server's."""
    servers = []

    def start(app: Flask, **options: int) -> str:
        server = Server(app, **options)
        thread = threading.Thread(target=server.run)
        thread.start()
        servers.append((server, thread))
        return f"http://127.0.0.1:{server.effective_port}"

    yield start
    for server, thread in servers:
        server.stop()
        thread.join(5)
        assert not thread.is_alive()


@pytest.fixture
def live_api(serve: Callable[[Flask], str], app: Flask) -> str:
    """The URL of the API with nothing configured."""
    return serve(app)
