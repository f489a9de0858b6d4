"""What improving is worth to people: `python -m training.campaign --folds runs/fold-*` measures it on strangers.

Each fold's network has never seen its writers. Their drawings are parted in two. The six of them whom it misreads most
on the first half correct these drawings and confirm as many, 30 at most each, through the API; the network is improved
as `training.improve` does it; then the second halves are read, theirs and all others' of the fold, before and after.
With --lies a share of the labels is replaced by others.
"""

from __future__ import annotations

import argparse
import sys
from base64 import b64encode
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from backend import contract
from backend.app import create_app
from backend.deploy.gate import refusals, sign_test
from backend.predictors import EmbeddedPredictor
from backend.preprocessing import normalise
from backend.stores import open_store
from training import improve
from training.cases import on_canvas, on_sheet
from training.data import feedback, strokes
from training.data.datasets import DIGITS, on_all_cores
from training.data.pictures import encode
from training.data.readers import pen, people, writer_fold
from training.data.sources import DataError
from training.evaluate import share
from training.export import read_card
from training.screening import answered
from training.train import plan_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from training.data.strokes import Drawing

WRITERS, GIVEN, LEAST = 6, 30, 40  # people of a fold, drawings of each, drawings without which nobody takes part
WIDTHS = (6, 12, 20, 28)  # pixels of the pen, which each drawing of the second half is read with
GIVEN_WIDTH = 12


class Written(NamedTuple):
    """A stranger's digit, as the page would send it."""

    who: str
    digit: int
    drawing: Drawing
    pen: bool


def strangers(fold: int) -> dict[str, list[Written]]:
    """Who of the pen writers and of UNIPEN's people a fold's network never saw, with all that they wrote."""
    found: dict[str, list[Written]] = {}
    for drawing, digit, writer in pen():
        if writer_fold(writer) == fold:
            found.setdefault(f"pen {writer}", []).append(Written(f"pen {writer}", digit, drawing, pen=True))
    for each in people():
        if each.fold == fold:
            found.setdefault(each.writer, []).append(Written(each.writer, each.digit, each.drawing, pen=False))
    return {who: written for who, written in sorted(found.items()) if len(written) >= LEAST}


class Shown(NamedTuple):
    """A drawing with a pen of so many pixels; `number` seeds its place and size."""

    written: Written
    number: int
    width: int


def picture(shown: Shown) -> bytes:
    """The PNG that the page would send; a pen writer's as large and where it was written."""
    written, number, width = shown
    if written.pen:
        return encode(strokes.draw(on_canvas(written.drawing), width))
    return on_sheet(width)(written.drawing, np.random.default_rng([13, number]))


def _normalised(shown: Shown) -> NDArray[np.uint8]:
    return normalise(picture(shown))


def wrong(artifact: Path, shown: Sequence[Shown], x: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """(n,): which drawings a model misreads or rejects."""
    said = answered(EmbeddedPredictor(artifact), x)
    return np.array([read != DIGITS[each.written.digit] for read, each in zip(said, shown, strict=True)])


def pictures(shown: Sequence[Shown]) -> NDArray[np.uint8]:
    """(n, 28, 28)."""
    return np.stack(list(on_all_cores(_normalised, shown, chunk=100)))


def give(place: Path, artifact: Path, given: Sequence[Shown], lies: float) -> None:
    """Send drawings with their labels through the API, as the page does; a share of `lies` gets another label."""
    client = create_app({"feedback": str(place)}, EmbeddedPredictor(artifact)).test_client()
    rng = np.random.default_rng(29)
    for each in given:
        data = picture(each)
        answer = client.post(contract.PREDICTIONS, data=data, content_type="image/png").get_json()
        said = {name: answer[name] for name in ("label", "confidence", "model")}
        lie = rng.random() < lies
        label = DIGITS[(each.written.digit + int(rng.integers(1, 10))) % 10 if lie else each.written.digit]
        body = {"image": b64encode(data).decode(), "label": label, "consent": True, "prediction": said}
        status = client.post(contract.FEEDBACK, json=body).status_code
        if status != 201:
            raise DataError(f"the API answered {status} to feedback")


def chosen(artifact: Path, first: Sequence[Shown]) -> tuple[list[str], list[Shown]]:
    """The six who are misread most on the first half; what they correct, and as many that they confirm."""
    missed = wrong(artifact, first, pictures(first))
    counts: dict[str, int] = {}
    for each, bad in zip(first, missed, strict=True):
        counts[each.written.who] = counts.get(each.written.who, 0) + int(bad)
    writers = sorted(counts, key=lambda who: (-counts[who], who))[:WRITERS]
    given = []
    for who in writers:
        mine = [(each, bad) for each, bad in zip(first, missed, strict=True) if each.written.who == who]
        corrected = [each for each, bad in mine if bad][: GIVEN // 2]
        given += corrected + [each for each, bad in mine if not bad][: len(corrected)]
    return writers, given


class Result(NamedTuple):
    """One fold: what was given and learnt, and the errors of the second halves before and after, of (n,) each."""

    fold: int
    given: int
    corrected: int
    learnt: int
    review: int
    six: tuple[NDArray[np.bool_], NDArray[np.bool_]]
    others: tuple[NDArray[np.bool_], NDArray[np.bool_]]
    refused: list[str]


def run(fold: int, artifact: Path, folder: Path, lies: float, gates: float) -> Result:
    """Let six strangers of a fold's network correct it, and read everybody's other drawings before and after."""
    halves: tuple[list[Shown], list[Shown]] = ([], [])
    for written in strangers(fold).values():
        for number, each in enumerate(written):
            halves[number % 2].append(Shown(each, number, GIVEN_WIDTH))
    writers, given = chosen(artifact, halves[0])
    place = folder / f"fold-{fold}-lies-{lies:g}"
    if not place.exists():  # a second run finds the same drawings under the same ids
        give(place, artifact, given, lies)
    wanted = improve.Wanted(str(place), artifact, artifact, (artifact,), share=gates, held_out_fold=fold)
    this = improve.begin(wanted)
    improve.teach(this)
    card = improve.judge(this)
    theirs = [each._replace(width=w) for each in halves[1] if each.written.who in writers for w in WIDTHS]
    others = [each for each in halves[1] if each.written.who not in writers]
    read = []
    for part in (theirs, others):
        x = pictures(part)
        read.append((wrong(artifact, part, x), wrong(this.candidate, part, x)))
    corrected = sum(each.corrects for each in feedback.look(open_store(str(place))).given)
    counts = (len(given), corrected, len(this.screened.learn), len(this.screened.review))
    return Result(fold, *counts, read[0], read[1], refusals(card, read_card(artifact)))


def fall(before: NDArray[np.bool_], after: NDArray[np.bool_]) -> tuple[float, float, float]:
    """By how many percent the errors fell, and the 95 % interval of a bootstrap over drawings, their pens together."""
    groups = len(before) // len(WIDTHS)
    then, now = (each.reshape(groups, -1).sum(axis=1) for each in (before, after))
    rows = np.random.default_rng(3).integers(groups, size=(2000, groups))
    sums = then[rows].sum(axis=1), now[rows].sum(axis=1)
    falls = 100 * (1 - sums[1] / np.maximum(1, sums[0]))
    low, high = np.quantile(falls, [0.025, 0.975])
    return 100 * (1 - now.sum() / max(1, then.sum())), float(low), float(high)


def line(found: Result) -> str:
    """A fold's row of the table."""
    (then, now), (others_then, others_now) = found.six, found.others
    down, low, high = fall(then, now)
    gained, lost = int(np.sum(others_then & ~others_now)), int(np.sum(~others_then & others_now))
    rates = " → ".join(f"{share(~each).value:.2f}" for each in (others_then, others_now))
    cells = (
        found.fold,
        f"{found.given} ({found.corrected})",
        f"{found.learnt}, {found.review}",
        f"{then.sum()} → {now.sum()} of {len(then):,}",
        f"{down:.0f} % ({low:.0f} to {high:.0f})",
        f"{rates} %, n {len(others_then):,}, +{gained} -{lost}, p {sign_test(lost, gained):.2f}",
        "; ".join(why.partition(":")[0] for why in found.refused) or "passed",
    )
    return f"| {' | '.join(map(str, cells))} |"


HEAD = """| fold | given (corrected) | learnt, review | their other drawings misread | fewer by | all others | gate |
|---|---|---|---|---|---|---|"""


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m training.campaign", description=str(__doc__).splitlines()[0])
    parser.add_argument("--folds", type=Path, nargs="+", required=True, help="runs/fold-0 ..., each with its artifact")
    parser.add_argument("--lies", type=float, default=0.0, help="share of the labels that are wrong")
    parser.add_argument("--gates", type=float, default=0.05, help="share of each gate's pictures")
    parser.add_argument("--out", type=Path, default=Path("runs/campaign"))
    options = parser.parse_args(arguments)
    print(HEAD)
    try:
        for folder in options.folds:
            found = run(plan_of(folder).fold, folder / "artifact", options.out, options.lies, options.gates)
            print(line(found), *(f"  {why}" for why in found.refused), sep="\n", flush=True)
    except (DataError, OSError, ValueError) as error:
        sys.exit(f"not measured: {error}")


if __name__ == "__main__":
    main()
