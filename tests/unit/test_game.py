"""Play's rounds: the marks, the clock, and the drawing that fooled the model."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.unit.test_page import PREDICTION, REJECTED
from ui import game
from ui.client import Unreachable
from ui.game import LEAD, SECONDS, Mark, Round
from ui.visit import Answer, Picture


class Clock:
    """A clock that stands where a test puts it."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(game, "monotonic", clock)
    return clock


def read_as(label: str | None, confidence: float = 0.9) -> Answer:
    prediction = replace(PREDICTION, label=label, confidence=confidence) if label else REJECTED
    return Answer(Picture(f"{label}{confidence}".encode()), prediction, 0.1)


def test_each_of_the_ten_digits_is_asked_for_once_in_an_order_of_its_own(clock: Clock) -> None:
    orders = {tuple(Round().digits) for _ in range(20)}
    assert len(orders) == 20
    assert {"".join(sorted(order)) for order in orders} == {"0123456789"}


def test_ten_right_drawings_end_the_round_before_its_time(clock: Clock) -> None:
    one = Round()
    clock.now += LEAD
    sheets = set()
    for digit in one.digits:
        sheets.add(one.sheet)
        clock.now += 1.5
        one.read(read_as(digit))
    assert (one.score, one.seconds, one.over, len(sheets)) == (10, 15.0, True, 10)
    assert one.fooled is None


def test_a_wrong_reading_is_no_mark_and_the_drawing_goes_on(clock: Clock) -> None:
    one = Round(digits=list("43"))
    one.read(read_as("1"))
    one.read(read_as(None))
    assert (one.marks, one.wanted) == ([], "4")
    one.read(read_as("4"))
    assert one.marks == [Mark("4", read_as("4"))]
    assert one.wanted == "3"


def test_a_drawing_that_is_skipped_is_marked_as_it_was_read(clock: Clock) -> None:
    one = Round(digits=list("43"))
    one.read(read_as("9"))
    one.skip()
    one.skip()
    assert [(mark.wanted, mark.right, mark.answer and mark.answer.prediction.label) for mark in one.marks] == [
        ("4", False, "9"),
        ("3", False, None),
    ]
    assert one.over
    assert one.score == 0


def test_the_drawing_that_fooled_it_is_the_one_it_was_surest_of(clock: Clock) -> None:
    one = Round(digits=list("4372"))
    one.read(read_as("9", 0.6))
    one.clear()
    one.read(read_as("6", 0.95))
    one.skip()
    one.read(read_as(None))
    one.skip()
    one.read(read_as("7"))
    one.read(read_as("1", 0.7))
    one.skip()
    assert one.fooled == Mark("4", read_as("6", 0.95))


def test_the_clock_ends_the_round_and_stands_still_while_the_model_reads(clock: Clock) -> None:
    one = Round()
    clock.now += LEAD + 20
    one.pause(5)
    clock.now += 15
    one.tick()
    assert not one.over, "30 seconds of drawing are not over"
    clock.now += 0.6
    one.tick()
    assert one.over
    assert one.seconds == SECONDS


@pytest.mark.parametrize(("since", "fooled"), [(1.0, False), (3.0, True)])
def test_a_drawing_that_time_cut_short_has_fooled_nobody(clock: Clock, since: float, fooled: bool) -> None:
    one = Round(digits=list("43"))
    clock.now += LEAD + SECONDS + 1 - since
    one.read(read_as("1"))
    clock.now += since
    one.tick()
    assert one.over
    assert (one.fooled is not None) is fooled


def test_without_the_clock_no_time_ends_it(clock: Clock) -> None:
    one = Round(timed=False)
    clock.now += LEAD + 3600
    one.tick()
    assert (one.over, one.seconds) == (False, 3600.0)


def test_a_model_that_does_not_answer_ends_the_round(clock: Clock) -> None:
    one = Round()
    one.stop(Unreachable("x"))
    assert one.over
    assert isinstance(one.error, Unreachable)
