"""A line's parts -> cells, its smallest pieces: each part as it is or, where it may be several digits, cut.

Over-segmentation (Casey and Lecolinet 1996, section 3): cut rather too often, and let the recogniser choose. A cut is
the way from the top to the bottom that crosses the least ink, found by dynamic programming, as a seam is (Avidan and
Shamir 2007). A loop costs too, so that the cut between two zeros that touch goes along them and not through one. Both
cost the less the likelier a border between two digits is there (borders.py), and where none is likely nothing is cut.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from PIL import Image

from backend.numbers import borders, strokes
from backend.numbers.parts import boxes_of, label

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from backend.numbers.parts import Line

ROWS = 40  # of a digit's height in the reduced picture in which cuts are found
SIDEWAYS = 0.12  # ink: what a step to the side costs a cut
LOOP = 0.4  # ink: what a pixel inside a loop costs
UNCUT_STROKE = 1.0  # of the height: what is known to be one stroke is one digit, unless several were drawn in one go
UNCUT = 0.5  # of the height: no part that is narrower is cut
ANCHORS = (0.2, 0.35, 0.5, 0.65, 0.8)  # of a part's height: the rows in which cuts are chosen
NEAR = 0.025  # of the height: a cut is the cheapest as far around
APART = 0.07  # of the height: cuts differ by so much somewhere, and stay away as far from the part's ends
DEAREST = 0.6  # of the height: a cut crosses no more ink
LIKELY = 0.4  # a cut goes through a border as likely: 996 of 1,000 that are needed do, 1 in 30 in digits apart
SHARE, THIN = 0.1, 0.7  # so much of the ink that it crosses is in borders, if it crosses more than so many pen widths
DEEP = 0.02  # of the height, as ink: a valley is as far below its ridges
SIDE = 0.4  # of the height: a cut leaves ink at least as high on both sides, 19 in 20 that part digits more than 0.7
FILL = 0.12  # of the height: a cut that is in no valley is as far from all others
MOST = 40  # cuts of a part, and of a line
INK = 99  # of 255, in the reduced picture: less is paper


class Cells(NamedTuple):
    """A line's smallest pieces from left to right: whose each pixel is, 1 to n; boxes (n, 4); what is between two.

    `cut` (n - 1,): whether a cut parts a cell from the next, `cost` (n - 1,) how many pen widths of ink it crosses.
    """

    labels: NDArray[np.int32]
    boxes: NDArray[np.int64]
    cost: NDArray[np.float64]
    cut: NDArray[np.bool_]


class Costs(NamedTuple):
    """What ways through the reduced picture cost, (h, w) each: its ink, what a pixel costs, how likely it is a border.

    `total` is what the cheapest way through each pixel costs, of which borders pay for their share; `down` and `up`
    say by which steps it comes there from the first and from the last row.
    """

    inked: NDArray[np.bool_]
    paid: NDArray[np.float32]
    likely: NDArray[np.float32]
    total: NDArray[np.float32]
    down: NDArray[np.int8]
    up: NDArray[np.int8]


class Cut(NamedTuple):
    """A way from the top to the bottom: its column in each row of the reduced picture, its cost in pen widths."""

    columns: NDArray[np.int64]
    cost: float


def cut(ink: NDArray[np.uint8], line: Line, drawn: NDArray[np.int32] | None = None) -> Cells:
    """The cells of a line; `ink` and `drawn` are those of its box, where the strokes are known that it was drawn by."""
    single = np.zeros(len(line.parts.boxes), bool)
    if drawn is not None:
        line, single = strokes.divide(line, drawn)
    parts, narrow = line.parts, np.where(single, UNCUT_STROKE, UNCUT) * line.height
    wide = np.flatnonzero(parts.boxes[:, 2] - parts.boxes[:, 0] > narrow).tolist()
    cuts: dict[int, list[Cut]] = _cuts(np.where(parts.labels > 0, ink, 0), parts.boxes, wide, line) if wide else {}
    labels, found, n = np.zeros_like(parts.labels), [], 0
    for part, box in enumerate(parts.boxes):
        left, top, right, bottom = box
        inside = parts.mask(part)
        cell, costs = _divide(inside, _at_full_size(cuts.get(part, []), box, ink.shape), line.pen)
        window = labels[top:bottom, left:right]
        window[inside] = cell[inside] + n + 1
        found += [(part, cost) for cost in costs]
        n += len(costs)
    return _in_order(labels, found)


def _cuts(ink: NDArray[np.uint8], boxes: NDArray[np.int64], wide: list[int], line: Line) -> dict[int, list[Cut]]:
    """The cuts of each wide part, the cheapest MOST of the line."""
    size = tuple(max(2, round(side * min(1.0, ROWS / line.height))) for side in ink.shape[::-1])
    small = np.asarray(Image.fromarray(ink).resize(size, Image.Resampling.BOX))
    scale = ink.shape[1] / size[0], ink.shape[0] / size[1]
    reduced, height, pen = boxes / np.tile(scale, 2), line.height / scale[0], line.pen / scale[0]
    likely = _borders(small, reduced[wide])
    wide = [part for part in wide if likely[_within(reduced[part])].max() >= LIKELY]
    if not wide:
        return {}
    costs = _costs(small, likely)
    cuts = [(part, each) for part in wide for each in _cuts_of(costs, reduced[part], height, pen)]
    cuts.sort(key=lambda pair: pair[1].cost)
    return {part: [each for owner, each in cuts[:MOST] if owner == part] for part in wide}


def _costs(ink: NDArray[np.uint8], likely: NDArray[np.float32]) -> Costs:
    paid = _cost(ink)
    cost = paid * (1 - likely)
    down, up = _sums(cost), _sums(cost[::-1])
    return Costs(ink > INK, paid, likely, down + up[::-1] - cost, _steps(down), _steps(up))


def _cost(ink: NDArray[np.uint8]) -> NDArray[np.float32]:
    """(h, w) -> what a cut pays for each pixel: its ink, 0 to 1, or LOOP inside a loop."""
    blank, _ = label(np.pad(ink <= INK, 1, constant_values=True), corners=False)
    loops = (blank > 1)[1:-1, 1:-1]  # part 1 is what is outside
    cost: NDArray[np.float32] = np.maximum(ink.astype(np.float32) / 255, np.float32(LOOP) * loops)
    return cost


def _borders(ink: NDArray[np.uint8], boxes: NDArray[np.float64]) -> NDArray[np.float32]:
    """(h, w) -> how likely a border is at each pixel; looked for in the columns of these parts alone, 0 elsewhere."""
    found, beside = np.zeros(ink.shape, np.float32), np.zeros(ink.shape[1] + 2, bool)
    for left, _, right, _ in boxes:
        beside[int(left) + 1 : int(np.ceil(right)) + 1] = True
    beside[-1] = False  # a box's edge may be rounded up
    for start, end in np.flatnonzero(np.diff(beside)).reshape(-1, 2):
        found[:, start:end] = borders.find(ink[:, start:end])
    return found


def _sums(cost: NDArray[np.float32]) -> NDArray[np.float32]:
    """(h, w) -> (h, w): the least that a way from the first row to each pixel costs, that pixel included."""
    sums = cost.copy()
    for y in range(1, len(sums)):
        above = sums[y - 1]
        best = above.copy()
        np.minimum(best[1:], above[:-1] + SIDEWAYS, out=best[1:])
        np.minimum(best[:-1], above[1:] + SIDEWAYS, out=best[:-1])
        sums[y] += best
    return sums


def _cuts_of(costs: Costs, box: NDArray[np.float64], height: float, pen: float) -> list[Cut]:
    """The cuts of one part: those of the valleys, cheapest first, then others where there is none near."""
    total, (_, top, _, bottom), (rows, inside) = costs.total, box, _within(box)
    ways, paid, apart = [], [], []
    for anchor in ANCHORS:
        y = min(int(top + anchor * (bottom - top)), len(total) - 1)
        x = _minima(total[y], inside.start, inside.stop, height)
        columns = np.concatenate([_trace(costs.down, y, x), x[None], _trace(costs.up, len(total) - 1 - y, x)[::-1]])
        kept = _lower_sides(costs.inked[rows, inside], columns[rows] - inside.start) >= SIDE * height
        kept &= _follows_borders(costs, rows, columns[rows], pen)
        valley = [_depth(total[y, inside], each - inside.start) >= DEEP * height for each in x[kept]]
        ways.append(columns[:, kept])
        paid.append(total[y, x[kept]] / pen)
        apart.append(np.where(valley, APART, FILL) * height)
    return _chosen(np.concatenate(ways, axis=1), np.concatenate(paid), np.concatenate(apart), rows)


def _chosen(ways: NDArray[np.int64], costs: NDArray[np.float32], apart: NDArray[np.float64], rows: slice) -> list[Cut]:
    """Those that are as far from all better ones as each should be, MOST at most; those of the valleys are better."""
    near = np.zeros(len(costs), bool)
    chosen: list[Cut] = []
    for k in np.lexsort((costs, apart)):
        if not near[k] and len(chosen) < MOST:
            chosen.append(Cut(ways[:, k], float(costs[k])))
            near |= np.abs(ways[rows] - ways[rows, k, None]).max(axis=0) < apart
    return chosen


def _follows_borders(costs: Costs, rows: slice, columns: NDArray[np.int64], pen: float) -> NDArray[np.bool_]:
    """(h, k) columns of cuts in a part's rows -> (k,): whether each lies where a border is likely."""
    likely, paid = (np.take_along_axis(each[rows], columns, axis=1) for each in (costs.likely, costs.paid))
    crossed = paid.sum(axis=0)
    follows = (likely * paid).sum(axis=0) >= SHARE * crossed
    kept: NDArray[np.bool_] = (likely.max(axis=0) >= LIKELY) & (follows | (crossed <= THIN * pen))
    return kept


def _within(box: NDArray[np.float64]) -> tuple[slice, slice]:
    """The rows and columns of a box in the reduced picture."""
    left, top, right, bottom = box
    return slice(int(top), int(np.ceil(bottom))), slice(int(left), int(np.ceil(right)))


def _lower_sides(inked: NDArray[np.bool_], columns: NDArray[np.int64]) -> NDArray[np.int64]:
    """(h, w) of a part and (h, k) columns of cuts -> (k,): how many rows the lower of a cut's two sides goes over."""
    before = np.arange(inked.shape[1]) <= columns.T[..., None]
    sides = np.stack([(before & inked).any(axis=2), (~before & inked).any(axis=2)])
    rows: NDArray[np.int64] = sides.shape[2] - sides.argmax(axis=2) - sides[..., ::-1].argmax(axis=2)
    lower: NDArray[np.int64] = np.where(sides.any(axis=2), rows, 0).min(axis=0)
    return lower


def _minima(costs: NDArray[np.float32], left: int, right: int, height: float) -> NDArray[np.int64]:
    """Costs in a row -> the columns between a part's edges where they are the least around; of a plateau the middle."""
    edge, around = APART * height, max(1, round(NEAR * height))
    padded = np.full(len(costs) + 2 * around, np.inf, np.float32)  # np.pad takes as long as all else here
    padded[around:-around] = costs
    least = np.lib.stride_tricks.sliding_window_view(padded, 2 * around + 1).min(axis=1)
    low = np.concatenate([[0], (costs <= least + 1e-4) & (costs <= DEAREST * height), [0]]).astype(np.int8)
    change = np.flatnonzero(np.diff(low))
    x: NDArray[np.int64] = (change[0::2] + change[1::2] - 1) // 2
    return x[(x >= left + edge) & (x < right - edge)]


def _depth(costs: NDArray[np.float32], x: int) -> float:
    """How far below the lower of the ridges left and right of it a minimum is, each up to where it is deeper.

    In a valley it is DEEP, as a summit's prominence tells it from others.
    """
    ridges = []
    for side in (costs[x::-1], costs[x:]):
        deeper = np.flatnonzero(side < side[0])
        ridges.append(float(side[: deeper[0] if len(deeper) else None].max()))
    return min(ridges) - float(costs[x])


def _steps(sums: NDArray[np.float32]) -> NDArray[np.int8]:
    """(h, w): whence in the row above the cheapest way to each pixel comes: -1 from the left, 0, 1 from the right."""
    above = np.pad(sums[:-1], ((1, 0), (1, 1)), constant_values=np.inf)
    ways = np.stack([above[:, 1:-1], above[:, :-2] + SIDEWAYS, above[:, 2:] + SIDEWAYS])
    steps: NDArray[np.int8] = np.array([0, -1, 1], np.int8)[ways.argmin(axis=0)]
    return steps


def _trace(steps: NDArray[np.int8], y: int, x: NDArray[np.int64]) -> NDArray[np.int64]:
    """(y, k): the columns, row by row, of the cheapest ways from the first row to the k columns x of row y."""
    columns = np.empty((y, len(x)), np.int64)
    for row in range(y, 0, -1):
        x = x + steps[row][x]
        columns[row - 1] = x
    return columns


def _at_full_size(
    cuts: list[Cut], box: NDArray[np.int64], shape: tuple[int, int]
) -> list[tuple[NDArray[np.float64], float]]:
    """Each cut's column in each row of a part, from the part's left edge, and its cost; from left to right."""
    found = []
    for each in cuts:
        scale = shape[0] / len(each.columns)
        rows = (np.arange(box[1], box[3]) + 0.5) / scale - 0.5
        found.append(((np.interp(rows, np.arange(len(each.columns)), each.columns) + 0.5) * scale - box[0], each.cost))
    return sorted(found, key=lambda pair: float(pair[0].mean()))


def _divide(
    inside: NDArray[np.bool_], cuts: list[tuple[NDArray[np.float64], float]], pen: float
) -> tuple[NDArray[np.int64], list[float]]:
    """(h, w) -> (h, w): 0 to n - 1, how many cuts are left of each pixel; and each cell's left cut's cost, 0 for none.

    Without the cuts that would leave a cell smaller than half a dot of the pen.
    """
    middle = np.arange(inside.shape[1]) + 0.5
    cell = np.zeros(inside.shape, np.int64)
    for columns, _ in cuts:
        cell += middle > columns[:, None]
    while True:
        sizes = np.bincount(cell[inside], minlength=len(cuts) + 1)
        least = int(sizes.argmin())
        if not cuts or sizes[least] >= pen * pen / 2:
            return cell, [0.0, *(cost for _, cost in cuts)]
        beside = [k for k in (least - 1, least) if 0 <= k < len(cuts)]
        columns, _ = cuts.pop(max(beside, key=lambda k: cuts[k][1]))
        cell -= middle > columns[:, None]


def _in_order(labels: NDArray[np.int32], found: list[tuple[int, float]]) -> Cells:
    """Number the cells from left to right by their middle; `found`: each one's part and the cost of its left cut."""
    boxes = boxes_of(labels, len(found))
    order = np.argsort(boxes[:, 0] + boxes[:, 2], kind="stable")
    number = np.zeros(len(found) + 1, np.int32)
    number[order + 1] = np.arange(1, len(found) + 1)
    follows = [right == left + 1 and found[left][0] == found[right][0] for left, right in pairwise(order.tolist())]
    cost = [found[right][1] if yes else 0.0 for right, yes in zip(order[1:].tolist(), follows, strict=True)]
    return Cells(number[labels], boxes[order], np.array(cost), np.array(follows, bool))
