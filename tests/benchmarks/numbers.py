"""Whole numbers over HTTP, embedded: four digits as the page's wide sheet sends them, and a page full of scribble."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

import numpy as np

from backend import contract
from backend.app import create_app
from backend.server import Server
from tests.benchmarks.drawings import canvas_png
from tests.benchmarks.wire import Wire, post
from tests.conftest import STROKES
from training.data.strokes import draw, fit, vary

if TYPE_CHECKING:
    from collections.abc import Callable

GAPS = {"apart": (0.15, 0.40), "close": (0.02, 0.12), "touching": (-0.12, 0.02)}  # of the height, between the ink
WIDE = (600, 300)  # pixels of the page's sheet
COUNT, TIMES = 60, 5  # numbers of each kind; the least of so many askings counts


def written(digits: str, gap: tuple[float, float], rng: np.random.Generator) -> bytes:
    """A number as the page's canvas sends it."""
    height, pen, left, placed = rng.uniform(90, 140), rng.uniform(7, 14), 15.0, []
    for digit in digits:
        strokes = [np.array(stroke, float) for stroke in STROKES[digit][rng.integers(len(STROKES[digit]))]]
        strokes = fit(vary(strokes, rng), height, (0, 150))
        points = np.concatenate(strokes)
        placed += [stroke + np.array([left + pen / 2 - points[:, 0].min(), 0]) for stroke in strokes]
        left += float(np.ptp(points[:, 0])) + pen + height * rng.uniform(*gap)
    return canvas_png(draw(placed, pen, canvas=max(WIDE)).crop((0, 0, *WIDE)).convert("RGBA"))


def scribbled(rng: np.random.Generator) -> bytes:
    """A page full of it."""
    strokes = [rng.uniform(10, 590, (12, 2)) * (1, 0.48) for _ in range(40)]
    return canvas_png(draw(strokes, 8, canvas=max(WIDE)).crop((0, 0, *WIDE)).convert("RGBA"))


def numbers(*, quick: bool) -> dict[str, Any]:
    """Milliseconds: the median and the worst of each kind."""
    rng, count = np.random.default_rng(21), 6 if quick else COUNT
    kinds: dict[str, Callable[[], bytes]] = {
        gap: lambda gap=gap: written("".join(rng.choice(list("0123456789"), 4)), GAPS[gap], rng) for gap in GAPS
    }
    kinds["a page full of scribble"] = lambda: scribbled(rng)
    server = Server(create_app({}))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    wire = Wire(server.effective_port)
    try:
        return {name: _spread([_ask(wire, make()) for _ in range(count)]) for name, make in kinds.items()}
    finally:
        wire.close()
        server.stop()
        thread.join(5)


def _ask(wire: Wire, picture: bytes) -> float:
    """Milliseconds, the least of TIMES."""
    message, took = post(contract.NUMBERS, picture, "image/png"), []
    for _ in range(TIMES):
        started = time.perf_counter()
        status, _ = wire.exchange(message)
        took.append(1000 * (time.perf_counter() - started))
        assert status == 200
    return min(took)


def _spread(ms: list[float]) -> dict[str, float]:
    return {"n": len(ms), "median": round(float(np.median(ms)), 2), "worst": round(max(ms), 2)}
