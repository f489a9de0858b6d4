"""The rule that promotes a canary or takes it back: each limit on both sides, and how often it errs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from backend.deploy.evidence import count
from backend.deploy.rule import Counts, Patience, decide

OLD = Counts(answers=5000, rejections=100, judged=200, corrections=20, ms=[40.0] * 5000)
NEW = Counts(answers=500, rejections=10, judged=100, corrections=10, ms=[40.0] * 500)
PATIENCE = Patience(answers=200, hours=1)


def judged(new: Counts, old: Counts = OLD, hours: float = 2, alarms: tuple[str, ...] = ()) -> str:
    return decide(old, new, alarms, hours, PATIENCE).what


def test_one_as_good_is_promoted() -> None:
    assert judged(NEW) == "promote"


def test_better_in_everything_is_promoted() -> None:
    assert judged(replace(NEW, rejections=0, corrections=0, ms=[1.0] * 500)) == "promote"


def test_it_waits_for_answers_and_for_time() -> None:
    assert judged(replace(NEW, answers=199, rejections=4)) == "wait"
    assert judged(NEW, hours=0.9) == "wait"


@pytest.mark.parametrize(
    ("changed", "what"),
    [
        ({"failures": 2}, "promote"),
        ({"failures": 6}, "take back"),
        ({"rejections": 16}, "promote"),
        ({"rejections": 30}, "take back"),
        ({"corrections": 18}, "promote"),
        ({"corrections": 35}, "take back"),
        ({"same": 480}, "promote"),
        ({"same": 440}, "take back"),
        ({"ms": [130.0] * 500}, "promote"),
        ({"ms": [150.0] * 500}, "take back"),
    ],
)
def test_each_limit_on_both_sides(changed: dict[str, object], what: str) -> None:
    assert judged(replace(NEW, **changed)) == what


def test_an_alarm_decides_before_anything_else() -> None:
    assert decide(OLD, NEW, ["stage-slow"], 0, PATIENCE) == ("take back", "The alarm stage-slow is on.")


def test_few_answers_take_nothing_back() -> None:
    few = Counts(answers=20, rejections=8, judged=9, corrections=9, ms=[900.0] * 20)
    assert judged(few) == "wait"


def test_nothing_at_all_waits() -> None:
    assert judged(Counts(), Counts(), hours=0) == "wait"


def test_of_equal_releases_one_in_a_hundred_is_taken_back_and_most_worse_ones_are() -> None:
    """1,000 canaries of 500 answers beside 4,500: 2 % rejected by both; then 2 and 8 %."""
    rng = np.random.default_rng(1)

    def taken_back(share: float) -> int:
        old, new = rng.binomial(4500, 0.02, 1000), rng.binomial(500, share, 1000)
        pairs = zip(old.tolist(), new.tolist(), strict=True)
        return sum(
            judged(Counts(500, mine, ms=[1.0]), Counts(4500, theirs, ms=[1.0])) == "take back" for theirs, mine in pairs
        )

    assert taken_back(0.02) <= 10
    assert taken_back(0.08) >= 980


def line(asked: str, **more: object) -> dict[str, object]:
    about = {"status": 200, "rejections": 0, "label": "7", "timing_ms": {"inference": 5.0}}
    return about | {"canary": {"asked": asked}} | more


def test_the_log_is_counted_by_who_was_asked() -> None:
    both = {"asked": "both", "answers": 2, "same": 1, "rejections": 1, "ms": 8.0}
    records = [
        line("stable"),
        line("stable", label=None, rejections=1),
        line("stable", labels={"1": 3, "rejected": 1}, rejections=1),
        line("stable", status=503, problem="model-unavailable"),
        line("candidate"),
        line("candidate", canary={"asked": "candidate", "failed": "ModelTimeout"}),
        line("candidate", canary={"asked": "candidate", "failed": "ModelStarting"}),
        line("nobody"),
        line("both", canary=both),
        {"status": 201, "judged": {"model": "digits 1", "right": True}},
        {"status": 201, "judged": {"model": "digits 2", "right": False}},
        {"status": 201, "judged": {"model": "digits 0", "right": False}},
        {"status": 200},
    ]
    found = count(records, "1", "2")
    assert (found.stable.answers, found.stable.rejections, found.stable.failures) == (7, 2, 1)
    assert (found.stable.judged, found.stable.corrections) == (1, 0)
    assert (found.new.answers, found.new.rejections, found.new.failures, found.new.same) == (3, 1, 1, 1)
    assert (found.new.judged, found.new.corrections, found.new.ms) == (1, 1, [5.0, 8.0])
