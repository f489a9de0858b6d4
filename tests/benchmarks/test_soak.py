"""A minute of 16 clients, faults and kills: nothing wrong, nothing lost, no leak. `make siege` goes on for longer."""

from __future__ import annotations

import pytest

from tests.benchmarks import soak

SECONDS = 60


@pytest.mark.slow
def test_a_minute_of_16_clients_with_a_failing_endpoint_and_killed_apis() -> None:
    """Zero wrong, zero lost, and memory within 10 MB of what it was after the first quarter."""
    figures = soak.run(SECONDS)
    assert figures.counts["wrong"] == 0
    assert figures.counts["lost"] == 0
    assert figures.counts["right"] == figures.questions > 20 * SECONDS
    assert figures.kills >= 3
    assert figures.memory[1] - figures.memory[0] < 10
