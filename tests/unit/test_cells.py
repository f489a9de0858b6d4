"""Where touching digits are cut and how sure the answer is, as tests/unit/cells.json has it.

weights.json was fitted to these cuts and shapes. Whoever changes them on purpose fits and measures anew
(`python -m training.numbers`), and then runs `python -m tests.unit.test_cells`.
"""

from __future__ import annotations

import json
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from backend.numbers import lattice, reading
from backend.numbers.answers import read_one
from backend.predictors import EmbeddedPredictor
from backend.preprocessing import find_ink
from backend.settings import SHIPPED_MODEL
from tests.numbers import written

if TYPE_CHECKING:
    from backend.predictors import Predictor

CELLS = Path(__file__).with_name("cells.json")
NUMBERS = ("10", "47", "00", "88", "335", "704", "2026", "96183")
GAPS = (-14, -6, 4)  # pixels between two digits of 100


def told(predictor: Predictor, number: str, gap: int) -> dict[str, Any]:
    """A sheet's lines, their cells and what they cost to cut; the answer and how sure it is."""
    picture = written(number, gap=gap)
    rows, factor = reading.rows(find_ink(picture).ink)
    answer = read_one(predictor, picture)
    return {
        "sheet": [number, gap],
        "factor": factor,
        "boxes": [row.cells.boxes.tolist() for row in rows],
        "cut": [row.cells.cut.tolist() for row in rows],
        "cost": [row.cells.cost.round(3).tolist() for row in rows],
        "pieces": [len(row.pieces) for row in rows],
        "number": answer.number,
        "confidence": round(answer.confidence, 3),
    }


@pytest.mark.parametrize("known", json.loads(CELLS.read_text(encoding="utf-8")), ids=lambda known: str(known["sheet"]))
def test_touching_digits_are_cut_where_the_weights_were_fitted(
    embedded: EmbeddedPredictor, known: dict[str, Any]
) -> None:
    now = told(embedded, *known["sheet"])
    for name in ("factor", "cut", "pieces", "number"):
        assert now[name] == known[name]
    for boxes, expected in zip(now["boxes"], known["boxes"], strict=True):
        assert np.array(boxes) == pytest.approx(np.array(expected), abs=1)
    for costs, expected in zip(now["cost"], known["cost"], strict=True):
        assert costs == pytest.approx(expected, abs=0.05)
    assert now["confidence"] == pytest.approx(known["confidence"], abs=0.02)


def test_the_weights_are_those_of_their_file() -> None:
    card = json.loads(lattice.WEIGHTS.read_text(encoding="utf-8"))
    read = lattice.read(card)
    assert (read.shapes.tolist(), read.weights.tolist()) == (card["shapes"], card["weights"])
    assert [*read.calibration, *read.rejection] == [*card["calibration"], *card["rejection"]]
    assert read.threshold == card["threshold"]


def main() -> None:
    predictor = EmbeddedPredictor(SHIPPED_MODEL)
    sheets = [told(predictor, number, gap) for number, gap in product(NUMBERS, GAPS)]
    CELLS.write_text("[\n" + ",\n".join(map(json.dumps, sheets)) + "\n]\n", encoding="utf-8")


if __name__ == "__main__":
    main()
