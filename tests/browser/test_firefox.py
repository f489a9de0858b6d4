"""The main path in Firefox: draw, be answered, clear."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.browser.chromium import NoBrowser
from tests.browser.conftest import STROKES, TAKES_THE_PEN
from tests.browser.firefox import find, started

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.browser.firefox import Firefox

TOLD = "(document.getElementById('announcement')?.dataset ?? {})"


@pytest.fixture
def firefox(tmp_path: Path) -> Iterator[Firefox]:
    """Firefox, or a sentence."""
    try:
        find()
    except NoBrowser as error:
        pytest.fail(str(error), pytrace=False)
    with started(tmp_path) as window:
        yield window


def paper(firefox: Firefox, sheet: int) -> dict[str, float]:
    """Where the sheet is, once it takes the pen."""
    firefox.await_true(f"{TOLD}.dressed === '{sheet}'")
    hosts = f"[...document.querySelectorAll('.st-key-canvas-{sheet} *')]"
    found = f"{hosts}.map(e => e.shadowRoot?.querySelector('canvas.upper-canvas')).find(Boolean)"
    firefox.await_true(f"({TAKES_THE_PEN})({found})")
    box: dict[str, float] = firefox.evaluate(f"{found}.getBoundingClientRect().toJSON()")
    return box


def draw(firefox: Firefox, sheet: int, digit: str) -> str:
    """Draw on this sheet -> the answer, as it is said."""
    box = paper(firefox, sheet)
    scale = box["width"] / 280
    for stroke in STROKES[digit][0]:
        firefox.stroke([(box["x"] + x * scale, box["y"] + y * scale) for x, y in stroke])
    strokes = len(STROKES[digit][0])
    firefox.await_true(f"{TOLD}.strokes === '{strokes}' && {TOLD}.drawing === {TOLD}.answer")
    said: str = firefox.evaluate("document.getElementById('announcement').textContent")
    return said


def test_firefox_draws_is_answered_and_clears(firefox: Firefox, page_url: str) -> None:
    firefox.open(page_url)
    for sheet, digit in enumerate("473"):
        assert draw(firefox, sheet, digit).startswith(f"Read as {digit}:")
        assert firefox.evaluate("document.querySelectorAll('.steps li').length") == 5
        x, y = firefox.evaluate(
            "(r => [r.x + r.width / 2, r.y + r.height / 2])"
            "(document.querySelector('.st-key-clear button').getBoundingClientRect())"
        )
        firefox.stroke([(x, y), (x, y)])
        firefox.await_true(f"{TOLD}.sheet === '{sheet + 1}' && {TOLD}.strokes === '0' && {TOLD}.answer === ''")
