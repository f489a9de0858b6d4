"""Ink -> its connected parts, by runs of pixels (Rosenfeld and Pfaltz 1966), all rows at once, and lines of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

TALL = 0.4  # of the tallest part: what is lower is a bar, a dot or dirt, and tells no line's height
BESIDE = 0.6  # of the tallest part: digits of one hand differ less
SPECK = 0.1  # of a line's height: less than this is dirt
FAINT = 0.25  # of the darkest ink: a part without any darker pixel is noise


class Parts(NamedTuple):
    """(h, w): 0 for paper, else the number of the part, 1 to n; (n, 4): left, top, right, bottom of each."""

    labels: NDArray[np.int32]
    boxes: NDArray[np.int64]

    @classmethod
    def of(cls, mask: NDArray[np.bool_]) -> Parts:
        """The connected parts of what is set."""
        labels, n = label(mask)
        return cls(labels, boxes_of(labels, n))

    def only(self, kept: NDArray[np.bool_]) -> Parts:
        """Without the other parts."""
        number = np.zeros(len(self.boxes) + 1, np.int32)
        number[1:][kept] = np.arange(1, np.count_nonzero(kept) + 1)
        return Parts(number[self.labels], self.boxes[kept])

    def mask(self, which: int) -> NDArray[np.bool_]:
        """(h, w) of a part's box: its pixels."""
        left, top, right, bottom = self.boxes[which]
        mask: NDArray[np.bool_] = self.labels[top:bottom, left:right] == which + 1
        return mask

    def sides(self) -> NDArray[np.int64]:
        """(2, n): how wide and how high each part's box is."""
        sides: NDArray[np.int64] = (self.boxes[:, 2:] - self.boxes[:, :2]).T
        return sides

    def pixels(self) -> NDArray[np.int64]:
        """(n,): how many pixels each part has."""
        pixels: NDArray[np.int64] = np.bincount(self.labels.ravel(), minlength=len(self.boxes) + 1)[1:]
        return pixels

    def filling(self) -> NDArray[np.float64]:
        """(n,): how much of its box each part fills."""
        filling: NDArray[np.float64] = self.pixels() / self.sides().prod(axis=0)
        return filling

    def darkest(self, ink: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """(n,): the most ink in each part."""
        darkest = np.zeros(len(self.boxes) + 1, np.uint8)
        inside = self.labels > 0
        np.maximum.at(darkest, self.labels[inside], ink[inside])
        return darkest[1:]


class Line(NamedTuple):
    """A line of a sheet: its own parts, where its box is on the sheet, how tall its digits and how wide its pen is."""

    parts: Parts
    left: int
    top: int
    height: float
    pen: float

    def only(self, kept: NDArray[np.bool_]) -> Line:
        """Without the other parts."""
        return self._replace(parts=self.parts.only(kept))


def find(ink: NDArray[np.uint8]) -> Parts:
    """(h, w) -> the connected parts of all that holds ink, but for noise."""
    parts = Parts.of(ink > 0)
    if not len(parts.boxes):
        return parts
    return parts.only((parts.darkest(ink) > FAINT * 255) & (parts.sides().max(axis=0) > SPECK * height(parts.boxes)))


def beside(x: NDArray[np.uint8]) -> int:
    """How many tall parts stand side by side in a picture that a model sees, (28, 28): several digits, perhaps."""
    labels, n = label(x > FAINT * 255)
    boxes = boxes_of(labels, n)
    high = boxes[:, 3] - boxes[:, 1]
    tall = boxes[high > BESIDE * high.max(initial=0)]
    tall = tall[tall[:, 0].argsort()]
    return int(np.count_nonzero(tall[1:, 0] >= tall[:-1, 2])) + 1


def lines(parts: Parts) -> list[Line]:
    """From top to bottom: tall parts that share half of the lower one's rows, and what is nearest to them."""
    top, bottom = parts.boxes[:, 1], parts.boxes[:, 3]
    high = np.flatnonzero(tall(parts.boxes))
    root = high[in_lines(top[high], bottom[high])]
    middle = (top + bottom) / 2
    owner = root[np.abs(middle[:, None] - middle[high][None]).argmin(axis=1)]
    owner[high] = root
    groups = [np.flatnonzero(owner == each) for each in np.unique(root)]
    groups.sort(key=lambda group: float(middle[group].mean()))
    return [_line(parts, group) for group in groups]


def tall(boxes: NDArray[np.int64]) -> NDArray[np.bool_]:
    """(n,): which tell how high and where a line is."""
    high = boxes[:, 3] - boxes[:, 1]
    enough: NDArray[np.bool_] = high >= TALL * high.max(initial=0)
    return enough


def in_lines(top: NDArray[Any], bottom: NDArray[Any], least: float = 0.5) -> NDArray[np.int64]:
    """(n,) each -> the first of each one's line: of those that share as much of the lower one's rows, one by one."""
    high = bottom - top
    shared = np.minimum.outer(bottom, bottom) - np.maximum.outer(top, top)
    return _join(len(top), *np.nonzero(shared > least * np.minimum.outer(high, high)))


def _line(parts: Parts, group: NDArray[np.int64]) -> Line:
    boxes = parts.boxes[group]
    (left, top), (right, bottom) = boxes[:, :2].min(axis=0).tolist(), boxes[:, 2:].max(axis=0).tolist()
    number = np.zeros(len(parts.boxes) + 1, np.int32)
    number[group + 1] = np.arange(1, len(group) + 1)
    own = Parts(number[parts.labels[top:bottom, left:right]], boxes - np.array([left, top, left, top]))
    return Line(own, left, top, height(boxes), pen_width(own.labels > 0))


def height(boxes: NDArray[np.int64]) -> float:
    """Of a digit, in pixels: the mean of the tall parts'."""
    high = boxes[:, 3] - boxes[:, 1]
    return float(high[tall(boxes)].mean())


def pen_width(mask: NDArray[np.bool_]) -> float:
    """Pixels: the lower third of the lengths of horizontal runs, most of which cross a stroke."""
    start, end, _ = _runs(mask)
    return float(np.quantile(end - start, 0.35))


def label(mask: NDArray[np.bool_], *, corners: bool = True) -> tuple[NDArray[np.int32], int]:
    """(h, w) -> (h, w): 0 where nothing is, else the number of the part, 1 to n; and n. `corners` touch or do not."""
    start, end, stride = _runs(mask)
    _, number = np.unique(_join(len(start), *_touching(start, end, stride, int(not corners))), return_inverse=True)
    return _painted(start, end, number + 1, (len(mask), stride)), int(number.max(initial=-1)) + 1


def long(mask: NDArray[np.bool_], least: float) -> NDArray[np.bool_]:
    """(h, w) -> (h, w): the horizontal runs of at least so many pixels."""
    start, end, stride = _runs(mask)
    return _painted(start, end, (end - start >= least).astype(np.int64), (len(mask), stride)) > 0


def _painted(
    start: NDArray[np.int64], end: NDArray[np.int64], number: NDArray[np.int64], shape: tuple[int, int]
) -> NDArray[np.int32]:
    """(h, w): each run's number where it is, 0 elsewhere: running sums, all runs at once."""
    steps = np.zeros(shape[0] * shape[1], np.int32)
    steps[start] += number
    steps[end] -= number
    return np.cumsum(steps, dtype=np.int32).reshape(shape)[:, 1:-1]


def gaps(boxes: NDArray[np.int64], others: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(n, m) each: how far each box is from each other one, across and down; below 0 where they overlap."""
    apart = np.maximum(boxes[:, None, :2] - others[None, :, 2:], others[None, :, :2] - boxes[:, None, 2:])
    return apart[..., 0], apart[..., 1]


def _runs(mask: NDArray[np.bool_]) -> tuple[NDArray[np.int64], NDArray[np.int64], int]:
    """Where runs start and end in the flat rows, and how long a row is with a blank pixel at each end."""
    stride = mask.shape[1] + 2  # so that no run goes on into the next row
    padded = np.zeros((len(mask), stride), np.int8)
    padded[:, 1:-1] = mask
    change = np.flatnonzero(np.diff(padded.ravel())) + 1
    return change[0::2], change[1::2], stride


def _touching(
    start: NDArray[np.int64], end: NDArray[np.int64], stride: int, shared: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Pairs of runs, one in the row below the other, that share `shared` columns; none shared is a corner."""
    first = np.searchsorted(end, start + stride + shared)
    last = np.searchsorted(start, end + stride - shared, side="right")
    counts = np.maximum(last - first, 0)
    upper = np.repeat(np.arange(len(start)), counts)
    lower = np.arange(len(upper)) - np.repeat(np.cumsum(counts) - counts, counts) + np.repeat(first, counts)
    return upper, lower


def _join(n: int, one: NDArray[np.int64], other: NDArray[np.int64]) -> NDArray[np.int64]:
    """The least member of each set that the pairs join, by pointer jumping (Shiloach and Vishkin 1982)."""
    root = np.arange(n)
    while True:
        least = np.minimum(root[one], root[other])
        joined = root.copy()
        np.minimum.at(joined, root[one], least)
        np.minimum.at(joined, root[other], least)
        joined = joined[joined]
        if (joined == root).all():
            return root
        root = joined


def boxes_of(labels: NDArray[np.int32], n: int) -> NDArray[np.int64]:
    """(h, w) of 0 to n -> (n, 4): left, top, right, bottom."""
    padded = np.zeros((len(labels), labels.shape[1] + 2), labels.dtype)
    padded[:, 1:-1] = labels
    y, x = np.nonzero(padded[:, 1:] != padded[:, :-1])  # a run of a label begins or ends before column x
    boxes = np.zeros((n + 1, 4), np.int64)
    boxes[:, :2] = max(labels.shape)
    for which in (padded[y, x], padded[y, x + 1]):
        for column, values in ((0, x), (1, y)):
            np.minimum.at(boxes[:, column], which, values)
            np.maximum.at(boxes[:, column + 2], which, values + column)
    return boxes[1:]
