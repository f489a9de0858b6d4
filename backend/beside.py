"""What lies beside a digit, told from it by its parts: dirt, dots, a pen, a hand, what the border cuts off.

All of this works on ink, (h, w) uint8 with 0 for paper, and on what is above a level of it.
"""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING, Any

import numpy as np

from backend.numbers.parts import Parts, gaps, pen_width
from backend.paper import without_strokes
from backend.surroundings import RIM, grown, outermost, rim, shrunk

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
SPECK = 0.01  # of a flat part's length: beside what is no larger it is no line under a digit, but what there is
FLAT, LONG, BELOW = 0.15, 0.6, 0.06  # of its length, of the digit's width and height: a line under a digit
SMALLEST, SMALLEST_OF_MANY = 0.15, 0.05  # of the ink's shorter side: what is smaller is no digit, alone or of a number
APART, REST = 0.15, 0.6  # of the digit's size: how far away at least, and how small, what the border cuts off must be
SOLID, BROAD = 0.6, 0.35  # of its box, of the digit's size: what a thing or a hand fills, and how broad it is
LONGWISE, TIP = 0.85, 0.5  # of its size, of the digit's: how much of a finger's tip is along it, and how small it is
ALONG, FILLED = 0.4, 0.5  # of its size, of its box: how much of a finger is along a sheet's edge, and what it fills
WHOLE = 0.9  # of its rows or columns: what a finger fills, and a digit with a hole or a bend does not
PIECE = 0.25  # of the ink of what is around it: a piece of a digit has less, a digit in lines has not
MOST = 20  # parts at the border: as many are not looked at one by one
EDGE = 0.6  # of its size: as much at the picture's border is a dark edge
LARGER, LARGER_THAN_ONE = 1.5, 1.2  # times as large as a digit, of a number or alone: another one is not
WRITTEN, AS_LARGE = 0.6, 0.5  # of the ink, of the largest part on a sheet: what is as dark and large is writing, too
PLAIN, MOSTLY = 0.2, 0.35  # of the ink: as dark is plain paper; of what is around writing as much is darker: 0.16
DARKEST = 0.99  # the quantile of what is on a sheet that is ink
THICK, THICKER = 1.6, 2.5  # times as wide as the digit's pen: a pencil, larger than the digit or not


def specks(ink: NDArray[np.uint8], level: float, *, pattern: bool) -> Mask | None:
    """Dirt, punched holes, pale stains and a line below, of which the largest part is none; None where nothing is.

    Dirt is tiny beside the largest part and far from it. Where many are small and far, they are a dotted sheet's or
    what a screen shows: tiny ones that are near are then of this `pattern`, too. Where anything larger is far, there
    is more than one thing.
    """
    parts = Parts.of(ink > level)
    (wide, high), pale = parts.sides(), parts.darkest(ink) < PALE * ink.max()
    sizes, flat = np.maximum(wide, high), high < FLAT * wide
    main = int((sizes * ~pale * np.where(flat, SPECK, 1)).argmax())
    size = sizes[main]
    across, down = _from(parts, main)
    apart = np.maximum(across, down)
    tiny, small, far = sizes < TINY * size, sizes < SMALL * size, apart > FAR * size
    stains = pale & ((apart > APART * size) | (sizes > size))
    if not flat[main]:
        below = (parts.boxes[:, 1] - parts.boxes[main, 3] > BELOW * high[main]) & (across < 0)
        stains |= flat & below & (wide > LONG * wide[main])
    holes = (sizes < HOLE * size) & (parts.filling() > ROUND) & far
    holes &= (across > FAR * size) | (np.count_nonzero(holes) > 1)  # the dot of a semicolon is one
    if (far & ~(small | stains | holes)).any():
        return _of(parts, stains)
    if pattern or np.count_nonzero(small & far) >= PATTERN:
        return _of(parts, stains | tiny | (small & far))
    dotted = (across < TINY * size) & (down < DOTTED * size)  # as an i and a question mark are
    return _of(parts, stains | ((holes | (tiny & far)) & ~dotted) | ((sizes <= GRAIN * size - 1) & (apart > 0)))


def fingers(mask: Mask, rim: Mask) -> Mask | None:
    """The parts along a sheet's `rim` that are as broad as fingers and as full, or only tips; None where none is."""
    parts = Parts.of(mask)
    sizes, along = parts.sides().max(axis=0), _in(parts, rim) / RIM
    main = int(np.where(along > 0, 0, sizes).argmax())
    if along[main]:
        return None
    broad = (along > THICK * _pen(parts, main)) & (along > ALONG * sizes) & (parts.filling() > FILLED)
    for part in np.flatnonzero(broad)[:MOST]:
        broad[part] = _unbroken(parts, int(part)) > WHOLE
    tips = (along > LONGWISE * sizes) & (sizes < TIP * sizes[main])
    return _of(parts, broad | tips)


def is_lit(tones: NDArray[np.uint8], sheet: Mask) -> bool:
    """Whether a sheet that leaves the picture is paper like what is beside it, in another light.

    Dark writing is on both, or the sheet, as a shadow, is darker and seems to reach as far as its writing. Writing are
    parts that are darker than what is around them, as dark and large as those on the sheet, and not at the border.
    Most of what is around them is plain, as the grain of wood is not.
    """
    if not outermost(sheet).any():
        return False
    inner = shrunk(sheet)
    darkest, usual, lightest = np.quantile(tones[inner], (1 - DARKEST, 0.5, DARKEST))
    if usual - darkest < lightest - usual:  # light writing
        return False
    dark = 1 - tones / np.maximum(without_strokes(tones).astype(np.float32), 1)
    ink = float(np.quantile(dark[inner], DARKEST))
    if tones[sheet].mean() < tones[~sheet].mean() and dark[rim(sheet)].max() > WRITTEN * ink:
        return True
    edge = grown(rim(sheet))
    beside = ~sheet & ~edge
    if np.count_nonzero(dark[beside] > PLAIN * ink) > MOSTLY * np.count_nonzero(beside):
        return False
    parts = Parts.of((dark > WRITTEN * ink) & ~edge)
    sizes, own = parts.sides().max(axis=0), _in(parts, sheet) > 0
    others = sizes[~own & (_along(parts).sum(axis=0) == 0)]
    return bool(others.max(initial=0) > AS_LARGE * sizes[own].max(initial=0))


def strangers(mask: Mask, at: tuple[bool, ...], *, several: bool) -> Mask | None:
    """The parts that reach in over the picture's border and are no digits; None where there is none.

    at: whether the mask's top, bottom, left and right are the picture's. The largest part that touches none of them is
    a digit. A stranger lies along the border, is filled, far thicker, or larger and at two sides; or else it is small,
    as what the border leaves of something, where there are not `several` digits. What is near the digit may be of it,
    but for what goes from one side to the other.
    """
    parts = Parts.of(mask)
    sizes = parts.sides().max(axis=0)
    along = _along(parts) * np.array(at)[:, None]
    touched = np.count_nonzero(along, axis=0)
    main = int(np.where(touched, 0, sizes).argmax())
    size = sizes[main]
    if touched[main] or size < (SMALLEST_OF_MANY if several else SMALLEST) * min(mask.shape):
        return None
    left, top, right, bottom = parts.boxes[main] + np.array([-1, -1, 1, 1]) * ceil(APART * size)
    around = _around(parts, main)
    near = around | (_in(parts, np.s_[max(0, top) : bottom, max(0, left) : right]) > 0)
    edge = along.max(axis=0) > EDGE * sizes
    solid = (parts.filling() > SOLID) & (parts.sides().min(axis=0) > BROAD * size)
    larger = sizes > (LARGER if several else LARGER_THAN_ONE) * size
    rest = (sizes < REST * size) & (not several)
    dropped = (touched > 0) & ~near & (edge | solid | rest | (larger & (touched > 1)))
    dropped |= larger & ~around & ((along[:2] > 0).all(axis=0) | (along[2:] > 0).all(axis=0))
    pen = _pen(parts, main)
    for part in np.flatnonzero((touched > 0) & ~near & ~dropped)[:MOST]:
        dropped[part] = _pen(parts, int(part)) > (THICK if larger[part] else THICKER) * pen
    return _of(parts, dropped)


def _around(parts: Parts, piece: int) -> Mask:
    """Which parts reach over one of far less ink, as a digit that fills the picture does over a piece of it."""
    (across, down), ink = _from(parts, piece), parts.pixels()
    around: Mask = (across < 0) & (down < 0) & (ink[piece] < PIECE * ink)
    return around


def _pen(parts: Parts, which: int) -> float:
    """How wide a part's strokes are, in pixels."""
    return pen_width(parts.mask(which))


def _unbroken(parts: Parts, which: int) -> float:
    """How much of its rows, or of its columns, from a part's first pixel to the last are its own."""
    mask = parts.mask(which)
    spans = [_spans(lines) for lines in (mask, mask.T)]
    return float(np.count_nonzero(mask) / min(spans))


def _spans(mask: Mask) -> int:
    """How long its rows are, from the first pixel of each to the last."""
    return int((mask.shape[1] - mask.argmax(axis=1) - mask[:, ::-1].argmax(axis=1)).sum())


def _of(parts: Parts, chosen: Mask) -> Mask | None:
    """The pixels of the chosen parts; None where none is."""
    return np.append(False, chosen)[parts.labels] if chosen.any() else None


def _in(parts: Parts, window: Any) -> NDArray[np.int64]:
    """How many pixels of each part are in a window, an index of them."""
    inside: NDArray[np.int64] = np.bincount(parts.labels[window].ravel(), minlength=len(parts.boxes) + 1)[1:]
    return inside


def _along(parts: Parts) -> NDArray[np.int64]:
    """(4, n): how many pixels of each part are at the top, the bottom, the left and the right."""
    return np.array([_in(parts, side) for side in (np.s_[:1], np.s_[-1:], np.s_[:, :1], np.s_[:, -1:])])


def _from(parts: Parts, main: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(n,) each: how far each part's box is from the main one's, across and down; below 0 where they overlap."""
    across, down = gaps(parts.boxes, parts.boxes[[main]])
    return across[:, 0], down[:, 0]
