"""The gate: whether a model may take another's place. Asked by training.export, training.improve and `up`.

The rules and their reasons stand in gate.json. All that is asked for stands in the two cards, so that whoever has both
comes to the same verdict. Standard library only.
"""

from __future__ import annotations

import json
from math import comb, sqrt
from pathlib import Path
from statistics import NormalDist
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

RULES: dict[str, dict[str, Any]] = json.loads(Path(__file__).with_suffix(".json").read_text(encoding="utf-8"))
TOGETHER = ("all digits", "all that is no digit")  # the gates that pool the others
Card = dict[str, Any]


class Change(NamedTuple):
    """What one measure became: shares or errors before and after, and `change`, above 0 where it is for the better.

    `error` is the standard error of `change`, `n` how many pictures it is of.
    """

    measure: str
    before: float
    after: float
    n: int
    change: float
    error: float

    def most(self, chance: float) -> float:
        """The upper end of the change's one-sided interval."""
        return self.change + NormalDist().inv_cdf(1 - chance) * self.error


def refusals(candidate: Card, serving: Card) -> list[str]:
    """Why the candidate may not take the serving model's place, a sentence for each rule broken; empty: it may.

    A candidate that was improved from feedback names in `improved` whose place it was measured for. Without a serving
    model, or beside one of other labels, there is nothing to lose. `forced` in a card overrules: a person wanted it.
    """
    if candidate.get("forced"):
        return []
    improved = candidate.get("improved") or {}
    found = list(_feedback(improved["feedback"])) if improved else []
    if not serving or candidate["labels"] != serving.get("labels"):
        return found
    if improved and improved["instead_of"] == serving["version"]:
        return [*found, *_gates([Change(**each) for each in improved["gates"]])]
    return [*found, *_measures(candidate, serving)]


def _gates(changes: list[Change]) -> Iterator[str]:
    """Measured on the same pictures."""
    single = [change for change in changes if change.measure not in TOGETHER]
    for rule, group in (("gates", single), ("together", [one for one in changes if one.measure in TOGETHER])):
        chance = RULES[rule]["chance"] / max(1, len(group))
        for one in group:
            if one.most(chance) < 0:
                yield _say(rule, one, f"worse by {-one.change:.4g}, at least {-one.most(chance):.4g}")


def _measures(candidate: Card, serving: Card) -> Iterator[str]:
    """Measured apart from each other."""
    rule = RULES["measures"]
    shared = [name for name in candidate.get("metrics", {}) if name in serving.get("metrics", {})]
    for name in shared:
        now, then = candidate["metrics"][name], serving["metrics"][name]
        counts = _count(candidate, name), _count(serving, name)
        error = sqrt(sum(p * (1 - p) / max(1, n) for p, n in zip((now, then), counts, strict=True)))
        change = Change(name, then, now, min(counts), now - then + rule["tenth"] * (1 - then), error)
        if change.most(rule["chance"] / len(shared)) < 0:
            yield _say("measures", change, f"lower by {then - now:.4f}, which neither chance nor a seed explains")


def _count(card: Card, name: str) -> int:
    """How many pictures a metric is of; cards of before this was noted say how many pictures of its kind there were."""
    if name in card.get("measured_on", {}):
        return int(card["measured_on"][name])
    known = {"test": "mnist-test"}.get(name, name.removeprefix("unseen "))
    return int(card.get("data", {}).get(known, 1000))


def _feedback(given: dict[str, Any]) -> Iterator[str]:
    """What people said: gained and lost of what was held out, and how much of it all networks contradict."""
    rule, trust = RULES["feedback"], RULES["contradicted"]
    if given["contradicted"] > trust["most"]:
        said = f"{given['contradicted']:.0%} of the labels contradict every network, {trust['most']:.0%} at most may"
        yield f"contradicted: {said} ({trust['why']})."
    p = sign_test(given["gained"], given["lost"])
    if p > rule["chance"]:
        said = f"of {given['n']} drawings held out {given['gained']} were gained and {given['lost']} lost"
        yield f"feedback: {said}; chance alone does that in {p:.0%} of cases ({rule['why']})."


def sign_test(gained: int, lost: int) -> float:
    """The chance of so many gains or more, were gains and losses as likely (one-sided, exact)."""
    n = gained + lost
    return float(sum(comb(n, k) for k in range(gained, n + 1)) / 2**n)


def _say(rule: str, one: Change, by: str) -> str:
    return f"{rule}: {one.measure} {one.before:.4g} -> {one.after:.4g}, n {one.n:,}, {by} ({RULES[rule]['why']})."
