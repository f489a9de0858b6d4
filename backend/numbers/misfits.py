"""Whether each digit of a reading is one beside the others: a slash, a bracket, a quote or a colon is read as a 1.

Alone such a mark is a digit to most eyes. Beside digits it is too tall or too low, stands too high, leans, bends or is
in pieces. What is usual of each digit and how much each difference weighs stands in weights.json, learnt by
`python -m training.lattice`.
"""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from backend.numbers.cuts import Cells
    from backend.numbers.lattice import Piece

TALL = 0.5  # of the tallest: what is lower tells no line's height
FARTHEST = 3.0  # deviations: what is farther from the usual counts as much
LOWEST = (-8.0, -1.0)  # log probabilities below count as much


def facts(cells: Cells, pieces: Sequence[Piece]) -> NDArray[np.float64]:
    """(n, 6) of a reading's pieces, two at least: height, top, bottom, as `among`; lean, bend, blanks, as `alone`."""
    return np.concatenate([among(pieces), alone(cells, pieces)], axis=1)


def among(pieces: Sequence[Piece]) -> NDArray[np.float64]:
    """(n, 3) of a reading's pieces, two at least: log height, top and bottom below the middle, by others' height."""
    spans = [(bottom - top, (top + bottom) / 2) for _, _, (_, top, _, bottom) in pieces]
    found = []
    for k, (high, middle) in enumerate(spans):
        others = spans[:k] + spans[k + 1 :]
        tallest = max(others)[0]
        tall = [span for span in others if span[0] > TALL * tallest]
        height, line = (median(values) for values in zip(*tall, strict=True))  # a tenth of NumPy's time
        found.append((np.log(high / height), (middle - high / 2 - line) / height, (middle + high / 2 - line) / height))
    return np.array(found)


def alone(cells: Cells, pieces: Sequence[Piece]) -> NDArray[np.float64]:
    """(n, 3) of pieces, in their own heights: lean, bend, blank columns inside."""
    return np.array([_shape(cells, piece) for piece in pieces])


def uncut(cells: Cells, pieces: Sequence[Piece]) -> NDArray[np.bool_]:
    """(n,): which pieces end in paper on both sides: other characters seldom touch, and a cut leaves odd shapes."""
    cut = np.concatenate([[False], cells.cut, [False]])
    return ~np.array([cut[piece.first] or cut[piece.last] for piece in pieces])


def _shape(cells: Cells, piece: Piece) -> tuple[float, float, float]:
    """Lean: how far the middle of a piece's rows goes to the right on its upper half; bend: off a straight line."""
    first, last, (left, top, right, bottom) = piece
    labels, high = cells.labels[top:bottom, left:right], bottom - top
    mask = ((labels > first) & (labels <= last)).astype(np.float32)
    counts = mask @ np.ones(right - left, np.float32)  # BLAS: a third of sum()'s time
    rows, columns = np.flatnonzero(counts), np.flatnonzero(np.ones(high, np.float32) @ mask)
    x = (mask @ np.arange(right - left, dtype=np.float32))[rows] / counts[rows]
    y = 1 - 2 * rows / max(1, high - 1)
    straight, curved = y - y.mean(), y * y - (y * y).mean()
    lean, bend = (float(x @ each / max(1e-6, each @ each)) for each in (straight, curved))
    return lean / high, bend / high, float(np.diff(columns).max(initial=1) - 1) / high


def features(
    known: NDArray[np.float64],
    labels: Sequence[int],
    probabilities: NDArray[np.floating[Any]],
    scores: NDArray[np.floating[Any]],
    usual: NDArray[np.float64],
) -> NDArray[np.float64]:
    """(n, k): what the weights weigh of a reading's pieces, by (n, 6) facts and (n,) what the model says of each label.

    usual: (2, labels, 6), mean and deviation.
    """
    each = list(labels)
    logs = np.log(np.maximum([probabilities, scores], 1e-6))
    said = [np.maximum(logs, low).T for low in LOWEST]
    away = np.clip((known - usual[0, each]) / usual[1, each], -FARTHEST, FARTHEST)
    return np.concatenate([np.eye(len(usual[0]))[each], *said, away, away**2], axis=1)
