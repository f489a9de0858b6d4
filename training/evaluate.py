"""Measure a model as people meet it: encoded pictures through the API's own `POST /predictions`, decoding included.

`python -m training.evaluate` prints the table of targets and writes report.json and pictures. Pen writers, alphabets
and kinds of doodle are judged by the model of the fold that never saw them; a rejected digit counts as read wrongly.
"""

from __future__ import annotations

import argparse
import json
import sys
from functools import cache as once
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from backend import contract
from backend.app import create_app
from backend.predictors import EmbeddedPredictor
from backend.preprocessing import normalise
from training import charts
from training.cases import CASES, NO_DIGITS, OTHER_FORMATS, PEN_WIDTHS, Outcome
from training.data import doodles
from training.data.datasets import on_all_cores
from training.data.makers import NOT_A_DIGIT
from training.data.readers import FOLDS, letters, pen
from training.data.sources import DataError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from flask.testing import FlaskClient
    from numpy.typing import NDArray

    from backend.predictors import Answers

ARTIFACT = Path(__file__).parent / "artifacts" / "digits"


class Recorder:
    """The embedded model, remembering its last answers: the wire carries the score of rejected pictures only."""

    def __init__(self, folder: Path) -> None:
        self._predictor = EmbeddedPredictor(folder)
        self.last: Answers

    def predict(self, x: Any, request_id: str = "") -> Answers:
        """See backend.predictors.Predictor."""
        self.last = self._predictor.predict(x, request_id)
        return self.last


@once
def _api(folder: Path) -> tuple[FlaskClient, Recorder]:
    recorder = Recorder(folder)
    return create_app({}, recorder).test_client(), recorder


def measure(case: str, item: int, shipped: Path, folds: tuple[Path, ...]) -> Outcome:
    """Send one picture of a case through the API. Raises AssertionError if the API answers with a problem."""
    sample = CASES[case][0](item)
    client, recorder = _api(shipped if sample.fold is None or not folds else folds[sample.fold])
    response = client.post(contract.PREDICTIONS, data=sample.picture, content_type="image/png")
    answer, score = response.get_json(), 0.0
    if response.status_code == contract.BLANK_IMAGE.status:
        return Outcome(case, item, sample.truth, NOT_A_DIGIT, NOT_A_DIGIT, 0.0, score)
    if response.status_code != 200:
        raise AssertionError(f"{case} {item}: {answer}")
    read = NOT_A_DIGIT if answer["label"] is None else int(answer["label"])
    likeliest = int(max(answer["probabilities"], key=answer["probabilities"].get))
    return Outcome(case, item, sample.truth, read, likeliest, answer["confidence"], float(recorder.last.scores[0]))


def _measure(task: tuple[str, int, Path, tuple[Path, ...]]) -> Outcome:
    return measure(*task)


def measure_all(shipped: Path, folds: tuple[Path, ...], share: float = 1.0) -> list[Outcome]:
    """Every case, on all cores; `share` below 1 takes only the first of each."""
    tasks = [
        (case, item, shipped, folds) for case, (_, n) in CASES.items() for item in range(max(20, round(n * share)))
    ]
    return list(on_all_cores(_measure, tasks, chunk=100))


class Row(NamedTuple):
    """One line of the table: what, its target, whether more is better, what was measured."""

    what: str
    target: float
    at_least: bool
    measured: float

    @property
    def met(self) -> bool:
        """Whether the target is reached."""
        return self.measured >= self.target if self.at_least else self.measured <= self.target


def right(outcomes: Iterable[Outcome]) -> float:
    """Percent read as what they are; for what is no digit: percent rejected."""
    return 100 * float(np.mean([outcome.read == outcome.truth for outcome in outcomes]))


def table(outcomes: list[Outcome]) -> list[Row]:
    """The targets, and what was measured."""
    by = {case: [outcome for outcome in outcomes if outcome.case == case] for case in CASES}
    rate = {case: right(found) for case, found in by.items()}
    people = [outcome for width in PEN_WIDTHS[:3] for outcome in by[width]]
    real = [*people, *by[PEN_WIDTHS[3]], *by["mnist"]]
    strange = [outcome for case in NO_DIGITS for outcome in by[case]]
    confident = np.mean([outcome.likeliest != outcome.truth and outcome.confidence > 0.9 for outcome in people])
    return [
        Row("MNIST test, %", 99.7, True, rate["mnist"]),
        *(Row(f"pen digits of unseen writers, {w[4:]}, %", 99.3, True, rate[w]) for w in PEN_WIDTHS[:3]),
        Row(f"pen digits of unseen writers, {PEN_WIDTHS[3][4:]}, %", 98.5, True, rate[PEN_WIDTHS[3]]),
        Row("any place, size and turn: points below centred", 0.5, False, rate["centred"] - rate["anywhere"]),
        *(Row(f"{case}: points below centred", 0.3, False, rate["centred"] - rate[case]) for case in OTHER_FORMATS),
        Row("photo of paper, %", 97, True, rate["photo"]),
        Row("no digit, rejected, %", 90, True, right(strange)),
        *(Row(f"  {case}, %", 90, True, rate[case]) for case in NO_DIGITS),
        Row("  letters that are a digit to no eye, %", 90, True, right(o for o in by["letters"] if _is_odd(o))),
        Row("real digits, rejected, %", 1, False, 100 * np.mean([o.read == NOT_A_DIGIT for o in real])),
        Row("expected calibration error, unseen writers", 0.01, False, calibration_error(people)),
        Row("wrong with confidence over 0.9, unseen writers, %", 0.3, False, 100 * float(confident)),
    ]


def _is_odd(outcome: Outcome) -> bool:
    """Whether a letter, upright as it was drawn, is none of those that are a digit to any eye."""
    return 0 in doodles.turns(letters()[outcome.item][1])


def calibration_error(outcomes: list[Outcome], bins: int = 15) -> float:
    """Expected calibration error (Guo et al. 2017) of the likeliest digit, equal-width bins."""
    confidence = np.array([outcome.confidence for outcome in outcomes])
    hit = np.array([outcome.likeliest == outcome.truth for outcome in outcomes], float)
    place = np.minimum((confidence * bins).astype(int), bins - 1)
    gaps = [abs(hit[place == b].mean() - confidence[place == b].mean()) * np.mean(place == b) for b in np.unique(place)]
    return float(sum(gaps))


def as_seen(outcome: Outcome) -> NDArray[np.uint8]:
    """(28, 28): what the model saw."""
    return normalise(CASES[outcome.case][0](outcome.item).picture)


def per(outcomes: list[Outcome], key: Callable[[Outcome], Any]) -> dict[str, float]:
    """Percent read rightly for each value of `key`."""
    groups: dict[Any, list[Outcome]] = {}
    for outcome in outcomes:
        groups.setdefault(key(outcome), []).append(outcome)
    return {str(name): round(right(group), 3) for name, group in sorted(groups.items())}


def report(outcomes: list[Outcome], rows: list[Row]) -> dict[str, Any]:
    """What report.json holds: the table, and the same figures per class, writer, width and letter."""
    people = [outcome for outcome in outcomes if outcome.case in PEN_WIDTHS]
    strange = [outcome for outcome in outcomes if outcome.case == "letters"]
    return {
        "table": [row._asdict() | {"met": row.met} for row in rows],
        "case": per(outcomes, lambda o: o.case),
        "label": per(people, lambda o: o.truth),
        "writer": per(people, lambda o: pen()[o.item][2]),
        "label at width": per(people, lambda o: (o.case, o.truth)),
        "letter rejected": per(strange, lambda o: letters()[o.item][1]),
        "reject curve": reject_curve(outcomes),
    }


def reject_curve(outcomes: list[Outcome]) -> list[dict[str, float]]:
    """Both error rates, percent, at a range of thresholds."""
    real = np.array([o.score for o in outcomes if o.case in PEN_WIDTHS])
    strange = np.array([o.score for o in outcomes if o.case in NO_DIGITS])
    return [
        {
            "threshold": round(float(threshold), 4),
            "digits rejected": round(100 * float(np.mean(real < threshold)), 3),
            "no digits accepted": round(100 * float(np.mean(strange >= threshold)), 3),
        }
        for threshold in np.quantile(real, [0.0005, 0.001, 0.002, 0.003, 0.005, 0.01, 0.02, 0.05])
    ]


def markdown(rows: list[Row]) -> str:
    """The table as the README carries it."""
    lines = ["| what | target | measured | |", "|---|---|---|---|"]
    for row in rows:
        sign = "at least" if row.at_least else "at most"
        figure = f"{row.measured:.{4 if row.target < 0.1 else 2}f}"
        lines.append(f"| {row.what.strip()} | {sign} {row.target:g} | {figure} | {'✓' if row.met else '✗'} |")
    return "\n".join(lines)


def folds_of(shipped: Path) -> tuple[Path, ...]:
    """The artifacts of the folds' models beside the runs, all or none."""
    found = tuple(Path(f"runs/fold-{fold}/artifact") for fold in range(FOLDS))
    if all((folder / "card.json").exists() for folder in found):
        return found
    print(f"no models of the folds in runs/: {shipped} judges writers that it may have seen", file=sys.stderr)
    return ()


def main(arguments: list[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m training.evaluate", description=str(__doc__).splitlines()[0])
    parser.add_argument("--artifact", type=Path, default=ARTIFACT)
    parser.add_argument("--share", type=float, default=1.0, help="of each case's pictures")
    parser.add_argument("--out", type=Path, default=Path("build/evaluation"))
    options = parser.parse_args(arguments)
    try:
        outcomes = measure_all(options.artifact, folds_of(options.artifact), options.share)
    except (DataError, FileNotFoundError) as error:
        sys.exit(f"nothing measured: {error}")
    rows = table(outcomes)
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "report.json").write_text(json.dumps(report(outcomes, rows), indent=1, default=float))
    (options.out / "table.md").write_text(markdown(rows) + "\n")
    charts.draw_all(outcomes, as_seen, options.out)
    print(f"\n{markdown(rows)}\n\npictures and report.json: {options.out}")


if __name__ == "__main__":
    main()
