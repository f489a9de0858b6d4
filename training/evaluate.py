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
from training.cases import (
    CASES,
    DRESSES,
    NO_DIGITS,
    OTHER_FORMATS,
    PEN_WIDTHS,
    PEOPLES,
    SMALL,
    Outcome,
    strangers,
    style_of,
)
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


def measure_all(shipped: Path, folds: tuple[Path, ...], share: float = 1.0, cases: Iterable[str] = ()) -> list[Outcome]:
    """Every case, or those named, on all cores; `share` below 1 takes only the first of each."""
    tasks = [
        (case, item, shipped, folds)
        for case, (_, n) in CASES.items()
        if not cases or case in cases
        for item in range(min(n, max(20, round(n * share))))
    ]
    return list(on_all_cores(_measure, tasks, chunk=100))


class Figure(NamedTuple):
    """A measured value, how many pictures it is of, and where it is a share its 95 % interval (Wilson 1927)."""

    value: float
    n: int
    interval: tuple[float, float] | None = None


class Row(NamedTuple):
    """One line of the table: what, its target, whether more is better, and what was measured of whom.

    `like`: people and places like those that were learnt from; `others`: people, alphabets and kinds of other places.
    """

    what: str
    target: float
    at_least: bool
    like: Figure | None = None
    others: Figure | None = None

    def met(self, figure: Figure) -> bool:
        """Whether a figure reaches the target."""
        return figure.value >= self.target if self.at_least else figure.value <= self.target


def share(hits: Iterable[bool]) -> Figure:
    """Percent that are true."""
    found = list(hits)
    n, z = len(found), 1.96
    p = sum(found) / n
    middle, half = p + z * z / (2 * n), z * float(np.sqrt(p * (1 - p) / n + z * z / (4 * n * n)))
    low, high = ((middle + sign * half) / (1 + z * z / n) for sign in (-1, 1))
    return Figure(100 * p, n, (100 * low, 100 * high))


def right(outcomes: Iterable[Outcome]) -> Figure:
    """Percent read as what they are; of non-digits: percent rejected."""
    return share(outcome.read == outcome.truth for outcome in outcomes)


def rejected(outcomes: Iterable[Outcome]) -> Figure:
    """Percent rejected, whichever kind they are."""
    return share(outcome.read == NOT_A_DIGIT for outcome in outcomes)


def sure(outcomes: Iterable[Outcome]) -> Figure:
    """Percent wrong with a confidence over 0.9; of non-digits: taken for a digit with it."""
    return share(_surely_wrong(outcome) for outcome in outcomes)


def _surely_wrong(outcome: Outcome) -> bool:
    taken = outcome.truth != NOT_A_DIGIT or outcome.read != NOT_A_DIGIT
    return taken and outcome.likeliest != outcome.truth and outcome.confidence > 0.9


def by_person(outcomes: list[Outcome]) -> Figure:
    """Percent read rightly, each person counted once however much they wrote."""
    rates = [float(np.mean([o.read == o.truth for o in found])) for found in grouped(outcomes, writer_of).values()]
    half = 196 * float(np.std(rates)) / np.sqrt(len(rates))
    mean = 100 * float(np.mean(rates))
    return Figure(mean, len(outcomes), (mean - half, min(100.0, mean + half)))


def grouped(outcomes: Iterable[Outcome], key: Callable[[Outcome], Any]) -> dict[Any, list[Outcome]]:
    """The outcomes of each value of `key`, in the order in which these come."""
    groups: dict[Any, list[Outcome]] = {}
    for outcome in outcomes:
        groups.setdefault(key(outcome), []).append(outcome)
    return groups


def table(outcomes: list[Outcome]) -> list[Row]:
    """The targets, and what was measured."""
    by = grouped(outcomes, lambda o: o.case)
    return [*_digits(by), *_styles(by), *_no_digits(by), *_trust(by)]


def _digits(by: dict[str, list[Outcome]]) -> list[Row]:
    rate = {case: right(found) for case, found in by.items()}

    def below(case: str) -> Figure:
        return Figure(rate["centred"].value - rate[case].value, rate[case].n)

    return [
        Row("MNIST test, %", 99.6, True, rate["mnist"]),
        *(Row(f"{w}, %", 99.3 if w != PEN_WIDTHS[3] else 98.5, True, rate[w], rate[f"others {w}"]) for w in PEN_WIDTHS),
        *(
            Row(f"{w}, both, pooled by person, %", 99 if w != PEN_WIDTHS[3] else 98.5, True, None, _pooled(by, w))
            for w in PEN_WIDTHS
        ),
        Row("any place, size and turn: points below centred", 0.5, False, below("anywhere")),
        *(Row(f"{case}: points below centred", 0.3, False, below(case)) for case in OTHER_FORMATS),
        *(Row(f"MNIST test, {case}, %", 97, True, rate[case]) for case in DRESSES),
        Row("photo of paper, %", 97, True, rate["photo"], rate["others photo"]),
        *(Row(f"{case}, %", 98.5 if "pen" in case else 97, True, rate[case], rate[f"others {case}"]) for case in SMALL),
    ]


def _pooled(by: dict[str, list[Outcome]], width: str) -> Figure:
    return by_person([*by[width], *by[f"others {width}"]])


def _styles(by: dict[str, list[Outcome]]) -> list[Row]:
    ones = grouped(by["ones"], lambda o: style_of(strangers("ones")[o.item]).split()[0])
    rows = [Row(f"the digit 1, {style}, %", 98, True, None, right(found)) for style, found in sorted(ones.items())]
    return [*rows, Row("slashed zeros, %", 97, True, None, right(by["slashed zeros"]))]


def _no_digits(by: dict[str, list[Outcome]]) -> list[Row]:
    odd = [outcome for outcome in by["letters"] if _is_odd(outcome)]
    return [
        Row("non-digits, rejected, %", 90, True, None, right(o for case in NO_DIGITS for o in by[case])),
        *(Row(f"  {case}, %", 90, True, None, right(by[case])) for case in NO_DIGITS),
        Row("  letters that look like no digit, %", 90, True, None, right(odd)),
        *(Row(f"{case}, rejected, %", 88 if "photo" in case else 92, True, None, right(by[case])) for case in PEOPLES),
        *(Row(f"{case}, over 0.9 sure, %", 4, False, None, sure(by[case])) for case in PEOPLES),
    ]


def _trust(by: dict[str, list[Outcome]]) -> list[Row]:
    like = [outcome for width in PEN_WIDTHS[:3] for outcome in by[width]]
    others = [outcome for width in PEN_WIDTHS[:3] for outcome in by[f"others {width}"]]
    widest, others_widest = by[PEN_WIDTHS[3]], by[f"others {PEN_WIDTHS[3]}"]
    errors = [Figure(calibration_error(found), len(found)) for found in (like, others)]
    refused = [rejected([*like, *widest, *by["mnist"]]), rejected([*others, *others_widest])]
    return [
        Row("real digits, rejected, %", 0.7, False, *refused),
        Row("expected calibration error", 0.01, False, *errors),
        Row("wrong with confidence over 0.9, %", 0.3, False, sure(like), sure(others)),
    ]


def writer_of(outcome: Outcome) -> Any:
    """Who wrote a drawing of a case of PEN_WIDTHS, or of such a case of others."""
    return strangers("digits")[outcome.item].writer if outcome.case.startswith("others") else pen()[outcome.item][2]


def _is_odd(outcome: Outcome) -> bool:
    """Whether a letter, upright as it was drawn, looks like no digit."""
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
    return {str(name): round(right(group).value, 3) for name, group in sorted(grouped(outcomes, key).items())}


def report(outcomes: list[Outcome], rows: list[Row]) -> dict[str, Any]:
    """What report.json holds: the table, and the same figures per class, writer, width and letter."""
    people = [outcome for outcome in outcomes if outcome.case in PEN_WIDTHS]
    others = [outcome for outcome in outcomes if outcome.case.startswith("others pen ")]
    strange = [outcome for outcome in outcomes if outcome.case == "letters"]
    hands = [outcome for outcome in outcomes if outcome.case in PEOPLES]
    return {
        "table": [row._asdict() for row in rows],
        "case": per(outcomes, lambda o: o.case),
        "label": per(people, lambda o: o.truth),
        "label, others": per(others, lambda o: o.truth),
        "writer": per(people, lambda o: pen()[o.item][2]),
        "site": per(others, lambda o: strangers("digits")[o.item].writer.split("/")[0]),
        "label at width": per(people, lambda o: (o.case, o.truth)),
        "letter rejected": per(strange, lambda o: letters()[o.item][1]),
        "people's character rejected": per(hands, label_of),
        "reject curve": reject_curve(outcomes),
    }


def label_of(outcome: Outcome) -> str:
    """Which letter or symbol a case of PEOPLES sent."""
    return strangers("symbols" if "symbols" in outcome.case else "letters")[outcome.item].label


def reject_curve(outcomes: list[Outcome]) -> list[dict[str, float]]:
    """Both error rates, percent, at a range of thresholds."""

    def scores(*cases: str) -> NDArray[np.float64]:
        return np.array([o.score for o in outcomes if o.case in cases])

    real, others = scores(*PEN_WIDTHS), scores(*(f"others {width}" for width in PEN_WIDTHS))
    strange, hands = scores(*NO_DIGITS), scores("people's letters", "people's symbols")
    return [
        {
            "threshold": round(float(threshold), 4),
            "digits rejected": round(100 * float(np.mean(real < threshold)), 3),
            "digits rejected, others": round(100 * float(np.mean(others < threshold)), 3),
            "no digits accepted": round(100 * float(np.mean(strange >= threshold)), 3),
            "people's letters and symbols accepted": round(100 * float(np.mean(hands >= threshold)), 3),
        }
        for threshold in np.quantile(others, [0.0005, 0.001, 0.002, 0.003, 0.005, 0.007, 0.01, 0.02, 0.05])
    ]


def markdown(rows: list[Row]) -> str:
    """The table as the README carries it."""
    lines = ["| what | target | people like those it learnt from | people of other places |", "|---|---|---|---|"]
    for row in rows:
        sign = "at least" if row.at_least else "at most"
        cells = " | ".join(_cell(row, figure) for figure in (row.like, row.others))
        lines.append(f"| {row.what.strip()} | {sign} {row.target:g} | {cells} |")
    return "\n".join(lines)


def _cell(row: Row, figure: Figure | None) -> str:
    """The value, its interval, of how many pictures, and whether it reaches the target."""
    if figure is None:
        return ""
    return f"{_told(figure, 4 if row.target < 0.1 else 2)} {'✓' if row.met(figure) else '✗'}"


def _told(figure: Figure, places: int = 2) -> str:
    """The value, its interval, of how many pictures."""
    interval = f" ({figure.interval[0]:.1f} to {figure.interval[1]:.1f})" if figure.interval else ""
    return f"{figure.value:.{places}f}{interval}, n {figure.n:,}"


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
    parser.add_argument("--cases", nargs="*", choices=CASES, default=[], help="measure these alone, and print them")
    parser.add_argument("--out", type=Path, default=Path("build/evaluation"))
    options = parser.parse_args(arguments)
    try:
        outcomes = measure_all(options.artifact, folds_of(options.artifact), options.share, options.cases)
    except (DataError, FileNotFoundError) as error:
        sys.exit(f"nothing measured: {error}")
    if options.cases:
        for case, found in grouped(outcomes, lambda o: o.case).items():
            print(f"{case}, %: {_told(right(found))}")
        return
    rows = table(outcomes)
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "report.json").write_text(json.dumps(report(outcomes, rows), indent=1, default=float))
    (options.out / "table.md").write_text(markdown(rows) + "\n")
    charts.draw_all(outcomes, as_seen, options.out)
    print(f"\n{markdown(rows)}\n\npictures and report.json: {options.out}")


if __name__ == "__main__":
    main()
