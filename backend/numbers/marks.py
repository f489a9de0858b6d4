"""What stands beside digits and is none: a minus before them, a decimal point or a comma between them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from backend.numbers.parts import Line

# Of a digit's height:
FLAT = 0.3  # a minus is no higher
SMALL = 0.3  # a point is no larger; a comma is half as high again
LOW = 0.25  # a point is as far below the middle, and a minus no farther from it
CLEAR = 0.02  # a mark has as much paper at its sides: the bar of a 7 has not


class Mark(NamedTuple):
    """A minus or a point: what it is called in contract.MARKS, how it is spelt, its left, top, right and bottom."""

    kind: str
    label: str
    box: tuple[int, int, int, int]


def find(line: Line) -> tuple[list[Mark], Line]:
    """The marks of a line, and the line without them; all of it where nothing else would be left."""
    boxes = line.parts.boxes
    kinds = [_kind(boxes, k, line.height) for k in range(len(boxes))]
    digits = np.array([not kind for kind in kinds])
    if digits.all() or not digits.any():
        return [], line
    spelt = {"sign": "-", "point": "."}
    found = [
        Mark(kind, spelt[kind], (int(left), int(top), int(right), int(bottom)))
        for kind, (left, top, right, bottom) in zip(kinds, boxes, strict=True)
        if kind
    ]
    return found, line.only(digits)


def _kind(boxes: NDArray[np.int64], k: int, height: float) -> str:
    """Of contract.MARKS, or empty."""
    left, top, right, bottom = (boxes[k] / height).tolist()
    others = np.delete(boxes, k, axis=0) / height
    clear = bool(((others[:, 0] > right + CLEAR) | (others[:, 2] < left - CLEAR)).all())
    tall = others[others[:, 3] - others[:, 1] > 0.5]
    if not clear or not len(tall):
        return ""
    below = (top + bottom) / 2 - float((tall[:, 1] + tall[:, 3]).mean() / 2)
    w, h = right - left, bottom - top
    if bool((others[:, 0] > right).all()) and h <= FLAT and w >= 1.6 * h and abs(below) <= LOW:
        return "sign"
    first, last = (others[:, 0] > right).all(), (others[:, 2] < left).all()
    between = not first and not last
    return "point" if between and below >= LOW and w <= SMALL and h <= 1.5 * SMALL else ""
