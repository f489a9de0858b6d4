"""Does what people send still look like what was learnt? `python -m training.drift --log FILE --feedback FOLDER_OR_S3`

Compares a period's answers (the API's JSON lines, BACKEND_LOG=1) and given drawings with the training data, by the
population stability index of each feature, writes one page with pictures, and says whether to run `improve`.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from base64 import b64encode
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from backend import contract
from backend.artifact import ArtifactError
from backend.predictors import EmbeddedPredictor
from backend.settings import SettingsError
from backend.stores import LEARNING, open_store
from training import charts
from training.data import feedback
from training.data.datasets import DIGITS, replay
from training.data.makers import NOT_A_DIGIT
from training.data.sources import DataError
from training.evaluate import ARTIFACT, share
from training.screening import answered, ask

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from training.data.feedback import Given

REFERENCE = 6000  # old pictures, which give each bin of a tenth 600
MOVED, LEAST = 0.2, 200  # the index from which a feature has moved (Siddiqi 2006), and values that it takes to say so
CORRECTED = 0.02  # corrections an answer: as many as the model misreads and rejects of strangers' digits, twice over
WAITING = 50  # corrections that no version has used: five of a fifth held out decide the gate's sign test
BINS = 10
Column = list[float] | list[str]


class Feature(NamedTuple):
    """One feature's shares in each bin, of the training data and of the period; `n` values of the period."""

    name: str
    bins: list[str]
    then: NDArray[np.float64]
    now: NDArray[np.float64]
    n: int

    @property
    def psi(self) -> float:
        """The population stability index: 0 the same, from MOVED on another population."""
        then, now = (np.maximum(each, 0.5 / max(self.n, BINS)) for each in (self.then, self.now))
        return float(np.sum((now - then) * np.log(now / then)))

    @property
    def moved(self) -> bool:
        """Whether it is another population, and no accident of few values."""
        return self.n >= LEAST and self.psi > MOVED


def compare(name: str, then: Column, now: Column) -> Feature:
    """Numbers in bins of a tenth of the training data each, words each in its own."""
    if isinstance(then[0], str):
        bins = sorted({*map(str, then), *map(str, now)})
        counts = [np.array([list(map(str, each)).count(one) for one in bins], float) for each in (then, now)]
        return Feature(name, bins, counts[0] / len(then), counts[1] / max(1, len(now)), len(now))
    edges = np.unique(np.quantile(np.array(then, float), np.linspace(0, 1, BINS + 1)[1:-1]))
    places = [np.searchsorted(edges, np.array(each, float)) for each in (then, now)]
    shares = [np.bincount(each, minlength=len(edges) + 1) / max(1, len(each)) for each in places]
    names = [f"to {edge:.3g}" for edge in edges] + [f"over {edges[-1]:.3g}"]
    return Feature(name, names, shares[0], shares[1], len(now))


def looks(x: NDArray[np.uint8]) -> dict[str, list[float]]:
    """(n, 28, 28) -> what a picture's ink is like: how much, how wide to its height, how heavy the pen."""
    dark = x > 100
    wide, high = dark.any(axis=1).sum(axis=1), dark.any(axis=2).sum(axis=1)
    inner = dark[:, 1:-1, 1:-1] & dark[:, :-2, 1:-1] & dark[:, 2:, 1:-1] & dark[:, 1:-1, :-2] & dark[:, 1:-1, 2:]
    area = np.maximum(1, dark.sum(axis=(1, 2)))
    columns = {"ink": x.mean(axis=(1, 2)) / 255, "width to height": wide / np.maximum(1, high)}
    columns["ink with ink all around"] = inner.sum(axis=(1, 2)) / area
    return {f"given: {name}": values.tolist() for name, values in columns.items()}


def lines(files: Iterable[Path], since: str, until: str) -> Iterator[dict[str, Any]]:
    """The API's JSON lines of a period (ISO dates, `until` not included); other lines are passed over."""
    for file in files:
        with sys.stdin if str(file) == "-" else file.open(encoding="utf-8", errors="replace") as text:
            for line in text:
                try:
                    record = json.loads(line[line.index("{") :])  # a log service's own columns may stand before it
                    if since <= record["time"] and (not until or record["time"] < until):
                        yield record
                except (ValueError, KeyError, TypeError):
                    continue


class Traffic(NamedTuple):
    """What the lines say: a value for each single answer, and counts."""

    columns: dict[str, Column]
    answers: int
    rejections: int
    corrections: int


def traffic(records: Iterable[Mapping[str, Any]]) -> Traffic:
    """Ink, confidence and label of single answers; answers, rejections and corrections of all."""
    ink, sure, labels, counts = [], [], [], [0, 0, 0]
    for record in records:
        counts[2] += record.get("judged", {}).get("right") is False
        if "rejections" not in record:
            continue
        counts[0] += sum(record.get("labels", {"": 1}).values())
        counts[1] += record["rejections"]
        if "label" in record and record.get("route") == contract.PREDICTIONS:
            ink.append(float(record.get("ink", 0)))
            sure.append(float(record["confidence"]))
            labels.append(str(record["label"] or "rejected"))
    return Traffic({"ink": ink, "confidence": sure, "label": labels}, *counts)


def reference(artifact: Path) -> dict[str, Column]:
    """The same of the training data, each digit as often as the others, as the model that ships reads it."""
    old = replay()
    rows = np.random.default_rng(2).permutation(np.flatnonzero(old.y != NOT_A_DIGIT))[:REFERENCE]
    x, judge = old.x[rows], EmbeddedPredictor(artifact)
    sure = ask(judge, x).probabilities.max(axis=1)
    said = [label if label in DIGITS else "rejected" for label in answered(judge, x)]
    return {"ink": (x.mean(axis=(1, 2)) / 255).tolist(), "confidence": sure.tolist(), "label": said, **looks(x)}


def signs(features: Sequence[Feature], seen: Traffic) -> list[str]:
    """What speaks for a change in what people send."""
    found = [f"{each.name} has moved: index {each.psi:.2f}, over {MOVED}" for each in features if each.moved]
    if seen.answers:
        rate = share([True] * seen.corrections + [False] * max(0, seen.answers - seen.corrections))
        if rate.interval and rate.interval[0] > 100 * CORRECTED:
            found.append(f"{rate.value:.1f} % of answers are corrected, at least {rate.interval[0]:.1f} %")
    return found


def verdict(found: Sequence[str], waiting: int) -> str:
    """The rule: improve where enough corrections wait, half as many where something has moved too."""
    said = f"{waiting} corrections wait that no version has used"
    if waiting >= (WAITING // 2 if found else WAITING):
        return f"Run make improve: {said}."
    return f"No reason to improve yet: {said}, {WAITING} are enough, or {WAITING // 2} once something has moved."


def page(folder: Path, features: Sequence[Feature], given: Sequence[Given], seen: Traffic, said: Sequence[str]) -> Path:
    """drift.html: the verdict, the table, each feature's bins and the drawings given last, in one file."""
    folder.mkdir(parents=True, exist_ok=True)
    charts.bins([(each.name, each.bins, each.then, each.now) for each in features], folder / "features.png")
    pictures = ["features.png"]
    if given:
        newest = sorted(given, key=lambda one: one.created)[-40:]
        lines = [(each.x, f"“{each.label}”, read {each.read or '?'}") for each in newest]
        charts.sheet(lines, folder / "given.png", f"the last {len(newest)} drawings given")
        pictures.append("given.png")
    rows = "".join(
        f"<tr><td>{escape(each.name)}<td>{each.psi:.3f}<td>{each.n:,}<td>{'moved' if each.moved else ''}"
        for each in features
    )
    shown = "".join(
        f'<p><img alt="{name}" src="data:image/png;base64,{b64encode((folder / name).read_bytes()).decode()}">'
        for name in pictures
    )
    first, *others = (escape(each) for each in said)
    path = folder / "drift.html"
    counts = f"{seen.answers:,} answers, {seen.rejections:,} rejected, {seen.corrections:,} corrected"
    path.write_text(
        f"""<!doctype html><html lang=en><meta charset=utf-8><title>Drift</title>
<style>body{{font:16px sans-serif;margin:2em}}td,th{{padding:.2em 1em;text-align:left}}img{{max-width:100%}}</style>
<h1>Drift</h1><h2>{first}</h2><p>{counts}; {len(given):,} drawings.<ul>{"".join(f"<li>{each}" for each in others)}</ul>
<table><tr><th>feature<th>stability index<th>n<th></tr>{rows}</table>{shown}</html>
""",
        encoding="utf-8",
    )
    return path


def look(place: str, since: str, until: str) -> tuple[list[Given], int]:
    """A period's drawings, and how many corrections no version has used. Raises SettingsError."""
    if not place:
        return [], 0
    store = open_store(place)
    given = feedback.look(store).given
    used = json.loads(store.read(LEARNING) or b"{}").get("used", {})
    waiting = sum(each.corrects and each.id not in used for each in given)
    return [each for each in given if since <= each.created and (not until or each.created < until)], waiting


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m training.drift", description=str(__doc__).splitlines()[0])
    parser.add_argument("--log", type=Path, nargs="*", default=[], help="files of the API's JSON lines; - is the input")
    parser.add_argument(
        "--feedback", default=os.environ.get("BACKEND_FEEDBACK", ""), help="folder or s3://bucket/prefix"
    )
    parser.add_argument("--since", default="", help="ISO date, included")
    parser.add_argument("--until", default="", help="ISO date, not included")
    parser.add_argument("--artifact", type=Path, default=ARTIFACT)
    parser.add_argument("--out", type=Path, default=Path("build/drift"))
    options = parser.parse_args(arguments)
    try:
        seen = traffic(lines(options.log, options.since, options.until))
        given, waiting = look(options.feedback, options.since, options.until)
        now: dict[str, Column] = {**seen.columns, **(looks(np.stack([each.x for each in given])) if given else {})}
        if not any(now.values()):
            raise DataError("--log and --feedback hold nothing of this period")
        then = reference(options.artifact)
    except (DataError, ArtifactError, SettingsError, OSError) as error:
        sys.exit(f"nothing compared: {error}")
    features = [compare(name, then[name], values) for name, values in now.items() if values]
    found = signs(features, seen)
    said = [verdict(found, waiting), *found]
    for each in features:
        print(f"{each.name:32} {each.psi:6.3f}  n {each.n:,}{'  moved' if each.moved else ''}")
    print("\n".join(said), f"\nPage: {page(options.out, features, given, seen, said)}")


if __name__ == "__main__":
    main()
