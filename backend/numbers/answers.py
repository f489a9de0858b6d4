"""Pictures' bytes -> the numbers on them, without HTTP: the ink, one call of the predictor, the contract's answer."""

from __future__ import annotations

from math import prod
from time import perf_counter
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from backend import contract
from backend.contract import (
    MAX_BATCH_MEGAPIXELS,
    MAX_DIGITS,
    Alternative,
    Digit,
    Number,
    NumberBatch,
    NumberLine,
    NumberResult,
    ProblemDetails,
    Rejection,
)
from backend.numbers import lattice, reading
from backend.predictions import READERS, model_of, timing
from backend.preprocessing import BLANK, BlankPicture, PictureError, Sheet, TooManyPixels, find_ink, pixels
from backend.problems import ApiProblem, describe

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from numpy.typing import ArrayLike, NDArray

    from backend.numbers.lattice import Reading
    from backend.numbers.reading import Read, Row
    from backend.predictors import Answers, Predictor

AT_ONCE = 512  # pieces in one call: 1 MB of JSON for an endpoint, which takes 4
ALTERNATIVES = 3
DIGITS = tuple("0123456789")
TOO_MUCH = "too_much_ink"
LEAST = 0.001  # what is less likely is no alternative


class Prepared(NamedTuple):
    """A sheet, its lines ready to be read, and by how much its ink was reduced for them."""

    sheet: Sheet
    rows: list[Row]
    factor: int


def read_one(
    predictor: Predictor,
    data: bytes,
    strokes: Sequence[ArrayLike] = (),
    request_id: str = "",
    allowed: Collection[str] = (),
) -> Number:
    """One encoded picture -> its number, with the marks of contract.MARKS that are `allowed`.

    `strokes`: (n, 2) x and y each, in the picture's pixels, where it is known to be drawn by them.

    Raises PictureError, ModelError; ApiProblem 404 where the model reads no digits.
    """
    started = perf_counter()
    with READERS:
        prepared = prepare(data, strokes)
    preprocessed = perf_counter()
    answers = predictor.predict(_pieces([prepared]), request_id)
    lines = _lines(prepared, answers, 0, allowed)
    return _number(lines, answers, request_id, timing(started, preprocessed))


def read_many(
    predictor: Predictor, pictures: Sequence[bytes | ApiProblem], request_id: str = "", allowed: Collection[str] = ()
) -> NumberBatch:
    """Encoded pictures -> a number or a problem each, in order, AT_ONCE pieces in a call. Raises ModelError."""
    started = perf_counter()
    outcomes = _prepare_all(pictures, request_id)
    preprocessed = perf_counter()
    results = [NumberResult(problem=each) if isinstance(each, ProblemDetails) else None for each in outcomes]
    ready = [(k, each) for k, each in enumerate(outcomes) if isinstance(each, Prepared)]
    found: dict[int, tuple[list[NumberLine], Answers]] = {}
    while ready:
        group = _group(ready)
        answers, row = predictor.predict(_pieces([each for _, each in group]), request_id), 0
        for k, each in group:
            found[k] = _lines(each, answers, row, allowed), answers
            row += sum(len(line.pieces) for line in each.rows)
        ready = ready[len(group) :]
    times = timing(started, preprocessed)
    for k, (lines, answers) in found.items():
        results[k] = NumberResult(_number(lines, answers, request_id, times))
    return NumberBatch([each for each in results if each], request_id, times)


def prepare(data: bytes, strokes: Sequence[ArrayLike] = ()) -> Prepared:
    """One encoded picture -> what is to be read of it. Raises PictureError."""
    sheet = find_ink(data)
    scale, origin = (sheet.across, sheet.down), (sheet.left, sheet.top)
    rows, factor = reading.rows(sheet.ink, [np.divide(stroke, scale) - origin for stroke in strokes])
    if not rows:
        raise BlankPicture(BLANK)
    return Prepared(sheet, rows, factor)


def _prepare_all(pictures: Sequence[bytes | ApiProblem], request_id: str) -> list[Prepared | ProblemDetails]:
    """Each picture, or what is wrong with it."""
    outcomes: list[Prepared | ProblemDetails] = []
    budget = MAX_BATCH_MEGAPIXELS * 1_000_000
    for picture in pictures:
        try:
            if isinstance(picture, ApiProblem):
                raise picture
            budget -= pixels(picture)
            if budget < 0:
                raise TooManyPixels(f"The batch has more than {MAX_BATCH_MEGAPIXELS} megapixels up to here.")
            with READERS:
                outcomes.append(prepare(picture))
        except (ApiProblem, PictureError) as error:
            outcomes.append(describe(error, request_id))
    return outcomes


def _group(ready: list[tuple[int, Prepared]]) -> list[tuple[int, Prepared]]:
    """The first sheets that one call takes together."""
    sizes = np.cumsum([sum(len(row.pieces) for row in each.rows) for _, each in ready])
    return ready[: max(1, int(np.searchsorted(sizes, AT_ONCE, side="right")))]


def _pieces(sheets: list[Prepared]) -> NDArray[np.uint8]:
    """(n, 28, 28): all pieces of all lines, and a blank one, so that who answers is known where there are none."""
    blank = np.zeros((1, 28, 28), np.uint8)
    return np.concatenate([*(row.x for each in sheets for row in each.rows), blank])


def _lines(prepared: Prepared, answers: Answers, first: int, allowed: Collection[str]) -> list[NumberLine]:
    """What the model said, from row `first` of its answers on -> the lines' numbers."""
    if answers.labels != DIGITS:
        raise ApiProblem(contract.NOT_FOUND, "The model that answers here reads no digits, and so no numbers.")
    lines = []
    for row in prepared.rows:
        rows = slice(first, first + len(row.pieces))
        first = rows.stop
        read = reading.read(
            row, answers.probabilities[rows], answers.scores[rows], answers.threshold, lattice.weights()
        )
        lines.append(_line(prepared, row, read, answers.probabilities[rows], allowed))
    return lines


def _line(
    prepared: Prepared, row: Row, read: Read, probabilities: NDArray[np.floating[Any]], allowed: Collection[str]
) -> NumberLine:
    reason = _reason(row, read, allowed)
    best = read.readings[0] if read.readings else None
    sure = round(best.probability, 6) if best else 0.0
    if reason or best is None:
        return NumberLine(None, sure, [], Rejection(reason or TOO_MUCH, round(read.score, 6)), [])
    digits = [
        Digit(
            str(label),
            round(float(probabilities[piece, label]), 6),
            {digit: round(float(p), 6) for digit, p in zip(DIGITS, probabilities[piece], strict=True)},
            _box(prepared, row, row.pieces[piece].box),
        )
        for label, piece in zip(best.labels, best.pieces, strict=True)
    ]
    marks = [Digit(mark.label, 1.0, {}, _box(prepared, row, mark.box)) for mark in row.marks]
    return NumberLine(
        _spelt(row, best),
        sure,
        sorted([*digits, *marks], key=lambda digit: 2 * digit.box[0] + digit.box[2]),
        None,
        [
            Alternative(_spelt(row, each), round(each.probability, 6))
            for each in read.readings[1 : 1 + ALTERNATIVES]
            if each.probability >= LEAST
        ],
    )


def _reason(row: Row, read: Read, allowed: Collection[str]) -> str:
    """Why a line is no number; empty where it is one."""
    if not read.readings:
        return TOO_MUCH
    for mark in row.marks:
        if mark.kind not in allowed:
            return mark.kind
    if len(read.readings[0].labels) > MAX_DIGITS:
        return "too_many_digits"
    return "" if read.is_number else "not_a_number"


def _spelt(row: Row, each: Reading) -> str:
    """The digits and marks of a reading, from left to right."""
    placed = [
        (sum(row.pieces[piece].box[::2]), str(label)) for label, piece in zip(each.labels, each.pieces, strict=True)
    ]
    placed += [(sum(mark.box[::2]), mark.label) for mark in row.marks]
    return "".join(label for _, label in sorted(placed))


def _box(prepared: Prepared, row: Row, box: tuple[int, int, int, int]) -> list[int]:
    """Left, top, right, bottom in the row -> left, top, width, height in the picture."""
    sheet, factor, around = prepared.sheet, prepared.factor, row.place(box)
    left, right = (round((sheet.left + factor * x) * sheet.across) for x in around[::2])
    top, bottom = (round((sheet.top + factor * y) * sheet.down) for y in around[1::2])
    return [left, top, right - left, bottom - top]


def joined(lines: list[NumberLine]) -> NumberLine:
    """Several lines as one: joined by line feeds; one rejected line rejects them all."""
    rejection = next((line.rejection for line in lines if line.rejection), None)
    number = None if rejection else "\n".join(line.number or "" for line in lines)
    digits = [] if rejection else [digit for line in lines for digit in line.digits]
    return NumberLine(number, round(prod(line.confidence for line in lines), 6), digits, rejection, [])


def _number(lines: list[NumberLine], answers: Answers, request_id: str, times: dict[str, float]) -> Number:
    whole, several = (lines[0], None) if len(lines) == 1 else (joined(lines), lines)
    return Number(**vars(whole), model=model_of(answers), request_id=request_id, timing_ms=times, lines=several)
