"""What lies beside a digit, told from it by its parts: dirt, dots, a pen, a hand, what the border cuts off.

All of this works on ink, (h, w) uint8 with 0 for paper, and on what is above a level of it.
"""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING, Any

import numpy as np

from backend.numbers.parts import Parts, boxes_of, label, pen_width

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Mask = NDArray[np.bool_]

TINY, FAR = 0.15, 0.3  # of the digit's size: dirt is smaller, and so far away
DOTTED = 0.75  # of the digit's size: a dot that is as far above or below is part of what it belongs to
GRAIN = 0.04  # of the digit's size: what is smaller by a pixel is dirt as near as it may be
SMALL = 0.3  # of the digit's size: what a screen shows beside a drawing is smaller
PATTERN = 4  # small parts: as many are the sheet's own, or the screen's
HOLE, ROUND = 0.4, 0.6  # of the digit's size, of its box: how large a punched hole may be, and what it fills at least
PALE = 0.5  # of the darkest ink: what is paler throughout, and not near, is a stain
SMALLEST = 0.15  # of the ink's shorter side: what is smaller is no digit
APART, REST = 0.15, 0.6  # of the digit's size: how far away at least, and how small, what the border cuts off must be
THICK = 1.6  # times as wide as the digit's pen: a pencil, an eraser or a hand beside it
OVER = 0.5  # of its size: as large is what stays on a sheet when what reaches in over its edge goes


def specks(ink: NDArray[np.uint8], level: float, *, pattern: bool) -> Mask | None:
    """What is tiny beside the largest part and far from it, as dirt, or pale; None where nothing is.

    Where many are small and far, they are a dotted sheet's or what a screen shows: tiny ones that are near are then of
    this `pattern`, too. Where anything larger is far, there is more than one thing.
    """
    parts = _parts(ink > level)
    sizes, pale = _sizes(parts), _darkest(ink, parts) < PALE * ink.max()
    main = int(np.where(pale, 0, sizes).argmax())
    size = sizes[main]
    across, down = _gaps(parts, main)
    gaps = np.maximum(across, down)
    tiny, small, far = sizes < TINY * size, sizes < SMALL * size, gaps > FAR * size
    stains = pale & ((gaps > APART * size) | (sizes > size))
    holes = (sizes < HOLE * size) & (_filling(parts) > ROUND) & far
    holes &= (across > FAR * size) | (np.count_nonzero(holes) > 1)  # the dot of a semicolon is one
    if (far & ~(small | stains | holes)).any():
        return _of(parts, stains)
    if pattern or np.count_nonzero(small & far) >= PATTERN:
        return _of(parts, stains | tiny | (small & far))
    dotted = (across < TINY * size) & (down < DOTTED * size)  # as an i and a question mark are
    return _of(parts, stains | ((holes | (tiny & far)) & ~dotted) | ((sizes <= GRAIN * size - 1) & (gaps > 0)))


def intruders(mask: Mask, rim: Mask) -> Mask | None:
    """The parts that reach in over a sheet's `rim`, as fingers do; None where none does, or nothing is inside."""
    parts = _parts(mask)
    over, sizes = np.zeros(len(parts.boxes) + 1, bool), _sizes(parts)
    over[parts.labels[rim & mask]] = True
    return _of(parts, over[1:] & (OVER * sizes <= sizes[~over[1:]].max(initial=0)))


def strangers(mask: Mask, at: tuple[bool, ...]) -> Mask | None:
    """The parts that reach in over the picture's border and are no digit's; None where there is none.

    at: whether the mask's top, bottom, left and right are the picture's. The digit touches none of them. A stranger
    touches two sides, is far thicker than the digit's strokes, or is small and at some distance.
    """
    parts = _parts(mask)
    sizes, touched = _sizes(parts), np.zeros(len(parts.boxes), int)
    for side, ours in zip((np.s_[:1], np.s_[-1:], np.s_[:, :1], np.s_[:, -1:]), at, strict=True):
        touched += ours & _in(parts, side)
    main = int(np.where(touched, 0, sizes).argmax())
    size = sizes[main]
    if touched[main] or size < SMALLEST * min(mask.shape):
        return None
    left, top, right, bottom = parts.boxes[main] + np.array([-1, -1, 1, 1]) * ceil(APART * size)
    near = _in(parts, np.s_[max(0, top) : bottom, max(0, left) : right])
    dropped = ~near & ((touched > 1) | ((touched > 0) & (sizes < REST * size)))
    thick = THICK * pen_width(parts.labels == main + 1)
    for part in np.flatnonzero((touched == 1) & ~near & ~dropped):
        dropped[part] = pen_width(parts.labels == part + 1) > thick
    return _of(parts, dropped)


def _parts(mask: Mask) -> Parts:
    labels, n = label(mask)
    return Parts(labels, boxes_of(labels, n))


def _of(parts: Parts, chosen: Mask) -> Mask | None:
    """The pixels of the chosen parts; None where none is."""
    return np.append(False, chosen)[parts.labels] if chosen.any() else None


def _in(parts: Parts, window: Any) -> Mask:
    """Whether any of a part is in a window, an index of the pixels."""
    inside: Mask = np.bincount(parts.labels[window].ravel(), minlength=len(parts.boxes) + 1)[1:] > 0
    return inside


def _sizes(parts: Parts) -> NDArray[np.int64]:
    """The longer side of each part's box."""
    sizes: NDArray[np.int64] = (parts.boxes[:, 2:] - parts.boxes[:, :2]).max(axis=1)
    return sizes


def _gaps(parts: Parts, main: int) -> NDArray[np.int64]:
    """(2, n): how far each part's box is from the main one's, across and down; below 0 where they overlap."""
    box = parts.boxes[main]
    gaps: NDArray[np.int64] = np.maximum(parts.boxes[:, :2] - box[2:], box[:2] - parts.boxes[:, 2:]).T
    return gaps


def _filling(parts: Parts) -> NDArray[np.float64]:
    """How much of its box each part fills."""
    areas = (parts.boxes[:, 2:] - parts.boxes[:, :2]).prod(axis=1)
    filling: NDArray[np.float64] = np.bincount(parts.labels.ravel())[1:] / areas
    return filling


def _darkest(ink: NDArray[np.uint8], parts: Parts) -> NDArray[np.uint8]:
    """The most ink in each part."""
    inside = parts.labels > 0
    darkest = np.zeros(len(parts.boxes) + 1, np.uint8)
    np.maximum.at(darkest, parts.labels[inside], ink[inside])
    return darkest[1:]
