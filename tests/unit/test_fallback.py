from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np
import pytest

from backend import fallback
from backend.fallback import FAILURES, FallbackPredictor
from backend.predictors import Answers, ModelTimeout, ModelUnavailable

if TYPE_CHECKING:
    from numpy.typing import NDArray

X = np.zeros((1, 28, 28), np.uint8)


class Fake:
    """A predictor that answers under its name, takes its time, and fails when told."""

    def __init__(self, name: str, *, error: Exception | None = None, seconds: float = 0) -> None:
        self.name, self.error, self.seconds, self.asked = name, error, seconds, 0
        self.lock = threading.Lock()
        self.last: tuple[object, str] | None = None

    def predict(self, x: NDArray[np.uint8], request_id: str = "") -> Answers:
        with self.lock:
            self.asked += 1
            self.last = (x, request_id)
        time.sleep(self.seconds)
        if self.error:
            raise self.error
        return Answers(np.ones((len(x), 1)), np.ones(len(x)), ("0",), 0.5, "fake", "1", self.name)


def test_while_the_endpoint_works_the_embedded_model_is_not_asked() -> None:
    first, second = Fake("sagemaker"), Fake("embedded")
    assert FallbackPredictor(first, second).predict(X).served_by == "sagemaker"
    assert second.asked == 0


def test_a_failure_is_answered_by_the_embedded_model() -> None:
    predictor = FallbackPredictor(Fake("sagemaker", error=ModelTimeout("slow")), Fake("embedded"))
    assert predictor.predict(X).served_by == "fallback"


def test_a_dead_endpoint_is_not_waited_for_each_time() -> None:
    first = Fake("sagemaker", error=ModelUnavailable("dead"), seconds=0.05)
    predictor = FallbackPredictor(first, Fake("embedded"))
    started = time.monotonic()
    for _ in range(50):
        predictor.predict(X)
    assert first.asked == FAILURES
    assert time.monotonic() - started < 2


def test_failures_between_successes_do_not_add_up() -> None:
    first = Fake("sagemaker")
    predictor = FallbackPredictor(first, Fake("embedded"))
    for n in range(20):
        first.error = ModelUnavailable("now and then") if n % FAILURES else None
        predictor.predict(X)
    assert first.asked == 20


def test_both_get_the_pictures_and_the_request_s_id_and_the_log_says_why(caplog: pytest.LogCaptureFixture) -> None:
    first, second = Fake("sagemaker", error=ModelTimeout("6 s")), Fake("embedded")
    FallbackPredictor(first, second).predict(X, "id-1")
    assert first.last == second.last == (X, "id-1")
    assert [record.getMessage() for record in caplog.records] == [
        "ModelTimeout (6 s): answering with the embedded model"
    ]


def test_one_request_alone_tries_a_dead_endpoint_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Eight come at the moment when the pause ends; reading the clock takes so long that they overlap."""
    now = 0.0

    def clock() -> float:
        time.sleep(0.01)
        return now

    monkeypatch.setattr(fallback, "monotonic", clock)
    first = Fake("sagemaker", error=ModelUnavailable("dead"))
    predictor = FallbackPredictor(first, Fake("embedded"))
    for _ in range(FAILURES):
        predictor.predict(X)
    now = fallback.PAUSE
    with ThreadPoolExecutor(8) as pool:
        assert {answer.served_by for answer in pool.map(lambda _: predictor.predict(X), range(8))} == {"fallback"}
    assert first.asked == FAILURES + 1


def test_calls_go_side_by_side() -> None:
    """Eight calls of 0.2 s in well under the 1.6 s that one lock for all would take."""
    predictor = FallbackPredictor(Fake("sagemaker", seconds=0.2), Fake("embedded"))
    started = time.monotonic()
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: predictor.predict(X), range(8)))
    assert time.monotonic() - started < 1.5


def test_a_bug_is_not_hidden_by_the_fallback() -> None:
    with pytest.raises(ZeroDivisionError):
        FallbackPredictor(Fake("sagemaker", error=ZeroDivisionError()), Fake("embedded")).predict(X)
