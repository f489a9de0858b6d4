"""A sheet's ink -> the numbers on it: parts, cells, pieces; then, with the model's answers, the likeliest ways."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from PIL import Image

from backend.numbers import cuts, lattice, marks, misfits, parts, skew
from backend.numbers.beside import stray
from backend.numbers.strokes import draw
from backend.preprocessing import normalise_ink

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from backend.numbers.cuts import Cells
    from backend.numbers.lattice import Piece, Reading, Weights
    from backend.numbers.marks import Mark
    from backend.numbers.parts import Line, Parts
    from backend.numbers.skew import Turn

ALONE = 0.5  # log odds for one piece of all: of 500 pen digits 2 fewer are cut, of 90 pairs that touch 1 more is not
FAINTEST = 20  # of 255: what is left of less, once reduced, is no ink
COARSE = 4  # the ink is reduced so much to tell how tall digits are: a sixth of the time that its own parts take
LIKELY = 0.27  # that a piece is a digit: a number refused costs e times what another character taken for a digit does
HEIGHT = 128  # pixels: taller digits are reduced to between this and half of it; the model sees 20


@dataclass(frozen=True)
class Row:
    """One line, ready to be read."""

    line: Line
    marks: list[Mark]
    cells: Cells
    pieces: list[Piece]  # none: there are too many
    x: NDArray[np.uint8]  # (pieces, 28, 28)
    turn: Turn | None  # how the sheet was turned, that its lines are level

    def place(self, box: tuple[int, int, int, int]) -> tuple[float, float, float, float]:
        """Left, top, right, bottom of a piece or mark -> the same in the sheet's ink as it was reduced."""
        left, top, right, bottom = box
        x, y = self.line.left, self.line.top
        if not self.turn:
            return left + x, top + y, right + x, bottom + y
        down, across = np.nonzero(self.cells.labels[top:bottom, left:right])
        ink = np.stack([across + left + 0.5, down + top + 0.5], axis=1)
        corners = np.array([(left, top), (right, top), (left, bottom), (right, bottom)])
        return self.turn.box((x, y) + (ink if len(ink) else corners))  # a mark's ink is in no cell


class Read(NamedTuple):
    """A row's likeliest readings, each with its calibrated confidence; how sure it is that it is a number; if it is.

    One digit alone is judged as POST /predictions judges it, by the model's own score and threshold.
    """

    readings: list[Reading]
    score: float
    is_number: bool


def rows(ink: NDArray[np.uint8], strokes: Sequence[NDArray[np.float64]] = ()) -> tuple[list[Row], int]:
    """(h, w), 0 for paper -> the lines from top to bottom, and by how much the ink was reduced.

    `strokes`: (n, 2) x and y each, in the ink's pixels, where it is known to be made of them.
    """
    ink, found, factor = _reduced(ink)
    reduced = [stroke / factor for stroke in strokes]
    if turn := skew.turn(found):
        ink = turn.picture(np.where(found.labels > 0, ink, 0).astype(np.uint8), FAINTEST)
        found, reduced = parts.find(ink), [turn.points(stroke) for stroke in reduced]
    drawn = draw(reduced, ink.shape) if reduced else None
    most, made = lattice.MOST, []
    for whole in parts.lines(found) if len(found.boxes) else ():
        seen, line = marks.find(whole)
        h, w = line.parts.labels.shape
        box = np.s_[line.top : line.top + h, line.left : line.left + w]
        cells = cuts.cut(ink[box], line, None if drawn is None else drawn[box])
        pieces = lattice.pieces(cells, line, most)
        made.append(Row(line, seen, cells, pieces, _pictures(ink[box], cells, pieces), turn))
        most -= len(pieces)
        if not pieces:  # so much ink that no further line is looked at
            break
    return made, factor


def _reduced(ink: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], Parts, int]:
    """The ink with digits of less than HEIGHT, its parts, the factor."""
    factor = 1
    if len(ink) >= HEIGHT:
        coarse = parts.find(_shrunk(ink, COARSE)).boxes
        factor = int(max(1, COARSE * parts.height(coarse) * 2 // HEIGHT)) if len(coarse) else 1
    ink = _shrunk(ink, factor) if factor > 1 else ink
    found = parts.find(ink)
    strays = stray(ink, found)
    return ink, found.only(~strays) if strays.any() else found, factor


def _shrunk(ink: NDArray[np.uint8], factor: int) -> NDArray[np.uint8]:
    """Without what is too faint then to be ink."""
    small = np.array(Image.fromarray(ink).reduce(factor))
    small[small < FAINTEST] = 0
    return small


def _pictures(ink: NDArray[np.uint8], cells: Cells, pieces: list[Piece]) -> NDArray[np.uint8]:
    """(n, 28, 28): each piece as the model sees it."""
    x = np.zeros((len(pieces), 28, 28), np.uint8)
    for k, (first, last, (left, top, right, bottom)) in enumerate(pieces):
        labels = cells.labels[top:bottom, left:right]
        x[k] = normalise_ink(np.where((labels > first) & (labels <= last), ink[top:bottom, left:right], 0))
    return x


def read(
    row: Row,
    probabilities: NDArray[np.floating[Any]],
    scores: NDArray[np.floating[Any]],
    threshold: float,
    learnt: Weights,
) -> Read:
    """What the model said of a row's pieces, (n, labels) and (n,), and its threshold -> the row's numbers."""
    if not row.pieces:
        return Read([], 0.0, is_number=False)
    known = lattice.facts(row.cells, row.pieces, row.line)
    weighed = lattice.features(probabilities, scores, known, learnt.shapes) @ learnt.weights
    weighed[[piece[:2] == (0, len(row.cells.boxes)) for piece in row.pieces]] += ALONE
    found = lattice.readings(row.pieces, weighed, len(row.cells.boxes))
    slope, offset = learnt.calibration
    if len(found[0].pieces) == 1:
        score = float(scores[found[0].pieces[0]])
        is_number = score >= threshold
    else:
        whole = _sigmoid(float(evidence(found[0], weighed, scores) @ learnt.rejection))
        fits = _sigmoid(fitting(row, found[0], probabilities, scores, learnt))
        score, is_number = min(whole, fits), whole >= learnt.threshold and fits >= LIKELY
    sure = [each._replace(probability=_sigmoid(slope * logit(each.probability) + offset)) for each in found]
    return Read(sure, score, is_number)


def fitting(
    row: Row,
    reading: Reading,
    probabilities: NDArray[np.floating[Any]],
    scores: NDArray[np.floating[Any]],
    learnt: Weights,
) -> float:
    """The log odds of the least likely of a reading's pieces, two at least, that it is a digit beside the others."""
    through = list(reading.pieces)
    pieces = [row.pieces[k] for k in through]
    labels = list(reading.labels)
    among = misfits.facts(row.cells, pieces)
    known = misfits.features(among, labels, probabilities[through, labels], scores[through], learnt.usual)
    judged = (known @ learnt.fitting)[misfits.uncut(row.cells, pieces)]
    return float(judged.min(initial=np.inf))


def evidence(reading: Reading, weighed: NDArray[np.float64], scores: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """Features that tell numbers from other ink, used with the rejection's weights."""
    sure = np.log(np.maximum(scores[list(reading.pieces)], 1e-6))
    fit = weighed[list(reading.pieces), list(reading.labels)]
    return np.array(
        [1.0, sure.min(), max(sure.min(), -2.0), sure.mean(), fit.min(), fit.mean(), np.log(reading.probability)]
    )


def _sigmoid(x: float) -> float:
    return float(1 / (1 + np.exp(-np.clip(x, -30, 30))))


def logit(p: float) -> float:
    """The log of the odds, within +-14."""
    p = min(max(p, 1e-6), 1 - 1e-6)
    return float(np.log(p / (1 - p)))
