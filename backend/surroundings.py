"""What is on a sheet beside the digit: boxes, frames, a scan's dark edges, the corners of a turned scan, ruled lines.

Everything here works on ink, (h, w) uint8 with 0 for paper, and decides by shape: a digit that runs out of the sheet
touches its edge with a stroke's end, a dark edge along most of a side.
"""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    Mask = NDArray[np.bool_]

CORNER = 0.1  # of a side: the line of a box comes nearer to its corner than this, that of a 0 does not
SIDE = 0.85  # of a side: how much of it a box's line covers, seen from outside
DEEPEST = 0.3  # of a side: how far in a box's line may reach where the box leans
SMALLEST = 0.15  # of the sheet's side: what is smaller is no digit
TOUCHING = 0.4  # of the darkest ink: less at the edge is a stroke's soft rim, or noise
ALONG = 0.6  # of a side: what touches the edge along more is no stroke's end
SHADE = 0.6  # of the darkest ink: no shadow is darker
RIM = 2  # pixels: what is soft around strokes and sheets
RIMS = (2, 4, 6, 8)  # pixels: a compressed sheet's edge is soft
PLATEAU = 20  # of 255: what one colour may vary
MOSTLY = 0.6  # of its pixels: what a sheet without its digit covers
RAGGED = 0.04  # of a sheet: by how much its outline may differ from a straight one
FROM_CORNER = 0.2  # of a side: the corners of a turned scan reach over nearly half, a finger over a fifth
FULL = 0.9  # of a side: what covers more goes all along it
THIN = 0.06  # of the sheet's side: a thicker line is no rule
STEEPEST = 0.1  # of its length: how far a rule may rise
HALF = 0.5  # of what is around it: a plot covers more
STRAIGHT = 0.93  # of the smallest box around a sheet: an oval that is cut off at both ends covers 0.91
OPENINGS = ((1, 0.95), (4, 0.8))  # a table's grain goes, or fingers do; how much of what hangs together is the sheet
CONVEX = 0.95  # of the smallest convex polygon around a sheet
BITTEN = 0.85  # of the same where hands cover a sheet that is all in the picture
OWN = 0.6  # of the outline of the box around such a sheet: that of a thick 8 is 0.55
LONGEST = 3  # times as long as wide: such a sheet, not a bar
AT_SIDE = 1.25  # pixels of 64
ALIKE = 0.2  # of what a sheet lies on: how much of it may be as light as the sheet
STROKE = 0.5  # of the step from a sheet to what is around it: what is darker there is a stroke, not grain of wood
MOST_OF_BORDER = 0.9  # of the picture's border: what a sheet does not cover, or it lies on nothing
LEAST = 0.06  # of the picture: a smaller thing is no sheet
SPECK = 0.02  # of a picture: less is no part of a digit
MOST = 40  # rules looked for
PALE = 0.75  # of the darkest ink: darker rules are told by their shape alone
DARKER = 1.2  # times as dark as where they leave the sheet: what rules may be elsewhere
SMALLEST_PAGE = 64  # pixels of the shorter side: in less three lines are noise
RULED = 3  # lines: of fewer a digit's strokes that run out of the sheet may be some


def has_corners(ink: NDArray[np.uint8], level: float) -> bool:
    """Whether there is ink in all four corners, as of few digits: told in 3 us, for every picture is asked."""
    h, w = ink.shape
    y, x = max(1, int(CORNER * h)), max(1, int(CORNER * w))
    return bool(
        ink[:y, :x].max() > level
        and ink[:y, -x:].max() > level
        and ink[-y:, :x].max() > level
        and ink[-y:, -x:].max() > level
    )


def framed(ink: NDArray[np.uint8], level: float) -> tuple[int, int, int, int] | None:
    """Left, top, right and bottom of a box or a rectangle with something small outside of it, as a plot's labels."""
    if min(ink.shape) < 3 * RIMS[-1]:
        return None
    some = (ink[::4] > level).astype(np.float32)  # every fourth pixel, added up by BLAS: a tenth of mean()'s time
    x = np.flatnonzero(np.ones(len(some), np.float32) @ some > ALONG * len(some))
    if len(x) < 2:  # as of nearly every digit
        return None
    some = (ink[:, ::4] > level).astype(np.float32)
    y = np.flatnonzero(some @ np.ones(some.shape[1], np.float32) > ALONG * some.shape[1])
    if len(y) < 2:
        return None
    left, top, right, bottom = int(x[0]), int(y[0]), int(x[-1]) + 1, int(y[-1]) + 1
    small = (right - left) * (bottom - top) < HALF * ink.size or min(right - left, bottom - top) < 3 * RIMS[-1]
    return None if small or not has_corners(ink[top:bottom, left:right], level) else (left, top, right, bottom)


def laid(mask: Mask, *, held: bool) -> Mask | None:
    """The sheet that lies on something, or may be `held`, as a convex polygon; None where there is none.

    It is the largest part, and fills its smallest box, however that is turned, as far as that is in the picture. Where
    it goes on outside of the picture, what it lies on is not like it; else hands may cover some of it, or hang on it.
    """
    if outermost(mask).mean() > MOST_OF_BORDER or np.count_nonzero(mask) < LEAST / 2 * mask.size:
        return None
    runs = Runs(mask)
    sizes = runs.sizes()
    whole = _filled(runs.mask(np.arange(len(sizes)) == sizes.argmax()))
    for times, least in OPENINGS if held else OPENINGS[:1]:
        sheet = whole & _opened(whole, times)
        if np.count_nonzero(sheet) < max(LEAST * mask.size, least * np.count_nonzero(whole)):
            return None
        hull = _hull(sheet)
        inside = not outermost(hull).any()
        if hull.all():
            return None
        if _is_straight(sheet, hull) or (held and inside and _is_held(sheet, hull)):
            solid = mask[hull].mean() > MOSTLY  # a grid is none, though what its lines go around is
            return hull if solid and (inside or mask[~hull].mean() <= ALIKE) else None
        if not inside:
            return None
    return None


def _is_straight(sheet: Mask, hull: Mask) -> bool:
    return bool(np.count_nonzero(sheet) >= CONVEX * np.count_nonzero(hull) and _straight(hull) >= STRAIGHT)


def _is_held(sheet: Mask, hull: Mask) -> bool:
    return bool(np.count_nonzero(sheet) >= BITTEN * np.count_nonzero(hull) and _own_outline(sheet) >= OWN)


def _own_outline(sheet: Mask) -> float:
    """How much of the outline of the smallest box around a sheet is the sheet's; 0 of a bar."""
    step = max(1, max(sheet.shape) // 64)
    y, x = np.nonzero(sheet[::step, ::step])
    angles = np.radians(np.arange(0, 90, 1.5))[:, None]
    across, down = np.cos(angles) * x + np.sin(angles) * y, np.cos(angles) * y - np.sin(angles) * x
    best = ((np.ptp(across, axis=1) + 1) * (np.ptp(down, axis=1) + 1)).argmin()
    sides, own = [], 0
    for one, other in ((across[best], down[best]), (down[best], across[best])):
        sides.append(float(np.ptp(one)) + 1)
        for near in (one < one.min() + AT_SIDE, one > one.max() - AT_SIDE):
            own += len(set(np.round(other[near]).tolist()))
    return own / (2 * sum(sides)) if max(sides) <= LONGEST * min(sides) else 0.0


def _opened(mask: Mask, times: int) -> Mask:
    """The mask without what is narrower than 4 `times` pixels (Serra 1982)."""
    for change in times * [shrunk] + times * [grown]:
        mask = change(mask)
    return mask


def _hull(mask: Mask) -> Mask:
    """The smallest convex polygon around what is set (Andrew 1979)."""
    rows = np.flatnonzero(mask.any(axis=1))
    part = mask[rows[0] : rows[-1] + 1]
    inside = part.any(axis=1)
    first = np.where(inside, part.argmax(axis=1), mask.shape[1])
    last = np.where(inside, mask.shape[1] - 1 - part[:, ::-1].argmax(axis=1), -1)
    columns = np.arange(mask.shape[1])
    hull = np.zeros_like(mask)
    hull[rows[0] : rows[-1] + 1] = (columns >= _below(first)[:, None]) & (columns <= -_below(-last)[:, None])
    return hull


def _below(values: NDArray[np.intp]) -> NDArray[np.float64]:
    """The largest convex function that is nowhere above these values."""
    kept: list[tuple[int, int]] = []
    for x, y in enumerate(values.tolist()):
        while len(kept) > 1 and _is_above(kept[-2], kept[-1], (x, y)):
            kept.pop()
        kept.append((x, y))
    x, y = np.array(kept, float).T
    below: NDArray[np.float64] = np.interp(np.arange(len(values)), x, y)
    return below


def _is_above(before: tuple[int, int], point: tuple[int, int], after: tuple[int, int]) -> bool:
    """Whether a point is on the line between its neighbours, or above it."""
    return (point[1] - before[1]) * (after[0] - before[0]) >= (after[1] - before[1]) * (point[0] - before[0])


def sharpness(tones: NDArray[np.uint8], sheet: Mask) -> float:
    """How far the tones within two pixels inside and outside of a sheet's outline are apart."""
    outside = grown(sheet) & ~sheet
    return float(abs(tones[rim(sheet)].mean() - tones[outside].mean()))


def goes_on(tones: NDArray[np.uint8], sheet: Mask, ink: Mask) -> bool:
    """Whether ink goes on outside of a sheet, as strokes do into a shadow: then it is lit paper, not a sheet."""
    around = grown(grown(sheet)) & ~sheet
    near = tones[around & grown(grown(ink))]
    outside, paper = float(np.median(tones[around])), float(np.median(tones[sheet]))
    if not near.size or paper == outside:
        return False
    darker = (outside - near) / (paper - outside)  # or lighter, where the sheet is dark
    return bool(np.quantile(darker, 0.75) > STROKE)


def upright(sheet: Mask, kept: tuple[int, int, int, int]) -> tuple[int, int, int, int]:
    """The sheet's box when the side that is least the sheet's is cut off until all are, or up to what is kept."""
    left, top, right, bottom = box(sheet)
    while True:
        free = top < kept[1], bottom > kept[3], left < kept[0], right > kept[2]
        sides = _sides(sheet[top:bottom, left:right])
        shares = [float(side.mean()) if may else 1.0 for side, may in zip(sides, free, strict=True)]
        worst = int(np.argmin(shares))
        if shares[worst] == 1:
            return left, top, right, bottom
        top, bottom, left, right = top + (worst == 0), bottom - (worst == 1), left + (worst == 2), right - (worst == 3)


def rim(sheet: Mask) -> Mask:
    """The RIM pixels of a sheet that are at its outline."""
    return grown(~sheet) & sheet


def shrunk(sheet: Mask) -> Mask:
    """The sheet without two pixels at its outline, but for the picture's border."""
    return ~grown(~sheet)


def spread(image: Image.Image, sheet: Mask) -> tuple[Image.Image, Mask]:
    """The picture with each row of a convex sheet going on beyond its ends, and the sheet in the picture's own size."""
    mask = np.asarray(Image.fromarray(sheet).resize(image.size, Image.Resampling.NEAREST))
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.arange(mask.shape[1])
    first, last = mask[rows].argmax(axis=1), mask.shape[1] - 1 - mask[rows, ::-1].argmax(axis=1)
    pixels = np.asarray(image).copy()
    pixels[rows] = pixels[rows[:, None], np.clip(columns, first[:, None], last[:, None])]
    return Image.fromarray(pixels), mask


def _filled(mask: Mask) -> Mask:
    """The mask with its holes."""
    runs = Runs(np.pad(~mask, 1, constant_values=True))
    rim = np.pad(np.zeros_like(mask), 1, constant_values=True)
    filled: Mask = ~runs.mask(runs.touching(rim) > 0)[1:-1, 1:-1]
    return filled


def _straight(sheet: Mask) -> float:
    """How much it covers of the smallest box around it, however that is turned, as far as that is in the picture."""
    step = max(1, max(sheet.shape) // 64)
    some = sheet[::step, ::step]
    places = np.indices(some.shape, np.float32).reshape(2, -1)
    angles = np.radians(np.arange(0, 90, 1.5)).astype(np.float32)
    within = np.ones((len(angles), some.size), bool)
    for turned in (angles, angles + np.float32(np.pi / 2)):
        along = np.stack([np.sin(turned), np.cos(turned)], axis=1) @ places
        ends = along[:, some.ravel()]
        within &= (along >= ends.min(axis=1, keepdims=True)) & (along <= ends.max(axis=1, keepdims=True))
    return float(np.count_nonzero(some) / np.count_nonzero(within, axis=1).min())


def inside_box(ink: NDArray[np.uint8], level: float) -> tuple[int, int, int, int] | None:
    """Left, top, right and bottom of what a box surrounds; None where no line goes all around, or nothing is inside."""
    mask = ink > level
    h, w = mask.shape
    for depth in range(1, int(DEEPEST * min(h, w))):
        if not outermost(mask, depth).any():
            bands = mask[:depth], mask[-depth:], mask[:, :depth].T, mask[:, -depth:].T
            inside = mask[depth:-depth, depth:-depth]
            whole = all(band.any(axis=0).mean() > SIDE for band in bands) and _size(inside) > SMALLEST * max(h, w)
            return (depth, depth, w - depth, h - depth) if whole else None
    return None


def mat(ink: NDArray[np.uint8], level: float) -> int:
    """How deep the rim is of a rectangle of one colour with a digit on it; 0 where this is none.

    It may be a grey box, or the sheet inside a frame: what is as far from the outer paper as the digit is, and so may
    be a stroke, must go all around without a gap.
    """
    if min(ink.shape) < 3 * RIMS[-1] or outermost(ink > level, 1).mean() < FULL:
        return 0
    for depth in RIMS:
        rim = outermost(ink, depth).astype(np.int16)
        colour = int(np.sort(rim)[len(rim) // 2])
        around = np.abs(rim - colour) <= PLATEAU
        if around.all() or (colour < ink.max() / 2 and around.mean() > MOSTLY):
            flat = np.mean(np.abs(ink.astype(np.int16) - colour) <= PLATEAU)
            return depth if flat > MOSTLY else 0
    return 0


def is_turned(ink: NDArray[np.uint8], level: float) -> bool:
    """Whether the ink is a whole sheet that lies aslant on something of another colour, with a digit left out of it.

    The four points where it comes farthest are its corners then, and nearly all between them is its own or the digit's.
    """
    mask = ink > level
    h, w = mask.shape
    top, bottom, left, right = (float(np.flatnonzero(line).mean()) for line in _sides(mask))
    between = (w * h - (top - bottom) * (left - right)) / 2
    if not MOSTLY * between < np.count_nonzero(mask) < between / (1 - RAGGED):
        return False
    corners = [(top, 0.0), (w - 1.0, right), (bottom, h - 1.0), (0.0, left)]
    return bool(np.count_nonzero(_filled(mask) ^ _between(corners, mask.shape)) < RAGGED * between)


def _between(corners: list[tuple[float, float]], shape: tuple[int, ...]) -> Mask:
    """The pixels of a convex polygon whose corners (x, y) go clockwise."""
    y, x = np.ogrid[: shape[0], : shape[1]]
    sides = zip(corners, corners[1:] + corners[:1], strict=True)
    inside: Mask = np.all([(x - x0) * (y1 - y0) <= (y - y0) * (x1 - x0) for (x0, y0), (x1, y1) in sides], axis=0)
    return inside


def _sides(sheet: NDArray[Any]) -> tuple[NDArray[Any], ...]:
    """Top and bottom row, left and right column."""
    return sheet[0], sheet[-1], sheet[:, 0], sheet[:, -1]


def outermost(mask: NDArray[Any], depth: int = 0) -> NDArray[Any]:
    """The pixels all around at a depth, the corners twice."""
    inner = mask[depth : mask.shape[0] - depth, depth : mask.shape[1] - depth]
    return np.concatenate(_sides(inner))


def _size(mask: Mask) -> int:
    """The longer side of the bounding box."""
    left, top, right, bottom = box(mask)
    return max(right - left, bottom - top)


def box(mask: Mask) -> tuple[int, int, int, int]:
    """Left, top, right and bottom of what is set; all 0 where nothing is."""
    x, y = np.flatnonzero(mask.any(axis=0)), np.flatnonzero(mask.any(axis=1))
    return (int(x[0]), int(y[0]), int(x[-1]) + 1, int(y[-1]) + 1) if len(x) else (0, 0, 0, 0)


def is_suspicious(sides: Sequence[NDArray[Any]], level: float, peak: int) -> bool:
    """Whether the ink in the sheet's top and bottom row, left and right column may be more than a digit's.

    Of most digits that run out of the sheet this says no, and spares the milliseconds of `cleared`.
    """
    strong = [side > TOUCHING * peak for side in sides]
    for side in strong:
        along = np.count_nonzero(side)
        if along > ALONG * len(side) or (along > FROM_CORNER * len(side) and (side[0] or side[-1])):
            return True
    masks = [side > level for side in sides]
    top, bottom, left, right = masks
    return any(True for pair in ((top, bottom), (left, right)) for _ in _rules(*pair, len(top)))


def is_shaded(sides: Sequence[NDArray[Any]], level: float, peak: int) -> bool:
    """Whether a shadow falls over one of the sheet's sides: paler than strokes for longer than a stroke is wide."""
    return any(
        end - begin > FROM_CORNER * len(side) and side[begin:end].max() < SHADE * peak
        for side in sides
        for begin, end in _spans(side > level)
    )


def cleared(ink: NDArray[np.uint8], level: float) -> NDArray[np.uint8] | None:
    """Ink on a whole sheet -> the same without rules and what lies along the edges; None where that leaves no digit.

    None, too, where there is nothing of the kind, or where what is left runs out of the sheet: then all of it may.
    """
    mask, strong = ink > level, ink > TOUCHING * ink.max()
    ruled_out = _without_rules(mask)
    for left in (ruled_out, _without_bands(ruled_out)):
        runs = Runs(left)
        edges = _at_edges(runs, strong)
        keep = runs.mask(~edges)
        cut = edges.any() or np.count_nonzero(left) < np.count_nonzero(ruled_out)
        if _size(keep & strong) < SMALLEST * min(ink.shape) / 2 or (cut and outermost(keep & strong).any()):
            continue
        return None if (keep == mask).all() else np.where(grown(keep) & (left | ~mask), ink, 0).astype(np.uint8)
    return None


def pale_rules(ink: NDArray[Any], level: float) -> float:
    """How dark the lines of ruled or squared paper are at most; 0 where there are none, or they are as dark as the ink.

    Three thin lines at least go out of the sheet at two opposite sides. What is above `level` may be one.
    """
    if min(ink.shape) < SMALLEST_PAGE:
        return 0.0
    most, pale = PALE * float(ink.max()), []
    for side in _sides(ink):
        tones = [float(side[a:b].max()) for a, b in _thin(_spans(side > level), len(side))]
        pale.append([tone for tone in tones if tone <= most])
    pairs = [one + other for one, other in (pale[:2], pale[2:]) if min(len(one), len(other)) >= RULED]
    if not pairs:
        return 0.0
    usual = float(np.median(np.concatenate(pairs)))
    return DARKER * max(tone for side in pale for tone in side if tone <= 2 * usual)


def _without_bands(mask: Mask) -> Mask:
    """Without rows and columns at the edge that are ink all along: a digit that touches such a frame is cut off it."""
    mask = mask.copy()
    for view in (mask, mask[::-1], mask.T, mask.T[::-1]):
        along = view.mean(axis=1) > FULL
        band = int(np.argmin(along)) if not along.all() else 0
        if band < DEEPEST * len(view):
            view[:band] = False
    return mask


def _without_rules(mask: Mask) -> Mask:
    """Without thin straight lines from the left edge to the right; strokes that cross one stay whole."""
    mask = mask.copy()
    h, w = mask.shape
    columns = np.arange(w)[:, None]
    for start, end, thick in _rules(mask[:, 0], mask[:, -1], w):
        reach = thick // 2 + 1
        middle = np.linspace(start, end, w).round().astype(int)
        rows = np.clip(middle[:, None] + np.arange(-reach, reach + 1), 0, h - 1)
        if mask[rows, columns].any(axis=1).mean() < FULL or _is_stroke(mask, int(middle.min()), int(middle.max())):
            continue
        crossed = _near(_row(mask, middle - reach - 1), reach) & _near(_row(mask, middle + reach + 1), reach)
        mask[rows[~crossed], columns[~crossed]] = False
    return mask


def _is_stroke(mask: Mask, top: int, bottom: int) -> bool:
    """Whether a line between these rows is part of a digit that fills the sheet: most ink goes on to the other edge."""
    above, below = mask[:top], mask[bottom + 1 :]
    most = above[:1] if np.count_nonzero(above) > np.count_nonzero(below) else below[-1:]
    return bool(most.any())


def _row(mask: Mask, rows: NDArray[np.intp]) -> Mask:
    """The pixel of each column in its own row, False outside."""
    inside: Mask = (rows >= 0) & (rows < len(mask))
    return mask[np.clip(rows, 0, len(mask) - 1), np.arange(mask.shape[1])] & inside


def _rules(left: Mask, right: Mask, length: int) -> Iterator[tuple[float, float, int]]:
    """Where a thin line may begin at one edge, where it may end at the opposite one, and how thick it is."""
    if not (left.any() and right.any()):
        return
    begins, ends = (_thin(_spans(side)[:MOST], len(side)) for side in (left, right))
    for begin, end in product(begins, ends):
        if abs(begin[0] - end[0]) <= STEEPEST * length:
            yield (begin[0] + begin[1] - 1) / 2, (end[0] + end[1] - 1) / 2, max(begin[1] - begin[0], end[1] - end[0])


def _thin(spans: list[tuple[int, int]], length: int) -> list[tuple[int, int]]:
    """Those of a side of the sheet that may be a rule's end."""
    thickest = max(3, int(THIN * length))
    return [span for span in spans if span[1] - span[0] <= thickest]


def _spans(line: Mask) -> list[tuple[int, int]]:
    """Begin and end of each run of True."""
    change = np.flatnonzero(np.diff(np.concatenate([[False], line, [False]]).astype(np.int8)))
    return [(int(a), int(b)) for a, b in change.reshape(-1, 2)]


def _near(line: Mask, reach: int) -> Mask:
    """True also within `reach` of a True."""
    near: Mask = np.convolve(line, np.ones(2 * reach + 1))[reach : reach + len(line)] > 0
    return near


def grown(mask: Mask) -> Mask:
    """The mask and two pixels around it: the soft rim of what it holds."""
    grown = mask.copy()
    for _ in range(RIM):
        wide = np.pad(grown, 1)
        grown = wide[1:-1, 1:-1] | wide[:-2, 1:-1] | wide[2:, 1:-1] | wide[1:-1, :-2] | wide[1:-1, 2:]
    return grown


class Runs:
    """A mask's horizontal runs, and which of them hang together, also by their corners."""

    def __init__(self, mask: Mask) -> None:
        self.shape = mask.shape
        change = np.diff(np.pad(mask, ((0, 0), (1, 1))).astype(np.int8), axis=1)
        self.rows, self.starts = np.nonzero(change == 1)
        self.ends = np.nonzero(change == -1)[1]
        self.labels = self._join()

    def _join(self) -> NDArray[np.intp]:
        """The first run of each run's component."""
        width = self.shape[1] + 2
        first = np.searchsorted(self.rows * width + self.ends, (self.rows + 1) * width + self.starts)
        last = np.searchsorted(self.rows * width + self.starts, (self.rows + 1) * width + self.ends, "right")
        counts = np.maximum(last - first, 0)
        upper = np.repeat(np.arange(len(counts)), counts)
        lower = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts) + np.repeat(first, counts)
        labels = np.arange(len(counts))
        while len(upper):
            least = np.minimum(labels[upper], labels[lower])
            joined = labels.copy()
            np.minimum.at(joined, labels[upper], least)
            np.minimum.at(joined, labels[lower], least)
            joined = joined[joined]
            if (joined == labels).all():
                break
            labels = joined
        return labels

    def sizes(self) -> NDArray[np.intp]:
        """How many pixels each component has, by its label."""
        return np.bincount(self.labels, self.ends - self.starts).astype(np.intp)

    def touching(self, where: Mask) -> NDArray[np.intp]:
        """How many pixels of each component, by its label, are in another mask."""
        mask = np.zeros(self.shape, np.intp)
        np.cumsum(where, axis=1, out=mask)
        sums = np.pad(mask, ((0, 0), (1, 0)))
        pixels = sums[self.rows, self.ends] - sums[self.rows, self.starts]
        return np.bincount(self.labels, pixels, len(self.labels)).astype(np.intp)

    def mask(self, chosen: Mask) -> Mask:
        """The pixels of the chosen components."""
        line = np.zeros((self.shape[0], self.shape[1] + 1), np.int8)
        picked = chosen[self.labels]
        line[self.rows[picked], self.starts[picked]] = 1
        line[self.rows[picked], self.ends[picked]] -= 1
        mask: Mask = np.cumsum(line, axis=1)[:, :-1] > 0
        return mask


def parts(mask: Mask) -> int:
    """How many parts hang together, specks left out."""
    return int(np.count_nonzero(Runs(mask).sizes() >= max(1, SPECK * mask.size)))


def _at_edges(runs: Runs, strong: Mask) -> Mask:
    """Which components lie along most of an edge, or from a corner along a good part of one, with strong ink."""
    dropped = np.zeros(len(runs.labels), bool)
    for axis in (0, 1):
        side = runs.shape[1 - axis]
        for end in (0, -1):
            edge, corners = np.zeros(runs.shape, bool), np.zeros(runs.shape, bool)
            edge.swapaxes(0, axis)[end] = strong.swapaxes(0, axis)[end]
            corners.swapaxes(0, axis)[end, [0, -1]] = edge.swapaxes(0, axis)[end, [0, -1]]
            along = runs.touching(edge)
            dropped |= (along > ALONG * side) | ((along > FROM_CORNER * side) & (runs.touching(corners) > 0))
    return dropped | _beside(runs)


def _beside(runs: Runs) -> Mask:
    """Which components are thin lines from the top edge to the bottom with nothing else above or below them."""
    h, w = runs.shape
    first, last = np.full(len(runs.labels), w), np.zeros(len(runs.labels), int)
    np.minimum.at(first, runs.labels, runs.starts)
    np.maximum.at(last, runs.labels, runs.ends)
    top, bottom = (np.bincount(runs.labels[runs.rows == row], minlength=len(first)) > 0 for row in (0, h - 1))
    alone = np.zeros(len(first), bool)
    for n in np.flatnonzero(top & bottom & (last - first <= THIN * w + STEEPEST * h))[:MOST]:
        alone[n] = np.count_nonzero((last > first[n]) & (first < last[n])) == 1
    return alone
