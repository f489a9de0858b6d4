"""The strokes that a drawing is known to be made of tell digits apart whose ink touches.

Nearly every stroke belongs to one digit. So each part is divided into its strokes' ink, each pixel going to the nearest
stroke, and a stroke is cut (cuts.py) only where it is very wide.
"""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING

import numpy as np

from backend.numbers.parts import Parts, boxes_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from backend.numbers.parts import Line

FAR = 1.5  # pen widths: ink that is farther from every stroke was not drawn by them
FARTHEST = 32  # pixels, a quarter of the tallest digit: each takes time
LONGEST = 20_000  # pixels of a stroke's line: longer ones cost time and are drawn with gaps
MOST = 9  # strokes of a part that is divided: all of it may be one digit
NEXT = ((slice(1, None), slice(None, -1)), (slice(None, -1), slice(1, None)))  # a row, and the one before or after it


def draw(strokes: Sequence[NDArray[np.float64]], shape: tuple[int, int]) -> NDArray[np.int32]:
    """(n, 2) x and y each -> (h, w): the number of the stroke whose line, a pixel wide, goes there; the first is 1."""
    drawn, (h, w) = np.zeros(shape, np.int32), shape
    for number, stroke in enumerate(strokes, 1):
        points = np.clip(stroke, -1, (w, h))
        passed = np.concatenate([[0], np.abs(np.diff(points, axis=0)).max(axis=1, initial=0).cumsum()])  # pixels
        steps = np.linspace(0, passed[-1], 1 + min(LONGEST, ceil(passed[-1])))
        x, y = (np.interp(steps, passed, points[:, axis]).round().astype(int) for axis in (0, 1))
        inside = (x >= 0) & (x < w) & (y >= 0) & (y < h)
        drawn[y[inside], x[inside]] = number
    return drawn


def divide(line: Line, drawn: NDArray[np.int32]) -> tuple[Line, NDArray[np.bool_]]:
    """`drawn`: (h, w) of the line's box, as `draw` gives it -> the line of its strokes' ink, and which parts are one's.

    A part stays as it is that holds ink which no stroke drew, or more strokes than the piece of one digit may.
    """
    labels, found = np.zeros_like(line.parts.labels), [False]
    for part, (left, top, right, bottom) in enumerate(line.parts.boxes):
        window = np.s_[top:bottom, left:right]
        ink = line.parts.labels[window] == part + 1
        owner = _spread(np.where(ink, drawn[window], 0), ink, min(round(FAR * line.pen), FARTHEST))[ink]
        owners, which = np.unique(owner, return_inverse=True)
        known = bool(owners[0]) and len(owners) <= MOST  # 0 is nobody
        labels[window][ink] = len(found) + (which if known else 0)
        found += [known] * (len(owners) if known else 1)
    return line._replace(parts=Parts(labels, boxes_of(labels, len(found) - 1))), np.array(found[1:])


def _spread(owner: NDArray[np.int32], ink: NDArray[np.bool_], steps: int) -> NDArray[np.int32]:
    """Whose some of the ink is -> whose all of it is that they reach in so many steps from pixel to pixel; else 0."""
    for _ in range(steps if owner.any() else 0):
        reached = owner.copy()
        for to, of in NEXT:
            np.maximum(reached[to], owner[of], out=reached[to])
            np.maximum(reached[:, to], owner[:, of], out=reached[:, to])
        owner = np.where(ink & (owner == 0), reached, owner)
        if owner[ink].all():
            break
    return owner
