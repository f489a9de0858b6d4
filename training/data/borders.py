"""Numbers whose digits touch or overlap, and where one digit ends: what training/borders.py learns from."""

from __future__ import annotations

from functools import cache as once
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from PIL import Image, ImageFilter

from training.data import numbers, strokes
from training.data.numbers import JUDGED
from training.data.readers import people, writer_fold

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from training.data.numbers import Hand
    from training.data.strokes import Drawing

SIZE = (64, 208)  # pixels: height and width
DIGIT = (28, 46)  # pixels: a digit's height; cuts.ROWS is in the middle
EDGE = 2  # pixels
SOFTNESS = 4  # pixels: a border fades to 0 where one digit is so much nearer than the other
LENGTHS, OFTEN = (1, 2, 3, 4), (0.06, 0.5, 0.28, 0.16)
GAPS = ((-0.30, 0.06), (-0.12, 0.06))  # of the height, between the ink
ODD = 2.0  # times as tall or wide as a hand's digits are tall, or as low: two digits in one, or a part of one
FAR = 0.3  # so many overlap as far as the first


class Sheet(NamedTuple):
    """A number, ink 255, and the border between its digits, 255 on it and less beside it."""

    ink: NDArray[np.uint8]  # SIZE
    border: NDArray[np.uint8]


@once
def hands() -> tuple[list[Hand], list[Hand]]:
    """Pen writers' drawings, and those of UNIPEN's people who wrote five digits or more, but of the fold JUDGED."""
    written: dict[str, list[tuple[Drawing, str]]] = {}
    for each in people():
        if each.fold != JUDGED:
            written.setdefault(each.writer, []).append((each.drawing, str(each.digit)))
    found = [numbers.hand(drawings, ODD) for drawings in written.values()]
    pens = [hand for writer, hand in numbers.writers().items() if writer_fold(writer) != JUDGED]
    return pens, [hand for hand in found if len(hand) >= 5]


def sheet(item: int) -> Sheet:
    """The item-th."""
    rng = np.random.default_rng([item, 4242])
    height, width = float(rng.uniform(*DIGIT)), 0.0
    digits: list[Drawing] = []
    while not digits or (_size(digits) + width + 2 * EDGE > SIZE[::-1]).any():
        digits, width = _number(height, rng)
    points = np.concatenate(numbers.joined(digits))
    room = SIZE[::-1] - _size(digits) - width - EDGE
    shift = rng.uniform(EDGE, np.minimum(room, 10)) + width / 2 - points.min(axis=0)
    placed = [[stroke + shift for stroke in digit] for digit in digits]
    picture = strokes.draw(numbers.joined(placed), width, canvas=max(SIZE), detail=3)
    ink = 255 - np.asarray(picture)[: SIZE[0], : SIZE[1]]
    return Sheet(_worn(ink, rng), _border(placed))


def _size(digits: list[Drawing]) -> NDArray[np.float64]:
    size: NDArray[np.float64] = np.ptp(np.concatenate(numbers.joined(digits)), axis=0)
    return size


def _number(height: float, rng: np.random.Generator) -> tuple[list[Drawing], float]:
    """Some digits of one hand beside each other, in pixels, and the pen's width."""
    some = hands()[int(rng.random() < 0.4)]
    mine, width = some[rng.integers(len(some))], float(rng.uniform(*numbers.PENS))
    drawings = [mine[digit] for digit in rng.choice(sorted(mine), int(rng.choice(LENGTHS, p=OFTEN)))]
    chosen = [several[rng.integers(len(several))] for several in drawings]
    placed = numbers.compose(chosen, GAPS[int(rng.random() > FAR)], width, rng)
    slant = height * np.array([[1, 0], [rng.normal(0, 0.08), 1]])
    return [[stroke @ slant for stroke in digit] for digit in placed], max(height * width, 1.5)


def _worn(ink: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """As a camera or a scanner gives a third of them, hard-edged a sixth."""
    kind = rng.random()
    if kind < 0.35:
        soft = np.asarray(Image.fromarray(ink).filter(ImageFilter.GaussianBlur(rng.uniform(0.3, 1.1))), float)
        grain = rng.normal(0, rng.uniform(0, 12), ink.shape) * (soft > 10)
        return np.clip(soft * rng.uniform(1, 1.6) + grain, 0, 255).astype(np.uint8)
    if kind < 0.5:
        return np.where(ink > rng.integers(60, 190), 255, 0).astype(np.uint8)
    return ink


def _border(digits: list[Drawing]) -> NDArray[np.uint8]:
    """SIZE: 255 where two digits' lines are as far away and no other is nearer; 0 from a difference of SOFTNESS on."""
    if len(digits) == 1:
        return np.zeros(SIZE, np.uint8)
    nearest, second, *_ = np.sort([_away(digit) for digit in digits], axis=0)
    return np.clip(255 * (1 - (second - nearest) / SOFTNESS), 0, 255).astype(np.uint8)


def _away(drawing: Drawing) -> NDArray[np.float32]:
    """SIZE: how far each pixel's middle is from the nearest point of the drawing's lines.

    Without a product of matrices, for which each worker would use all cores.
    """
    filled = [strokes.evenly(stroke, int(strokes.distances(stroke)[-1]) + 2) for stroke in drawing]  # a point a pixel
    points = np.concatenate(filled).astype(np.float32)
    y, x = np.mgrid[: SIZE[0], : SIZE[1]].reshape(2, -1).astype(np.float32) + np.float32(0.5)
    squares = (points[:, :1] - x) ** 2 + (points[:, 1:] - y) ** 2
    away: NDArray[np.float32] = np.sqrt(squares.min(axis=0)).reshape(SIZE)
    return away
