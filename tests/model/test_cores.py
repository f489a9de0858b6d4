"""Pictures made on all cores: by real processes, and when one of them is killed or nobody reads on."""

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING

import pytest

from training.data.datasets import on_all_cores
from training.data.sources import DataError

if TYPE_CHECKING:
    from pathlib import Path


OF_THE_CALLER: list[int] = []


def _square(n: int) -> tuple[int, int, int]:
    return n * n, os.getpid(), len(OF_THE_CALLER)


def _killed_at_3(n: int) -> int:
    if n == 3:
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(60)
    return n


def _touched(file: Path) -> str:
    time.sleep(0.01)
    file.touch()
    return file.name


def _missing(n: int) -> int:
    raise DataError(f"{n} is missing")


def test_results_come_in_order_from_processes_that_inherit_nothing_of_the_caller(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of a caller in which TensorFlow runs, a forked process would inherit half-dead threads and locks."""
    monkeypatch.setattr("tests.model.test_cores.OF_THE_CALLER", [1])
    squares, processes, inherited = zip(*on_all_cores(_square, range(50), 5), strict=True)
    assert list(squares) == [n * n for n in range(50)]
    assert os.getpid() not in processes
    assert set(inherited) == {0}


def test_a_killed_process_ends_the_making_with_a_sentence() -> None:
    with pytest.raises(DataError, match=r"killed.*run this again"):
        list(on_all_cores(_killed_at_3, range(10), 1))


def test_an_error_within_a_process_is_the_callers() -> None:
    with pytest.raises(DataError, match="0 is missing"):
        list(on_all_cores(_missing, range(10), 1))


def test_what_was_not_begun_is_not_done_when_its_reader_stops(tmp_path: Path) -> None:
    results = on_all_cores(_touched, [tmp_path / str(n) for n in range(500)], 1)
    assert next(results) == "0"
    results.close()
    assert 1 <= len(list(tmp_path.iterdir())) < 500
