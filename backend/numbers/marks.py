"""What stands beside digits and is none: a sign before them, a point, a comma or a dash between them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from backend.numbers.parts import Line

# Of a digit's height:
FLAT = 0.3  # a minus is no higher
CROSS = 0.75  # a plus is no larger: a 4 is as high as its neighbours
SMALL = 0.3  # a point is no larger; a comma is half as high again
LOW = 0.25  # a point is as far below the middle, and a sign no farther from it
ARM = 0.7  # of a plus' sides: each of its two arms goes over so much
BLANK = 0.3  # of its sides: so much is blank in each of its corners
CLEAR = 0.02  # a mark has as much paper at its sides: the bar of a 7 has not


DASH = "\N{EN DASH}"  # a minus that is not the first
KINDS = {"-": "sign", "+": "sign", ".": "point", DASH: "not_a_number"}  # why a line is rejected, unless it is allowed


class Mark(NamedTuple):
    """A sign, a point or a dash: of KINDS, how it is spelt, its left, top, right and bottom."""

    kind: str
    label: str
    box: tuple[int, int, int, int]


def find(line: Line) -> tuple[list[Mark], Line]:
    """The marks of a line, and the line without them; all of it where nothing else would be left."""
    boxes = line.parts.boxes
    marks = [_mark(line, k) for k in range(len(boxes))]
    digits = np.array([not mark for mark in marks])
    if digits.all() or not digits.any():
        return [], line
    found = [
        Mark(KINDS[mark], mark, (int(left), int(top), int(right), int(bottom)))
        for mark, (left, top, right, bottom) in zip(marks, boxes, strict=True)
        if mark
    ]
    return found, line.only(digits)


def _mark(line: Line, k: int) -> str:
    """What the k-th part is, of KINDS, or empty."""
    boxes, height = line.parts.boxes, line.height
    left, top, right, bottom = (boxes[k] / height).tolist()
    others = np.delete(boxes, k, axis=0) / height
    clear = bool(((others[:, 0] > right + CLEAR) | (others[:, 2] < left - CLEAR)).all())
    tall = others[others[:, 3] - others[:, 1] > 0.5]
    if not clear or not len(tall):
        return ""
    below = (top + bottom) / 2 - float((tall[:, 1] + tall[:, 3]).mean() / 2)
    w, h = right - left, bottom - top
    first, last = (others[:, 0] > right).all(), (others[:, 2] < left).all()
    if abs(below) <= LOW:
        if h <= FLAT and w >= 1.6 * h:
            return "-" if first else DASH
        if first:
            return "+" if max(w, h) <= CROSS and _is_cross(line, k) else ""
    between = not first and not last
    return "." if between and below >= LOW and w <= SMALL and h <= 1.5 * SMALL else ""


def _is_cross(line: Line, k: int) -> bool:
    """Whether a part has two long arms and blank corners."""
    ink = line.parts.mask(k)
    h, w = ink.shape
    arms = ink.sum(axis=1).max() >= ARM * w and ink.sum(axis=0).max() >= ARM * h
    y, x = int(BLANK * h), int(BLANK * w)
    corners = ink[:y, :x], ink[:y, w - x :], ink[h - y :, :x], ink[h - y :, w - x :]
    return bool(arms and y and x) and not any(corner.any() for corner in corners)
