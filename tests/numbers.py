"""Numbers written with the digits of tests/strokes.json, as pictures."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING

import numpy as np

from tests.conftest import STROKES
from training.data.strokes import draw, fit

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from training.data.strokes import Drawing

HEIGHT = 100  # pixels of a digit
PEN = 10  # pixels
OVERLAP = -20  # pixels between two digits, which their strokes alone tell apart then


def sheet(
    lines: Iterable[tuple[str, float, float]],
    strokes: Iterable[Sequence[tuple[float, float]]] = (),
    *,
    gap: float = 25,
    size: tuple[int, int] = (1100, 520),
    pen: float = PEN,
) -> bytes:
    """PNG of numbers, each with its left upper corner, and of single strokes; `gap` pixels between the digits' ink.

    The digits of a pen of another width than PEN are as far apart from middle to middle.
    """
    drawn: Drawing = [np.array(stroke, float) for stroke in strokes]
    for number, left, top in lines:
        drawn += _placed(number, left + PEN, top + PEN, gap)
    image = draw(drawn, pen, canvas=max(size), detail=2).crop((0, 0, *size))
    buffer = BytesIO()
    image.convert("RGBA").save(buffer, "PNG")
    return buffer.getvalue()


def written(number: str, gap: float = 25, pen: float = PEN) -> bytes:
    """PNG of one number."""
    return sheet([(number, 20, 20)], gap=gap, size=(40 + len(number) * 110, 150), pen=pen)


def strokes_of(number: str, gap: float = 25) -> list[list[list[float]]]:
    """The strokes that `written` draws the number by, in its pixels."""
    return [stroke.tolist() for stroke in _placed(number, 20 + PEN, 20 + PEN, gap)]


def _placed(number: str, left: float, top: float, gap: float) -> Drawing:
    drawn: Drawing = []
    for k, digit in enumerate(number):
        strokes = fit([np.array(stroke, float) for stroke in STROKES[digit][k % 3]], HEIGHT, (0, 0))
        points = np.concatenate(strokes)
        drawn += [stroke + np.array([left - points[:, 0].min(), top + HEIGHT / 2]) for stroke in strokes]
        left += float(np.ptp(points[:, 0])) + PEN + gap
    return drawn
