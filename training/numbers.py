"""Measure whole numbers as people meet them: composed pictures through the API's own `POST /numbers`.

`python -m training.numbers` prints the share of numbers read exactly, by gap, length and surface, with Wilson's
intervals (1927), and writes report.json and a picture of the wrong ones. Writers are of one fold, whose digits the
lattice's weights never saw; the model is the fold's own where runs/ has it, else the one that ships, which has seen all
writers.
"""

from __future__ import annotations

import argparse
import json
import sys
from base64 import b64encode
from functools import cache as once
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from PIL import Image, ImageDraw

from backend import contract
from backend.app import create_app
from backend.predictors import EmbeddedPredictor
from training.data.datasets import on_all_cores
from training.data.numbers import GAPS, JUDGED, MARKED, PLACES, SURFACES, Task
from training.data.sources import DataError
from training.evaluate import ARTIFACT
from training.lattice import LENGTHS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from flask.testing import FlaskClient


class Question(NamedTuple):
    """A picture to make, who reads it, and whether the strokes that it is drawn by are sent with it."""

    task: Task
    artifact: Path
    strokes: bool

    @property
    def kind(self) -> tuple[str, str, int]:
        """Gap, surface, length."""
        gap, surface, length = self.task.gap, self.task.surface, self.task.length
        if not length:
            return gap or "no number", "all", 0
        return gap, surface + ", its strokes sent" * self.strokes, length


class Outcome(NamedTuple):
    """What came back: the number, empty where it was rejected; its confidence; milliseconds."""

    asked: Question
    truth: str
    read: str
    confidence: float
    ms: float


@once
def _api(artifact: Path) -> FlaskClient:
    return create_app({}, EmbeddedPredictor(artifact)).test_client()


def measure(asked: Question) -> Outcome:
    """Send one picture. Raises AssertionError where the API answers with a problem that is not a blank sheet's."""
    made, api = asked.task.made(), _api(asked.artifact)
    if asked.strokes:
        strokes = [stroke.round(1).tolist() for stroke in made.strokes]
        response = api.post(contract.NUMBERS, json={"image": b64encode(made.picture).decode(), "strokes": strokes})
    else:
        response = api.post(contract.NUMBERS, data=made.picture, content_type="image/png")
    body = response.get_json()
    if response.status_code == contract.BLANK_IMAGE.status:
        return Outcome(asked, made.truth, "", 0.0, 0.0)
    if response.status_code != 200:
        raise AssertionError(f"{asked}: {body}")
    return Outcome(asked, made.truth, body["number"] or "", body["confidence"], body["timing_ms"]["total"])


def questions(n: int, artifact: Path) -> list[Question]:
    """The first n of each kind on the canvas, a third as many on paper, and twice n pictures without a number."""
    made = [
        Question(Task(item, length, gap, surface, JUDGED), artifact, sent)
        for gap in GAPS
        for surface, sent in (("canvas", False), ("canvas", True), ("photo", False), ("scan", False))
        for length in LENGTHS
        for item in range(n if surface == "canvas" else n // 3)
    ]
    made += [
        Question(Task(item, length, "apart", place, JUDGED), artifact, strokes=False)
        for place in PLACES
        for length in LENGTHS
        for item in range(n // 3)
    ]
    none = [Task(item, 0, gap, SURFACES[item % 3], JUDGED) for gap in ("", MARKED) for item in range(n)]
    return made + [Question(task, artifact, strokes=False) for task in none]


def wilson(hits: int, n: int, z: float = 1.96) -> tuple[float, float]:
    """The interval, percent, that holds the true share 19 times in 20."""
    share, spread = hits / n, z * z / n
    middle, half = share + spread / 2, z * ((share * (1 - share) + spread / 4) / n) ** 0.5
    return 100 * (middle - half) / (1 + spread), 100 * (middle + half) / (1 + spread)


class Cell(NamedTuple):
    """One figure of the table."""

    gap: str
    surface: str
    length: int
    n: int
    exact: float
    low: float
    high: float


def table(outcomes: Iterable[Outcome]) -> list[Cell]:
    """Percent read exactly; of pictures without a number, percent rejected."""
    groups: dict[tuple[str, str, int], list[bool]] = {}
    for outcome in outcomes:
        groups.setdefault(outcome.asked.kind, []).append(outcome.read == outcome.truth)
    return [
        Cell(*key, len(hits), 100 * sum(hits) / len(hits), *wilson(sum(hits), len(hits)))
        for key, hits in groups.items()
    ]


def markdown(cells: list[Cell]) -> str:
    """The table as the README carries it: a row for each gap and surface, a column for each length."""
    lines = [f"| read exactly, % | {' | '.join(map(str, LENGTHS))} |", "|---|" + "---:|" * len(LENGTHS)]
    for gap, surface in dict.fromkeys((cell.gap, cell.surface) for cell in cells if cell.length):
        row = [cell for cell in cells if (cell.gap, cell.surface) == (gap, surface)]
        figures = [f"{cell.exact:.1f} ({cell.low:.1f}-{cell.high:.1f}, n {cell.n})" for cell in row]
        lines.append(f"| {gap}, {surface} | {' | '.join(figures)} |")
    none = [cell for cell in cells if not cell.length]
    rejected = [f"{each.gap}, rejected: {each.exact:.1f} % ({each.low:.1f}-{each.high:.1f})" for each in none]
    return "\n".join([*lines, "", *rejected])


def gallery(outcomes: list[Outcome], file: Path, most: int = 60) -> None:
    """The first numbers read wrongly, each below what it is and what was read."""
    wrong = [each for each in outcomes if each.read != each.truth and each.asked.task.length][:most]
    sheet = Image.new("L", (5 * 260, -(-max(1, len(wrong)) // 5) * 120), 255)
    for k, outcome in enumerate(wrong):
        picture = Image.open(BytesIO(outcome.asked.task.made().picture)).convert("L")
        picture.thumbnail((250, 95))
        left, top = k % 5 * 260, k // 5 * 120
        sheet.paste(picture, (left, top + 16))
        ImageDraw.Draw(sheet).text((left + 2, top + 2), f"{outcome.truth} read {outcome.read or 'rejected'}", fill=0)
    sheet.save(file)


def main(arguments: list[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m training.numbers", description=str(__doc__).splitlines()[0])
    parser.add_argument("--artifact", type=Path, default=ARTIFACT)
    parser.add_argument("--n", type=int, default=300, help="numbers of each gap and length")
    parser.add_argument("--out", type=Path, default=Path("build/numbers"))
    options = parser.parse_args(arguments)
    own = Path(f"runs/fold-{JUDGED}/artifact")
    artifact = own if options.artifact == ARTIFACT and (own / "card.json").exists() else options.artifact
    print(f"read by {artifact}", file=sys.stderr)
    try:
        outcomes = list(on_all_cores(measure, questions(options.n, artifact), 20))
    except DataError as error:
        sys.exit(f"nothing measured: {error}")
    cells = table(outcomes)
    options.out.mkdir(parents=True, exist_ok=True)
    report = {"artifact": str(artifact), "cells": [cell._asdict() for cell in cells]}
    (options.out / "report.json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    gallery(outcomes, options.out / "misread.png")
    ms = np.array([each.ms for each in outcomes])
    print(f"\n{markdown(cells)}\n{np.median(ms):.1f} ms at the median, {ms.max():.1f} at most; {options.out}")


if __name__ == "__main__":
    main()
