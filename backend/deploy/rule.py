"""The rule by which a canary is promoted or taken back, and what each release has done until then.

In this order; the first that holds decides:
1. An alarm of the stage is on: taken back.
2. At least 3 calls of the candidate failed, and more than 1 % of them: taken back.
3. Its rejections are a larger share than the other's, by more than chance and 2 points: taken back.
4. Its corrections are a larger share of what people judged than the other's, by more than chance: taken back.
5. As a shadow: it answers more than 5 % of the same pictures otherwise, by more than chance: taken back.
6. Its median answer takes twice as long as the other's and 100 ms more: taken back.
7. It has not yet given as many answers as were asked for, or not yet for as long: wait.
8. Otherwise: promoted.

"More than chance" is a difference of 2.6 standard errors, which one in a hundred of equal releases shows. Steps 3 to 6
wait for 50 answers of each (10 judgements for 4): with fewer, one person's afternoon would decide.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from statistics import median
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

FAILURES, FAILED_SHARE = 3, 0.01
POINTS = 0.02  # of 1, by which rejections may differ
OTHERWISE = 0.05  # of a shadow's answers; a new model is new because it answers some pictures otherwise
TIMES, MILLISECONDS = 2, 100  # slower than this is felt
ERRORS = 2.6  # standard errors
ENOUGH, ENOUGH_JUDGED = 50, 10
PROMOTE, TAKE_BACK, WAIT = "promote", "take back", "wait"


@dataclass
class Counts:
    """What one release has done; `same` of a shadow's answers were the other's, `ms` is of each request."""

    answers: int = 0
    rejections: int = 0
    failures: int = 0
    judged: int = 0
    corrections: int = 0
    same: int | None = None
    ms: list[float] = field(default_factory=list)

    @property
    def median(self) -> float:
        """Milliseconds that the model took, in half of the requests at most."""
        return median(self.ms) if self.ms else 0.0


class Verdict(NamedTuple):
    """What to do, and why in a sentence."""

    what: str
    why: str


class Patience(NamedTuple):
    """How much there is to be seen of a canary before it is promoted."""

    answers: int = 200
    hours: float = 1.0


def decide(stable: Counts, new: Counts, alarms: Sequence[str], hours: float, patience: Patience) -> Verdict:
    """The rule of this module; the canary has run for `hours`."""
    worse = _broken(new, alarms) or _worse(stable, new)
    if worse:
        return Verdict(TAKE_BACK, worse)
    if new.answers < patience.answers:
        return Verdict(WAIT, f"{new.answers:,} of {patience.answers:,} answers.")
    if hours < patience.hours:
        return Verdict(WAIT, f"{hours:.1f} of {patience.hours:g} hours.")
    return Verdict(PROMOTE, f"{new.answers:,} answers in {hours:.1f} hours, none of the rule's limits passed.")


def _broken(new: Counts, alarms: Sequence[str]) -> str:
    if alarms:
        return f"The alarm {alarms[0]} is on."
    share = new.failures / max(1, new.failures + len(new.ms))
    if new.failures >= FAILURES and share > FAILED_SHARE:
        return f"{new.failures} of its calls failed, {share:.1%}."
    return ""


def _worse(stable: Counts, new: Counts) -> str:
    """What of the candidate is worse than the other's, as far as enough is known."""
    answered = min(stable.answers, new.answers) >= ENOUGH
    judged = min(stable.judged, new.judged) >= ENOUGH_JUDGED
    checks = ((answered, _rejects), (judged, _corrected), (answered, _differs), (answered, _slower))
    return next((said for known, check in checks if known and (said := check(stable, new))), "")


def _rejects(stable: Counts, new: Counts) -> str:
    mine, theirs = new.rejections / new.answers, stable.rejections / stable.answers
    errors = _errors(new.rejections, new.answers, stable.rejections, stable.answers)
    return f"It rejects {mine:.1%}, the other {theirs:.1%}." if mine - theirs > POINTS and errors > ERRORS else ""


def _differs(_: Counts, new: Counts) -> str:
    if new.same is None:
        return ""
    share = 1 - new.same / new.answers
    chance = ERRORS * math.sqrt(OTHERWISE * (1 - OTHERWISE) / new.answers)
    return f"It answers {share:.1%} of the same pictures otherwise." if share > OTHERWISE + chance else ""


def _slower(stable: Counts, new: Counts) -> str:
    mine, theirs = new.median, stable.median
    slow = mine > TIMES * theirs and mine > theirs + MILLISECONDS
    return f"Its median answer takes {mine:.0f} ms, the other's {theirs:.0f}." if slow else ""


def _corrected(stable: Counts, new: Counts) -> str:
    if _errors(new.corrections, new.judged, stable.corrections, stable.judged) <= ERRORS:
        return ""
    mine, theirs = new.corrections / new.judged, stable.corrections / stable.judged
    return f"People correct {mine:.1%} of what they judge of it, of the other {theirs:.1%}."


def _errors(k: int, n: int, other: int, of: int) -> float:
    """By how many standard errors k of n is a larger share than `other` of `of`."""
    both = (k + other) / (n + of)
    error = math.sqrt(both * (1 - both) * (1 / n + 1 / of))
    return (k / n - other / of) / error if error else 0.0
