"""What an evaluation sends and how it counts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from backend.preprocessing import normalise
from training import cases, evaluate
from training.cases import Outcome
from training.data.makers import NOT_A_DIGIT

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("case", [name for name in cases.CASES if name != "slashed zeros"])
def test_every_case_sends_pictures_that_can_be_read(tiny_sources: Path, case: str) -> None:
    for item in range(3):
        sample = cases.CASES[case][0](item)
        assert normalise(sample.picture).max() >= 254
        assert sample.truth == NOT_A_DIGIT or 0 <= sample.truth <= 9
        assert sample.fold in {None, -1, 0, 1, 2, 3, 4}


def test_cases_that_are_named_are_measured_alone(tiny_sources: Path, capsys: pytest.CaptureFixture[str]) -> None:
    evaluate.main(["--cases", "plot", "doodles", "--share", "0"])
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition(", %: ")[0] for line in lines] == ["doodles", "plot"]
    assert all(line.endswith(", n 20") for line in lines)


def test_strangers_come_in_turns_each_group_with_its_own(tiny_sources: Path) -> None:
    digits = cases.strangers("digits")
    assert len({written.writer for written in digits[:6]}) == 6
    assert len(digits) == 60
    assert {written.digit for written in cases.strangers("ones")} == {1}
    assert {written.label for written in cases.strangers("letters")} == set("weH")
    assert {written.label for written in cases.strangers("symbols")} == {"#"}


def test_a_share_carries_wilsons_interval() -> None:
    found = evaluate.share([True] * 95 + [False] * 5)
    assert (found.value, found.n) == (95, 100)
    assert found.interval == pytest.approx((88.825, 97.846), abs=1e-2)
    assert evaluate.share([True] * 50).interval == pytest.approx((92.865, 100), abs=1e-2)


def _outcome(item: int, truth: int, read: int, confidence: float = 0.95, case: str = "others pen 6 px") -> Outcome:
    return Outcome(case, item, truth, read, max(read, 0), confidence, 0.5)


def test_surely_wrong_is_a_digit_misread_or_a_letter_taken_and_no_letter_rejected() -> None:
    assert evaluate.sure([_outcome(0, 3, 5), _outcome(0, 3, 3)]).value == 50
    assert evaluate.sure([_outcome(0, 3, 5, 0.6)]).value == 0
    assert evaluate.sure([_outcome(0, NOT_A_DIGIT, 5)]).value == 100
    assert evaluate.sure([_outcome(0, NOT_A_DIGIT, NOT_A_DIGIT)]).value == 0


def test_a_person_counts_once_however_much_they_wrote(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluate, "writer_of", lambda outcome: "one" if outcome.item < 9 else "another")
    outcomes = [_outcome(item, 3, 3 if item < 9 else 5) for item in range(10)]
    assert evaluate.right(outcomes).value == 90
    assert evaluate.by_person(outcomes).value == 50


def test_the_table_has_a_cell_for_each_kind_of_people() -> None:
    row = evaluate.Row("pen 6 px, %", 99, True, evaluate.Figure(99.5, 1000, (98.9, 99.8)), evaluate.Figure(98.1, 20))
    assert evaluate.markdown([row]).splitlines()[-1] == (
        "| pen 6 px, % | at least 99 | 99.50 (98.9 to 99.8), n 1,000 ✓ | 98.10, n 20 ✗ |"
    )
