"""What lies beside a number and is none of it: boxes around its digits, a line under them, stains, dots, words."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from backend.numbers.parts import TALL, gaps, long
from backend.surroundings import has_corners

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from backend.numbers.parts import Parts

    Mask = NDArray[np.bool_]

MOST = 300  # parts: what has more is no number, and each is compared with each other
DOT, MANY, ALIKE = 0.2, 12, 1.5  # of the largest part, how many, times as large as the usual one: a dotted sheet's dots
PALE = 0.4  # of the darkest ink: what is paler throughout is a stain, or printed
# Of a digit's height:
SMALL, FAR = 0.5, 0.75  # a punched hole and what a screen shows are smaller, and so far from all digits
BELOW, LONG = 0.06, 0.7  # how far under the digits a line is at least, and how long
ROUND = 0.6  # of its box: what a dot or a hole fills
DISC, EQUAL = 0.7, 0.8  # of its box, of its longer side: no digit fills as much and is as wide as high
FLAT = 0.15  # of its length: how high a line is at most
INSIDE = 0.3  # of its height: a box holds something as high
RUN = 0.7  # of the height of what is in a box: as long are the runs of its lines
REST = 0.1  # of a box's ink: as little is in none of its lines, or a digit touches it


def stray(ink: NDArray[np.uint8], parts: Parts) -> Mask:
    """(n,): which parts are none of the number's digits, signs and points."""
    dotted = _dotted(parts)
    if dotted.any():
        dotted[~dotted] = stray(ink, parts.only(~dotted))
        return dotted
    if len(parts.boxes) > MOST:
        return np.zeros(len(parts.boxes), bool)
    wide, high = parts.sides()
    pale, boxes, flat = parts.darkest(ink) < PALE * ink.max(), _boxes(parts), high < FLAT * wide
    sizes, full = np.maximum(wide, high), parts.filling()
    digits = ~(pale | boxes | flat)
    dots = (full > ROUND) & (sizes < SMALL * high[digits].max(initial=0)) & ~flat
    discs = (full > DISC) & (np.minimum(wide, high) > EQUAL * sizes)
    digits &= ~(dots | discs)
    if not digits.any():
        return np.zeros(len(parts.boxes), bool)
    digits &= high >= TALL * high[digits].max()
    height = high[digits].mean()
    across, down = gaps(parts.boxes, parts.boxes[digits])
    far = np.maximum(across, down).min(axis=1) > FAR * height
    low = (high < SMALL * height) & (down > 0).all(axis=1)
    apart = far & (discs | low | (dots & (sizes < SMALL * height)))
    under = flat & (wide > LONG * height) & _below(parts.boxes, digits, height)
    strays: Mask = np.any([pale, boxes, apart, under], axis=0)
    return strays


def _dotted(parts: Parts) -> Mask:
    """Which parts are a dotted sheet's: many small ones, and alike."""
    sizes = parts.sides().max(axis=0)
    small = sizes < DOT * sizes.max(initial=0)
    if np.count_nonzero(small) < MANY:
        return np.zeros(len(sizes), bool)
    dots: Mask = small & (sizes <= ALIKE * np.median(sizes[small]))
    return dots


def _below(boxes: NDArray[np.int64], digits: Mask, height: float) -> Mask:
    """What lies under a digit, and beside none: as a minus of the next line does."""
    across, _ = gaps(boxes, boxes[digits])
    under = (boxes[:, None, 1] - boxes[None, digits, 3] > BELOW * height) & (across < 0)
    beside = (boxes[:, None, 1] < boxes[None, digits, 3]) & (boxes[:, None, 3] > boxes[None, digits, 1])
    below: Mask = np.any(under, axis=1) & ~np.any(beside, axis=1)
    return below


def _boxes(parts: Parts) -> Mask:
    """Which parts are the lines of boxes with something inside, as of a form, that no digit touches."""
    left, top, right, bottom = parts.boxes.T
    high = bottom - top
    holds = (left[:, None] < left) & (right < right[:, None]) & (top[:, None] < top) & (bottom < bottom[:, None])
    inside = np.where(holds, high, 0).max(axis=1, initial=0)
    found = np.zeros(len(high), bool)
    for k in np.flatnonzero(inside > INSIDE * high):
        mask = parts.mask(int(k))
        if has_corners(mask.astype(np.uint8), 0):
            lines = long(mask, RUN * inside[k]) | long(mask.T, RUN * inside[k]).T
            found[k] = np.count_nonzero(mask & ~lines) < REST * np.count_nonzero(mask)
    return found
