"""What an improvement found, for a person's eyes: the sheet to review, and the report with its pictures."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from backend import contract
from backend.deploy.gate import Change
from training import charts
from training.cases import PEN_WIDTHS
from training.data.makers import NOT_A_DIGIT
from training.evaluate import as_seen, right

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from training.cases import Outcome
    from training.data.feedback import Given
    from training.screening import Screened

SHOWN = 60  # pictures of a sheet


class Reading(NamedTuple):
    """A drawing that was held out, and what each model reads: a label, or "not_a_digit"."""

    given: Given
    before: str
    after: str

    @property
    def before_right(self) -> bool:
        """Whether what stood reads what the person said."""
        return self.before == self.given.label

    @property
    def after_right(self) -> bool:
        """Whether the candidate does."""
        return self.after == self.given.label


def stacked(given: Sequence[Given]) -> NDArray[np.uint8]:
    """(n, 28, 28)."""
    return np.stack([each.x for each in given])


def short(label: str | int) -> str:
    """A label as it fits below a thumbnail."""
    return "none" if label in (contract.NOT_A_DIGIT, NOT_A_DIGIT) else str(label)


def review(given: Iterable[Given], screened: Screened, folder: Path) -> None:
    """screened.json, and the drawings that a person should look at as review.png and review.txt."""
    doubted = [each for each in given if each.id in screened.review]
    (folder / "screened.json").write_text(
        json.dumps({"review": screened.review, "left out": screened.left_out}, indent=1, ensure_ascii=False)
    )
    (folder / "review.txt").write_text("".join(f"{each.id}  {screened.review[each.id]}\n" for each in doubted))
    if doubted:
        lines = [(each.x, f"{each.id[:6]} “{short(each.label)}”") for each in doubted[:SHOWN]]
        heading = f"{len(lines)} of {len(doubted)} labels that all networks contradict: id, and the label given"
        charts.sheet(lines, folder / "review.png", heading)


class Measured(NamedTuple):
    """Both models on the gates' pictures, before and after, and on the drawings held out."""

    before: list[Outcome]
    after: list[Outcome]
    judged: list[Reading]


def report(folder: Path, card: dict[str, Any], screened: Screened, measured: Measured, refused: list[str]) -> None:
    """report.md, changed.png and feedback.png in `folder`."""
    _draw(folder, measured)
    parts = (
        _head(card, screened, refused),
        _gates([Change(**each) for each in card["improved"]["gates"]]),
        _digits(measured),
        _pictures(folder),
    )
    (folder / "report.md").write_text("\n\n".join(parts) + "\n")


def _draw(folder: Path, measured: Measured) -> None:
    before, after, judged = measured
    moved = [(then, now) for then, now in zip(before, after, strict=True) if then.read != now.read]
    shown = [
        (as_seen(then), f"{short(then.truth)}: {short(then.read)} → {short(now.read)}") for then, now in moved[:SHOWN]
    ]
    if shown:
        charts.sheet(shown, folder / "changed.png", f"{len(shown)} of {len(moved)} answers that changed")
    lines = [
        (each.given.x, f"{short(each.given.label)}: {short(each.before)} → {short(each.after)}") for each in judged
    ]
    charts.sheet(lines[:SHOWN], folder / "feedback.png", "drawings held out: label: before → after")


def _head(card: dict[str, Any], screened: Screened, refused: list[str]) -> str:
    lineage, given = card["lineage"], card["improved"]["feedback"]
    verdict = "\n".join(f"- refused: {line}" for line in refused) or "- The gate found nothing against it."
    left_out = Counter(why.partition(" (")[0] for why in screened.left_out.values())
    reasons = "".join(f"\n- left out, {n}: {why}" for why, n in sorted(left_out.items())[:20])
    return f"""# {card["version"]} in place of {lineage["instead_of"]}
{verdict}

Fine-tuned from {lineage["parent"]} on {lineage["learnt"]} drawings; {lineage["corrections"]} of them are corrections.
Of {given["n"]} drawings held out it reads {lineage["reads"]:.1%}, where {lineage["instead_of"]} reads
{lineage["read"]:.1%}: {given["gained"]} gained, {given["lost"]} lost. Digest of what was learnt:
`{lineage["feedback"]}`.

Screened by {card["screened_by"]}. {len(screened.review)} labels ({given["contradicted"]:.1%}) that are contradicted
wait for a person's eyes (`review.png`); `--accept ID` takes one in.{reasons}"""


GATES = """## Every gate
The same pictures for both. Both models have learnt from these people, so that the change counts and not the figures,
which are better than strangers'. The interval is the single gate's, 95 %.

| gate | before | after | n | better by | interval |
|---|---:|---:|---:|---:|---|"""
EACH_DIGIT = """## Each digit
| digit | gates before, % | after, % | held out, right before | after | of |
|---|---:|---:|---:|---:|---:|"""


def _gates(changes: list[Change]) -> str:
    rows = [
        f"| {one.measure} | {one.before:.4g} | {one.after:.4g} | {one.n:,} | {one.change:+.3g} | "
        f"{one.change - 1.96 * one.error:+.3g} to {one.change + 1.96 * one.error:+.3g} |"
        for one in changes
    ]
    return "\n".join((GATES, *rows))


def _digits(measured: Measured) -> str:
    """Read rightly of each digit, on the canvas and of what was held out."""
    rows = []
    for digit in (*range(10), NOT_A_DIGIT):
        pens = [f"{right(mine).value:.2f}" if (mine := _of(digit, each)) else "" for each in measured[:2]]
        held_out = [each for each in measured.judged if short(each.given.label) == short(digit)]
        counts = sum(each.before_right for each in held_out), sum(each.after_right for each in held_out), len(held_out)
        rows.append(f"| {short(digit)} | {' | '.join(map(str, (*pens, *counts)))} |")
    return "\n".join((EACH_DIGIT, *rows))


def _of(digit: int, outcomes: list[Outcome]) -> list[Outcome]:
    """On the page's canvas; of what is none, everything."""
    cases = (*PEN_WIDTHS, *(f"others {width}" for width in PEN_WIDTHS))
    return [one for one in outcomes if one.truth == digit and (digit == NOT_A_DIGIT or one.case in cases)]


def _pictures(folder: Path) -> str:
    names = {"changed": "Answers that changed", "feedback": "Held out", "review": "To review"}
    there = [f"![{text}]({name}.png)" for name, text in names.items() if (folder / f"{name}.png").exists()]
    return "## Pictures\n" + "\n\n".join(there)
