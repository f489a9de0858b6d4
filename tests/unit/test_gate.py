"""The gate: what may take another model's place, and which rule says no."""

from __future__ import annotations

from typing import Any

import pytest

from backend.deploy import gate
from backend.deploy.gate import Change, refusals

SERVING: dict[str, Any] = {
    "version": "2026.11.6",
    "labels": list("0123456789"),
    "metrics": {"test": 0.996, "unseen pen": 0.98},
    "measured_on": {"test": 10_000, "unseen pen": 60_000},
}
GOOD = {"n": 40, "gained": 12, "lost": 0, "contradicted": 0.05}


def improved(*gates: Change, **feedback: Any) -> dict[str, Any]:
    measured = {"instead_of": "2026.11.6", "gates": [one._asdict() for one in gates], "feedback": GOOD | feedback}
    return SERVING | {"version": "2026.11.7", "improved": measured}


def test_the_same_figures_pass() -> None:
    assert refusals(SERVING | {"version": "2026.11.7"}, SERVING) == []


def test_a_measure_that_is_lower_by_more_than_chance_and_seeds_is_refused_with_its_name_and_by_how_much() -> None:
    worse = SERVING | {"metrics": {"test": 0.996, "unseen pen": 0.97}}
    (said,) = refusals(worse, SERVING)
    assert said.startswith("measures: unseen pen 0.98 -> 0.97, n 60,000, lower by 0.0100")
    assert gate.RULES["measures"]["why"] in said


def test_what_another_seed_does_and_what_few_pictures_show_is_no_fall() -> None:
    assert refusals(SERVING | {"metrics": {"unseen pen": 0.9785}}, SERVING) == []
    few = {"metrics": {"unseen pen": 0.96}, "measured_on": {"unseen pen": 100}}
    assert refusals(SERVING | few, SERVING | few | {"metrics": {"unseen pen": 0.98}}) == []


def test_a_card_without_counts_counts_the_pictures_of_the_kind() -> None:
    old = {name: value for name, value in SERVING.items() if name != "measured_on"} | {"data": {"pen": 60_000}}
    worse = old | {"metrics": {"unseen pen": 0.97}}
    assert len(refusals(worse, old)) == 1


def test_other_labels_or_no_model_at_all_leave_nothing_to_lose() -> None:
    assert refusals(SERVING | {"metrics": {"test": 0.1}}, SERVING | {"labels": ["Sneaker"]}) == []
    assert refusals(SERVING | {"metrics": {"test": 0.1}}, {}) == []


def test_an_improved_model_is_judged_by_the_same_pictures_and_no_tenth_is_forgiven() -> None:
    fall = Change("pen 6 px, %", 99.4, 99.3, 7494, -0.1, 0.02)
    (said,) = refusals(improved(fall), SERVING)
    assert said.startswith("gates: pen 6 px, % 99.4 -> 99.3, n 7,494, worse by 0.1")
    assert refusals(improved(fall._replace(error=0.09)), SERVING) == []


def test_a_little_everywhere_is_seen_in_all_of_it_together() -> None:
    """Each gate's fall is within its chance; the pool's is not."""
    little = [Change(f"gate {n}", 99.4, 99.3, 1000, -0.1, 0.06) for n in range(40)]
    pool = Change(gate.TOGETHER[0], 99.4, 99.3, 40_000, -0.1, 0.01)
    (said,) = refusals(improved(*little, pool), SERVING)
    assert said.startswith("together: all digits")


@pytest.mark.parametrize(("gained", "lost", "passes"), [(5, 0, True), (4, 0, False), (9, 1, True), (0, 0, False)])
def test_feedback_must_be_read_better_than_chance_would(gained: int, lost: int, passes: bool) -> None:
    said = refusals(improved(gained=gained, lost=lost), SERVING)
    assert bool(said) != passes
    assert all(line.startswith("feedback: of 40 drawings held out") for line in said)


def test_a_source_that_contradicts_every_network_is_not_learnt_from() -> None:
    (said,) = refusals(improved(contradicted=0.6), SERVING)
    assert said.startswith("contradicted: 60% of the labels")


def test_an_improved_model_beside_a_third_one_is_judged_by_the_cards() -> None:
    """What it was measured against does not serve: its gates say nothing of what does."""
    fall = Change("pen 6 px, %", 99.4, 90, 7494, -9.4, 0.02)
    assert refusals(improved(fall), SERVING | {"version": "2026.11.5"}) == []


def test_a_person_may_overrule_the_gate_and_the_card_says_so() -> None:
    worse = SERVING | {"metrics": {"unseen pen": 0.97}}
    assert refusals(worse, SERVING)
    assert refusals(worse | {"forced": refusals(worse, SERVING)}, SERVING) == []


def test_every_rule_has_its_reason() -> None:
    assert all(rule["why"] for rule in gate.RULES.values())
