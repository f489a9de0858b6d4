"""Numbers composed and measured, and the learning of how they are put together."""

from __future__ import annotations

import json
from io import BytesIO
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from backend.numbers import borders, lattice
from training import borders as bordering
from training import lattice as learning
from training import numbers as measuring
from training.data import borders as bordered
from training.data import numbers
from training.data.numbers import GAPS, Task
from training.lattice import Lattice, likelihood, logistic
from training.numbers import Outcome, Question

if TYPE_CHECKING:
    from pathlib import Path


def bars(n: int) -> list[list[np.ndarray]]:
    """Upright strokes, a height of 1 each."""
    return [[np.array([[0.0, 0.0], [0.2, 1.0]])] for _ in range(n)]


@pytest.mark.parametrize("gap", GAPS)
def test_composed_digits_stand_as_far_apart_as_their_kind_says(gap: str) -> None:
    width = 0.1
    placed = numbers.compose(bars(30), GAPS[gap], width, np.random.default_rng(1))
    edges = [(np.concatenate(digit)[:, 0].min(), np.concatenate(digit)[:, 0].max()) for digit in placed]
    between = [right[0] - left[1] - width for left, right in pairwise(edges)]
    assert min(between) >= GAPS[gap][0] - 1e-9
    assert max(between) <= GAPS[gap][1] + 1e-9


@pytest.mark.usefixtures("tiny_sources")
def test_a_numbers_strokes_lie_on_its_ink() -> None:
    made = Task(0, 3, "touching", "canvas", 4).made()
    with Image.open(BytesIO(made.picture)) as image:
        shades = [image.convert("L").getpixel((round(x), round(y))) for stroke in made.strokes for x, y in stroke]
    assert max(shades) < 128
    assert Task(0, 3, "touching", "photo", 4).made().strokes == []


@pytest.mark.usefixtures("tiny_sources")
@pytest.mark.parametrize("place", [*numbers.SURFACES, *numbers.PLACES])
def test_a_number_is_made_in_each_place_and_always_as_the_same_picture(place: str) -> None:
    made, again = (Task(3, 2, "apart", place, 4).made() for _ in range(2))
    assert made.picture == again.picture
    assert len(made.truth) == 2
    with Image.open(BytesIO(made.picture)) as image:
        assert np.ptp(np.asarray(image.convert("L"))) > 50
    assert bool(made.strokes) == (place == "canvas")


@pytest.mark.usefixtures("tiny_sources")
@pytest.mark.parametrize("fold", [0, numbers.JUDGED])
def test_a_line_with_other_characters_says_where_each_is(fold: int) -> None:
    for item in range(20):
        line = numbers.marked(item, fold=fold)
        assert any(character.isdigit() for character in line.text)
        assert not line.text.isdigit()
        left, top, right, bottom = line.boxes.T
        ink = np.asarray(Image.open(BytesIO(line.picture)).convert("L")) < 128
        assert (np.diff(left) > 0).all(), "the characters stand side by side, in order"
        for x, y in zip(((left + right) / 2).astype(int), ((top + bottom) / 2).astype(int), strict=True):
            assert ink[max(0, y - 60) : y + 60, max(0, x - 60) : x + 60].any()


def test_a_piece_in_another_character_or_with_one_in_it_is_no_digit() -> None:
    boxes = np.array([[0, 0, 40, 100], [60, 30, 70, 80], [90, 0, 140, 100]], float)
    made = numbers.Number(b"", [], "", 0, "4:7", boxes)
    pieces = {"the 4": (2, 2, 42, 98), "a dot of the colon": (60, 30, 70, 40), "the 4 and the colon": (0, 0, 70, 100)}
    pieces["half of the 7"] = (115, 0, 140, 100)
    found = learning._digits(np.array(list(pieces.values()), float), made)
    assert found.tolist() == pytest.approx([1, 0, 0, np.nan], nan_ok=True)


@pytest.mark.usefixtures("tiny_sources")
def test_a_sheets_border_lies_where_two_digits_are_as_near() -> None:
    several = 0
    for item in range(30):
        ink, border = bordered.sheet(item)
        assert ink.shape == border.shape == bordered.SIZE
        rows, columns = np.flatnonzero(ink.max(axis=1)), np.flatnonzero(ink.max(axis=0))
        within = border[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        if border.any():
            several += 1
            assert (within > 128).any(axis=1).mean() > 0.8, "it goes from the top to the bottom"
            assert (within > 128).mean() < 0.5
    assert 20 < several < 30, "some are one digit"


def test_numpy_computes_what_keras_learnt(tmp_path: Path) -> None:
    model = bordering.network()
    bordering.save(model, tmp_path / "borders.npz")
    ink = np.random.default_rng(7).integers(0, 255, (24, 36)).astype(np.uint8)
    padded = np.pad(ink, borders.ROOM).astype(np.float32)[None, ..., None] / 255
    room = slice(borders.ROOM, -borders.ROOM)
    wanted = 1 / (1 + np.exp(-np.asarray(model(padded))[0, room, room, 0]))
    assert borders.find(ink, borders.read(tmp_path / "borders.npz")) == pytest.approx(wanted, abs=0.01)
    assert np.ptp(wanted) > 0.01


def some_lattice(truth: list[int]) -> Lattice:
    rng = np.random.default_rng(2)
    found = [lattice.Piece(a, b, (0, 0, 1, 1)) for a in range(4) for b in range(a + 1, min(a + 3, 5))]
    n = len(found)
    said = np.ones(n, np.float32), np.ones((n, 10), np.float32)
    among = np.zeros((n, 3)), np.ones(n, bool)
    return Lattice(rng.normal(size=(n, 10, 5)).astype(np.float32), *said, found, *among, 4, truth, np.ones(n))


def test_the_gradient_is_that_of_the_likelihood() -> None:
    each, weights = some_lattice([3, 1, 3]), np.random.default_rng(4).normal(size=5)
    _, gradient = likelihood(each, weights)
    for k in range(5):
        step = np.eye(5)[k] * 1e-5
        slope = (likelihood(each, weights + step)[0] - likelihood(each, weights - step)[0]) / 2e-5
        assert gradient[k] == pytest.approx(slope, rel=1e-3, abs=1e-6)


def test_a_truth_that_no_way_spells_is_impossible() -> None:
    value, gradient = likelihood(some_lattice([1] * 5), np.ones(5))
    assert value == -np.inf
    assert (gradient == 0).all()


def test_logistic_regression_finds_the_odds() -> None:
    rng = np.random.default_rng(6)
    x = np.stack([rng.normal(size=4000), np.ones(4000)], axis=1)
    y = rng.random(4000) < 1 / (1 + np.exp(-(2 * x[:, 0] - 1)))
    assert logistic(x, y) == pytest.approx([2, -1], abs=0.25)


def test_wilsons_interval_is_that_of_his_example() -> None:
    low, high = measuring.wilson(8, 10)
    assert (low, high) == pytest.approx((49.02, 94.33), abs=0.01)
    assert measuring.wilson(10, 10)[1] == pytest.approx(100)


def test_the_table_counts_exact_numbers_and_rejected_words(tmp_path: Path) -> None:
    task = Task(0, 2, "apart", "canvas", 4)
    alone, sent = (Question(task, tmp_path, strokes=each) for each in (False, True))
    outcomes = [
        Outcome(alone, "12", "12", 0.9, 1.0),
        Outcome(alone, "12", "", 0.9, 1.0),
        Outcome(sent, "12", "12", 0.9, 1.0),
        Outcome(Question(Task(0, 0, "", "scan", 4), tmp_path, strokes=False), "", "", 0.1, 1.0),
    ]
    cells = measuring.table(outcomes)
    assert [(each.surface, each.exact, each.n) for each in cells] == [
        ("canvas", 50, 2),
        ("canvas, its strokes sent", 100, 1),
        ("all", 100, 1),
    ]


@pytest.mark.usefixtures("tiny_sources")
def test_learning_and_measuring_run_on_small_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(learning, "ROUNDS", 5)
    monkeypatch.setattr(measuring, "LENGTHS", (1, 2))
    bordering.main(["--sheets", "60", "--epochs", "1", "--out", str(tmp_path / "borders.npz")])
    assert len(borders.read(tmp_path / "borders.npz")) == len(borders.layers())
    learning.main(["--share", "0.02", "--out", str(tmp_path / "weights.json")])
    learnt = lattice.read(json.loads((tmp_path / "weights.json").read_text()))
    assert learnt.weights.shape == (44,)
    assert [each.shape for each in learnt[:4]] == [each.shape for each in lattice.weights()[:4]]
    measuring.main(["--n", "3", "--out", str(tmp_path / "measured")])
    report = json.loads((tmp_path / "measured" / "report.json").read_text())
    assert {cell["length"] for cell in report["cells"]} == {0, 1, 2}
    assert (tmp_path / "measured" / "misread.png").stat().st_size > 100
