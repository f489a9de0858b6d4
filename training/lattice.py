"""Learn how numbers are put together of pieces: `python -m training.lattice` writes backend/numbers/weights.json.

From numbers composed of one person's digits (training/data/numbers.py), by writers of four folds; `training.numbers`
measures on the fifth's. What is learnt are some forty weights, thirty of what tells digits from other characters among
them, the calibration of the confidence and the rejection.
"""

from __future__ import annotations

import argparse
import json
import sys
from functools import cache as once
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from backend.artifact import ArtifactError
from backend.numbers import lattice, misfits, reading
from backend.predictors import EmbeddedPredictor
from backend.preprocessing import BlankPicture, find_ink
from training.data import numbers
from training.data.datasets import on_all_cores
from training.data.numbers import GAPS, JUDGED, MARKED, SURFACES, Task
from training.data.sources import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from training.data.numbers import Number

    Array = NDArray[np.float64]

ARTIFACT = Path(__file__).parent / "artifacts" / "digits"
FIRST = 10_000  # the measured ones come before
LENGTHS = (1, 2, 3, 4, 6)
ROUNDS, RATE, DECAY = 60, 0.15, 1e-3  # of Adam (Kingma and Ba 2015) on features of variance 1
REJECTED_REAL = 0.002  # of the numbers that are well apart
LEAST = 0.07  # of a height: the deviation of what hardly varies, as of blank columns in a digit
SAME = 0.5  # of both boxes together: a piece is the digit with which it shares so much
WITHIN = 0.8  # of the smaller box: a piece is in another character, or holds one


class Lattice(NamedTuple):
    """A picture's pieces, their features, and the digits of its number; no digits where there is no number."""

    features: NDArray[np.float32]  # (n, labels, k)
    scores: NDArray[np.float32]
    probabilities: NDArray[np.float32]
    pieces: list[lattice.Piece]
    alone: Array  # (n, 3), see misfits.py
    uncut: NDArray[np.bool_]  # (n,), the same
    cells: int
    truth: list[int]
    digit: Array  # (n,) 1 for a piece that is a digit, 0 for another character, NaN for what is not known


def lattice_of(made: Number, predictor: EmbeddedPredictor, shapes: Array) -> Lattice | None:
    """A picture's only line; None where there is none, several, or too much ink."""
    sheet = find_ink(made.picture)
    rows, factor = reading.rows(sheet.ink)
    if len(rows) != 1 or not rows[0].pieces:
        return None
    row = rows[0]
    answers = predictor.predict(row.x)
    known = lattice.facts(row.cells, row.pieces, row.line)
    weighed = lattice.features(answers.probabilities, answers.scores, known, shapes).astype(np.float32)
    boxes = np.array([row.place(piece.box) for piece in row.pieces], float)
    return Lattice(
        weighed,
        answers.scores,
        answers.probabilities,
        row.pieces,
        misfits.alone(row.cells, row.pieces),
        misfits.uncut(row.cells, row.pieces),
        len(row.cells.boxes),
        [int(digit) for digit in made.truth],
        _digits(factor * boxes + np.tile((sheet.left, sheet.top), 2), made),
    )


def _digits(boxes: Array, made: Number) -> Array:
    """(n, 4) of pieces on the sheet -> (n,), as Lattice.digit: what is in another character or holds one is none."""
    if not len(made.boxes):
        return np.full(len(boxes), np.nan)
    low = np.maximum(boxes[:, None, :2], made.boxes[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], made.boxes[None, :, 2:])
    shared = np.maximum(high - low, 0).prod(axis=2)
    piece, whole = ((each[:, 2:] - each[:, :2]).prod(axis=1) for each in (boxes, made.boxes))
    is_digit = np.array([character.isdigit() for character in made.text])
    smaller = np.maximum(np.minimum(piece[:, None], whole[None]), 1)
    strange = (shared > WITHIN * smaller)[:, ~is_digit].any(axis=1)
    same = (shared > SAME * (piece[:, None] + whole[None] - shared))[:, is_digit].any(axis=1)
    return np.where(strange, 0.0, np.where(same, 1.0, np.nan))


def likelihood(each: Lattice, weights: Array) -> tuple[float, Array]:
    """The log of the truth's probability, and its gradient: forward and backward over all ways, and the true ones."""
    scores = each.features @ weights
    joint = np.logaddexp.reduce(scores, axis=1)
    whole, any_way = _posterior(each, joint[:, None], 0)
    right, true_way = _posterior(each, scores[:, each.truth], 1)
    if not np.isfinite(right):
        return -np.inf, np.zeros_like(weights)
    wanted = np.zeros_like(scores)
    np.add.at(wanted, (slice(None), each.truth), true_way)
    expected = any_way * np.exp(scores - joint[:, None])
    return right - whole, np.einsum("nl,nlk->k", wanted - expected, each.features)


def _posterior(each: Lattice, scores: Array, step: int) -> tuple[float, Array]:
    """(n, m) scores of pieces as the k-th label -> log of the sum over ways, and (n, m) each one's share of it.

    `step` 1: a piece takes the labels in their order, and a way must take all; 0: there is only one kind of label.
    """
    n, m = scores.shape
    ahead, back = np.full((2, each.cells + 1, m + step), -np.inf)
    ahead[0, 0] = back[-1, -1] = 0
    for k, (first, last, _) in enumerate(each.pieces):
        ahead[last, step:] = np.logaddexp(ahead[last, step:], ahead[first, :m] + scores[k])
    for k in range(n - 1, -1, -1):
        first, last, _ = each.pieces[k]
        back[first, :m] = np.logaddexp(back[first, :m], back[last, step:] + scores[k])
    whole = float(ahead[-1, -1])
    if not np.isfinite(whole):
        return whole, np.zeros_like(scores)
    starts, ends = [p.first for p in each.pieces], [p.last for p in each.pieces]
    return whole, np.exp(ahead[starts, :m] + scores + back[ends, step:] - whole)


def learn(lattices: list[Lattice]) -> Array:
    """The weights of the highest likelihood."""
    spread = np.sqrt(np.mean([(each.features**2).mean(axis=(0, 1)) for each in lattices], axis=0)) + 1e-6
    weights = np.zeros(len(spread))
    weights[:2] = 1.0
    slow, fast = np.zeros((2, len(spread)))
    for step in range(1, ROUNDS + 1):
        found = [likelihood(each, weights) for each in lattices]
        kept = [(value, slope) for value, slope in found if np.isfinite(value)]
        gradient = np.mean([slope for _, slope in kept], axis=0) / spread - DECAY * weights * spread
        slow, fast = 0.8 * slow + 0.2 * gradient, 0.95 * fast + 0.05 * gradient**2
        rate = RATE * (1 if step < 0.6 * ROUNDS else 0.3)
        move = slow / (1 - 0.8**step) / (np.sqrt(fast / (1 - 0.95**step)) + 1e-8)
        weights = weights + rate * move / spread
        if step % 10 == 0:
            print(f"{step}: log-likelihood {np.mean([v for v, _ in kept]):.4f}, no way to {len(found) - len(kept)}")
    return weights


def logistic(x: Array, y: Array, steps: int = 50) -> Array:
    """Logistic regression by Newton's method: (n, k) and (n,) of 0 and 1 -> (k,)."""
    w = np.zeros(x.shape[1])
    for _ in range(steps):
        p = 1 / (1 + np.exp(-np.clip(x @ w, -30, 30)))
        hessian = (x * (p * (1 - p))[:, None]).T @ x + 1e-2 * np.eye(len(w))
        w = w + np.linalg.solve(hessian, x.T @ (y - p) - 1e-2 * w)
    return w


@once
def _predictor(artifact: Path) -> EmbeddedPredictor:
    return EmbeddedPredictor(artifact)


@once
def _shapes() -> Array:
    return np.array(numbers.shapes())


def _lattice(task: tuple[Task, Path]) -> Lattice | None:
    try:
        return lattice_of(task[0].made(), _predictor(task[1]), _shapes())
    except BlankPicture:
        return None


def _lattices(tasks: list[Task], artifact: Path) -> list[Lattice]:
    return [each for each in on_all_cores(_lattice, [(task, artifact) for task in tasks], 20) if each]


def plan(share: float) -> list[Task]:
    """What is learnt from: those that touch most often, for they are the hardest; more of the canvas than of paper."""
    tasks = []
    for gap, often in zip(GAPS, (60, 90, 240), strict=True):
        for surface, weight in zip(SURFACES, (0.6, 0.2, 0.2), strict=True):
            for length in LENGTHS:
                n = round(share * often * weight)
                tasks += [Task(FIRST + k, length, gap, surface, k % JUDGED) for k in range(n)]
    return tasks


def fit(share: float, artifact: Path) -> dict[str, Any]:
    """Learn everything in weights.json."""
    found = _lattices(plan(share), artifact)
    weights = learn(found)
    none = _lattices([Task(FIRST + k, 0, "", SURFACES[k % 3], 0) for k in range(round(share * 800))], artifact)
    marked = _lattices([Task(FIRST + k, 0, MARKED, "canvas", 0) for k in range(round(share * 2000))], artifact)
    usual, fitting = fit_misfits([*found, *marked], weights)
    seen = [row for each in found if (row := _seen(each, weights))]
    other = [row for each in none if (row := _seen(each, weights))]
    x = np.array([row.evidence for row in (*seen, *other)])
    rejection = logistic(x, np.arange(len(x)) < len(seen))
    real = np.array([row.evidence for row in seen if row.right])
    threshold = float(np.quantile(1 / (1 + np.exp(-(real @ rejection))), REJECTED_REAL))
    sure = np.array([[reading.logit(row.probability), 1.0] for row in seen])
    calibration = logistic(sure, np.array([row.right for row in seen]))
    print(
        f"words: {np.mean([r.evidence @ rejection < np.log(threshold / (1 - threshold)) for r in other]):.3f} rejected"
    )
    return {
        "made_by": f"python -m training.lattice --share {share:g}",
        "shapes": _shapes().tolist(),
        "weights": weights.round(4).tolist(),
        "usual": usual.round(4).tolist(),
        "fitting": fitting.round(4).tolist(),
        "calibration": calibration.round(4).tolist(),
        "rejection": rejection.round(4).tolist(),
        "threshold": round(threshold, 5),
    }


def fit_misfits(lattices: list[Lattice], weights: Array) -> tuple[Array, Array]:
    """What is usual of each digit among others, and the weights that tell a digit from another character there."""
    known, labels, said, is_digit = (np.concatenate(each) for each in zip(*_examples(lattices, weights), strict=True))
    own = [known[(labels == label) & (is_digit == 1)] for label in range(10)]
    usual = np.array([[rows.mean(axis=0) for rows in own], [np.maximum(rows.std(axis=0), LEAST) for rows in own]])
    return usual, logistic(misfits.features(known, labels, *said.T, usual), is_digit)


def _examples(lattices: list[Lattice], weights: Array) -> Iterator[tuple[Array, Array, Array, Array]]:
    """Of the best readings' pieces: facts, labels, (n, 2) what the model says, and whether each is a digit."""
    for each in lattices:
        best = next(iter(lattice.readings(each.pieces, each.features @ weights, each.cells)), None)
        if best is None or len(best.pieces) < 2:
            continue
        through, labels = list(best.pieces), np.array(best.labels)
        digit = np.ones(len(through)) if labels.tolist() == each.truth else each.digit[through]
        known = each.uncut[through] & ~np.isnan(digit)
        among = misfits.among([each.pieces[k] for k in through])
        facts = np.concatenate([among, each.alone[through]], axis=1)
        said = np.stack([each.probabilities[through, labels], each.scores[through]], axis=1)
        yield facts[known], labels[known], said[known], digit[known]


class Seen(NamedTuple):
    """A lattice's best reading."""

    right: bool
    probability: float
    evidence: Array


def _seen(each: Lattice, weights: Array) -> Seen | None:
    weighed = each.features @ weights
    found = lattice.readings(each.pieces, weighed, each.cells)
    if not found:
        return None
    right = list(found[0].labels) == each.truth
    return Seen(right, found[0].probability, reading.evidence(found[0], weighed, each.scores))


def main(arguments: list[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m training.lattice", description=str(__doc__).splitlines()[0])
    parser.add_argument("--artifact", type=Path, default=ARTIFACT)
    parser.add_argument("--share", type=float, default=1.0, help="of the numbers that are read")
    parser.add_argument("--out", type=Path, default=lattice.WEIGHTS)
    options = parser.parse_args(arguments)
    try:
        learnt = fit(options.share, options.artifact)
    except (DataError, ArtifactError) as error:
        sys.exit(f"nothing learnt: {error}")
    options.out.write_text(json.dumps(learnt) + "\n", encoding="utf-8")
    print(f"written: {options.out}")


if __name__ == "__main__":
    main()
