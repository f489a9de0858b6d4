"""The simulation behind ARCHITECTURE.md's figures agrees with the formula that it checks."""

from __future__ import annotations

import pytest

from tests.benchmarks.simulation import Deployment, needed, refused, simulate


@pytest.mark.parametrize(("load", "slots"), [(8.0, 10), (180.0, 200), (220.0, 200)])
def test_simulated_refusals_agree_with_erlangs_formula(load: float, slots: int) -> None:
    seconds = 0.1
    deployment = Deployment(seconds, 0, lambdas=slots, gateway=10**9)
    assert simulate(deployment, load / seconds, 40_000)["lambda"] == pytest.approx(refused(load, slots), abs=0.015)


def test_erlangs_formula_gives_the_textbooks_value() -> None:
    """One slot, load 1: half are refused. Ten slots, load 5: 1.838 %."""
    assert refused(1, 1) == pytest.approx(0.5)
    assert refused(5, 10) == pytest.approx(0.018385, abs=1e-6)


def test_slots_needed_refuse_at_most_one_in_a_thousand_and_one_fewer_does_not_do() -> None:
    slots = needed(34.0)
    assert refused(34.0, slots) <= 0.001 < refused(34.0, slots - 1)


def test_a_gateway_lets_through_no_more_than_its_quota() -> None:
    assert simulate(Deployment(0.001, 0), 100_000)["gateway"] == pytest.approx(0.9)
