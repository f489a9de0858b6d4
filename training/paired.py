"""Two models on the same pictures: what each measure of training.evaluate became, and chance's part in it.

The error is the delete-a-group jackknife's (Quenouille 1956) over twenty groups of drawings, so that every measure has
one, shares, differences and calibration alike, and the pictures of one drawing go together.
"""

from __future__ import annotations

from math import sqrt
from typing import TYPE_CHECKING

from backend.deploy.gate import TOGETHER, Change
from training.data.makers import NOT_A_DIGIT
from training.evaluate import right, table

if TYPE_CHECKING:
    from training.cases import Outcome
    from training.evaluate import Figure

GROUPS = 20


def changes(before: list[Outcome], after: list[Outcome]) -> list[Change]:
    """Every measure of the table, and all digits and all non-digits pooled; of the same pictures in the same order."""
    whole = _change(before, after)
    parts = [_change(_but(before, group), _but(after, group)) for group in range(GROUPS)]
    found = []
    for name, (then, now, change) in whole.items():
        replicates = [part[name][2] if name in part else change for part in parts]
        mean = sum(replicates) / GROUPS
        error = sqrt((GROUPS - 1) / GROUPS * sum((each - mean) ** 2 for each in replicates))
        found.append(Change(name, then.value, now.value, now.n, change, error))
    return found


def _but(outcomes: list[Outcome], group: int) -> list[Outcome]:
    return [outcome for outcome in outcomes if outcome.item % GROUPS != group]


def _change(before: list[Outcome], after: list[Outcome]) -> dict[str, tuple[Figure, Figure, float]]:
    """Measure -> before, after, and the difference, above 0 for the better."""
    then, now = _figures(before), _figures(after)
    return {
        name: (then[name][0], figure, (1 if more else -1) * (figure.value - then[name][0].value))
        for name, (figure, more) in now.items()
        if name in then
    }


def _figures(outcomes: list[Outcome]) -> dict[str, tuple[Figure, bool]]:
    """Measure -> its figure, and whether more of it is better."""
    found = {}
    for row in table(outcomes):
        for whose, figure in (("", row.like), (" (others)", row.others)):
            if figure:
                found[row.what.strip() + whose] = (figure, row.at_least)
    for name, strange in zip(TOGETHER, (False, True), strict=True):
        mine = [outcome for outcome in outcomes if (outcome.truth == NOT_A_DIGIT) == strange]
        if mine:
            found[name] = (right(mine), True)
    return found
