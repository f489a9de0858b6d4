"""Cells -> pieces, what each is likely to be, and the likeliest numbers: a graph of pieces and its best ways.

Every way through the lattice is a reading (LeCun et al. 1998, parts V to VII). A piece's score for a label is linear
in what the model says and in the piece's shape, place and cuts; the probability of a number is the sum over all ways
that spell it by the sum over all ways, a semi-Markov conditional random field (Sarawagi and Cohen 2004). weights.json
holds the weights, which `python -m training.lattice` learns from composed numbers by their likelihood.
"""

from __future__ import annotations

import heapq
import json
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from backend.numbers import strokes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from backend.numbers.cuts import Cells
    from backend.numbers.parts import Line

WEIGHTS = Path(__file__).with_name("weights.json")
WIDEST = 1.6  # of the height: no digit is wider
PAPER = 0.1  # of the height: across so wide a column of paper no digit has ink in both sides, of 19,963 but 9
TALL = 0.5  # of the height: what is lower there may be a bar or a flag of its neighbour
NEIGHBOURS = (strokes.MOST, 7, 6, 5, 4)  # cells of a piece at most: the first that leaves few enough pieces
MOST = 128  # pieces of a sheet
KEPT = 12  # readings kept on the way
LABELS_TRIED = 3  # of each piece, for the readings kept


class Piece(NamedTuple):
    """Cells `first` to `last` - 1 together, and their box."""

    first: int
    last: int
    box: tuple[int, int, int, int]


class Reading(NamedTuple):
    """A number that a line may hold: labels and pieces of its likeliest way, and the probability of all its ways."""

    labels: tuple[int, ...]
    pieces: tuple[int, ...]
    probability: float


class Weights(NamedTuple):
    """What the fit has learnt; see `features` for the order, and misfits.py for what is usual and fits."""

    shapes: NDArray[np.float64]  # (2, labels, 3): mean and deviation of each label's aspect, height and place
    weights: NDArray[np.float64]
    usual: NDArray[np.float64]  # (2, labels, 6): mean and deviation of each label among others
    fitting: NDArray[np.float64]
    calibration: tuple[float, float]
    rejection: tuple[float, ...]
    threshold: float


@cache
def weights() -> Weights:
    """What ships."""
    return read(json.loads(WEIGHTS.read_text(encoding="utf-8")))


def read(card: dict[str, Any]) -> Weights:
    """weights.json's content -> Weights."""
    shapes, learnt, usual, fitting = (np.array(card[name]) for name in ("shapes", "weights", "usual", "fitting"))
    return Weights(
        shapes, learnt, usual, fitting, tuple(card["calibration"]), tuple(card["rejection"]), card["threshold"]
    )


def pieces(cells: Cells, line: Line, most: int = MOST) -> list[Piece]:
    """All pieces that may be a digit, by their first cell, then their last; none where there would be too many."""
    for neighbours in NEIGHBOURS:
        found = list(_pieces(cells, line, neighbours))
        if len(found) <= most:
            return found
    return []


def _pieces(cells: Cells, line: Line, neighbours: int) -> Iterator[Piece]:
    boxes, islands = cells.boxes.tolist(), _tall_islands(cells.boxes, line.height)
    for first in range(len(boxes)):
        left, top, right, bottom = boxes[first]
        for last in range(first, min(first + neighbours, len(boxes))):
            left, top = min(left, boxes[last][0]), min(top, boxes[last][1])
            right, bottom = max(right, boxes[last][2]), max(bottom, boxes[last][3])
            if last > first and (right - left > WIDEST * line.height or len(set(islands[first : last + 1]) - {-1}) > 1):
                break
            yield Piece(first, last + 1, (left, top, right, bottom))


def _tall_islands(boxes: NDArray[np.int64], height: float) -> list[int]:
    """For each cell which island it is of, between two columns of paper; -1 where the island is low."""
    right = np.maximum.accumulate(boxes[:-1, 2])
    left = np.minimum.accumulate(boxes[:0:-1, 0])[::-1]
    island = np.concatenate([[0], np.cumsum(left - right > PAPER * height)])
    low = [np.ptp(boxes[island == each][:, 1::2]) <= TALL * height for each in range(island[-1] + 1)]
    islands: list[int] = np.where(np.array(low)[island], -1, island).tolist()
    return islands


def facts(cells: Cells, found: list[Piece], line: Line) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """What is known of each piece without reading it: (n, k), and (n, 3) aspect, height and place."""
    boxes = np.array([piece.box for piece in found], float)
    w, h = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
    tall = cells.boxes[(cells.boxes[:, 3] - cells.boxes[:, 1]) > 0.4 * line.height]
    middle = float((tall[:, 1] + tall[:, 3]).mean() / 2) if len(tall) else float(boxes[:, 1::2].mean())
    aspect = np.log(np.maximum(w, line.pen) / np.maximum(h, line.pen))
    place = ((boxes[:, 1] + boxes[:, 3]) / 2 - middle) / line.height
    between = [_between(cells, piece, line) for piece in found]
    wide, high = w / line.height, h / line.height
    shape = np.stack([np.ones_like(w), wide, wide * wide, high, high * high], axis=1)
    return np.concatenate([shape, between], axis=1), np.stack([aspect, np.log(high), place], axis=1)


def _between(cells: Cells, piece: Piece, line: Line) -> list[float]:
    """A piece's edges: joints and cuts inside it, gaps inside it, the cuts and gaps at its sides."""
    first, last, box = piece
    cut, cost = cells.cut[first : last - 1], cells.cost[first : last - 1]
    right = np.maximum.accumulate(cells.boxes[first:last, 2])
    gaps = ((cells.boxes[first + 1 : last, 0] - right[:-1]) / line.height)[~cut]
    starts, ends = first > 0 and bool(cells.cut[first - 1]), last < len(cells.boxes) and bool(cells.cut[last - 1])
    gap = (box[0] - cells.boxes[:first, 2].max()) / line.height if first and not starts else 0.0
    return [
        float((~cut).sum()),
        float(cut.sum()),
        float(np.exp(-cost[cut]).sum()),
        max(0.0, float(gaps.max(initial=0))),
        min(0.0, float(gaps.min(initial=0))),
        float(starts),
        float(cells.cost[first - 1]) if starts else 0.0,
        float(ends),
        float(cells.cost[last - 1]) if ends else 0.0,
        max(gap, 0.0),
        min(gap, 0.0),
    ]


def features(
    probabilities: NDArray[np.floating[Any]],
    scores: NDArray[np.floating[Any]],
    known: tuple[NDArray[np.float64], NDArray[np.float64]],
    shapes: NDArray[np.float64],
) -> NDArray[np.float64]:
    """(n, labels, k): what the weights weigh for each piece and label."""
    about, geometry = known
    n, labels = probabilities.shape
    likely = np.log(np.maximum(probabilities, 6e-6))
    sure = np.log(np.maximum(scores, 1e-6))
    entropy = -(probabilities * likely).sum(axis=1)
    away = (geometry[:, None] - shapes[0]) / shapes[1]
    fits = np.maximum(-0.5 * away * away, -8) - np.log(shapes[1])
    own = np.stack([sure, np.maximum(sure, -3), np.maximum(sure, -1), entropy], axis=1)
    shared = np.concatenate([own, about], axis=1)
    cuts = about[:, 10] + about[:, 12]  # of its two sides
    each = np.eye(labels)
    return np.concatenate(
        [
            likely[..., None],
            fits,
            np.broadcast_to(shared[:, None], (n, labels, shared.shape[1])),
            np.broadcast_to(each, (n, labels, labels)),
            each * cuts[:, None, None],
        ],
        axis=2,
    )


def readings(found: list[Piece], scores: NDArray[np.float64], cells: int) -> list[Reading]:
    """(n, labels) -> the likeliest numbers, most likely first; empty where no way leads through."""
    total = np.full(cells + 1, -np.inf)
    total[0] = 0
    ways: list[list[tuple[float, tuple[int, ...], tuple[int, ...]]]] = [[] for _ in range(cells + 1)]
    ways[0] = [(0.0, (), ())]
    tried = np.argsort(-scores, axis=1)[:, :LABELS_TRIED].tolist()
    sums = np.logaddexp.reduce(scores, axis=1)
    for k, piece in enumerate(found):
        total[piece.last] = np.logaddexp(total[piece.last], total[piece.first] + sums[k])
        ways[piece.last] = heapq.nlargest(
            KEPT,
            ways[piece.last]
            + [
                (way + float(scores[k, label]), (*labels, label), (*through, k))
                for way, labels, through in ways[piece.first]
                for label in tried[k]
            ],
        )
    best: dict[tuple[int, ...], Reading] = {}
    for way, labels, through in ways[cells]:
        known = best.get(labels, Reading(labels, through, 0.0))
        best[labels] = known._replace(probability=known.probability + float(np.exp(way - total[cells])))
    return sorted(best.values(), key=lambda reading: -reading.probability)
