"""GET /ready is open to all: what it asks is bounded, however many ask it and however slow the answer is."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from backend import readiness
from backend.app import create_app
from backend.predictors import ModelUnavailable
from tests.contract.misbehaving import LinearModel

if TYPE_CHECKING:
    import numpy as np
    import pytest
    from numpy.typing import NDArray

    from backend.predictors import Answers, EmbeddedPredictor


class Counting(LinearModel):
    """Counts its questions; waits and fails as told."""

    def __init__(self) -> None:
        self.fails, self.free = False, threading.Event()
        self.given: list[tuple[NDArray[np.uint8], str]] = []
        self.free.set()

    @property
    def asked(self) -> int:
        return len(self.given)

    def predict(self, x: NDArray[np.uint8], request_id: str = "") -> Answers:
        self.given.append((x, request_id))
        self.free.wait(10)
        if self.fails:
            raise ModelUnavailable("as told")
        return super().predict(x, request_id)


def test_two_hundred_ask_and_the_model_is_asked_once() -> None:
    model = Counting()
    app = create_app({}, model)
    with ThreadPoolExecutor(16) as clients:
        statuses = set(clients.map(lambda _: app.test_client().get("/ready").status_code, range(200)))
    assert (statuses, model.asked) == ({200}, 1)


def test_the_model_is_asked_about_a_one(embedded: EmbeddedPredictor) -> None:
    model = Counting()
    assert create_app({}, model).test_client().get("/ready").status_code == 200
    ((picture, _),) = model.given
    assert (picture.shape, picture.dtype) == ((1, 28, 28), "uint8")
    answer = embedded.predict(picture)
    assert answer.labels[answer.probabilities[0].argmax()] == "1"
    assert answer.scores[0] > answer.threshold


def test_a_failure_is_known_for_a_while_and_then_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readiness, "FAILED_FOR", 0.2)
    model = Counting()
    model.fails = True
    client = create_app({}, model).test_client()
    refusals = [client.get("/ready", headers={"X-Request-Id": f"{n}"}) for n in range(20)]
    assert {(each.status_code, each.json["type"]) for each in refusals} == {(503, "/problems/model-unavailable")}
    assert [request_id for _, request_id in model.given] == ["0"]
    model.fails = False
    time.sleep(0.25)
    assert client.get("/ready").status_code == 200


def test_while_one_waits_for_a_slow_answer_the_others_are_told_what_was_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readiness, "KNOWN_FOR", 0)
    model = Counting()
    app = create_app({}, model)
    assert app.test_client().get("/ready").status_code == 200
    model.free.clear()
    with ThreadPoolExecutor(1) as slow:
        first = slow.submit(app.test_client().get, "/ready")
        while model.asked < 2:
            time.sleep(0.01)
        started = time.monotonic()
        assert [app.test_client().get("/ready").status_code for _ in range(20)] == [200] * 20
        assert time.monotonic() - started < 1
        model.free.set()
        assert first.result().status_code == 200
    assert model.asked == 2


def test_while_the_first_answer_is_slow_the_others_are_told_to_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readiness, "PATIENCE", 0.1)
    model = Counting()
    app = create_app({}, model)
    model.free.clear()
    with ThreadPoolExecutor(1) as slow:
        first = slow.submit(app.test_client().get, "/ready")
        while not model.asked:
            time.sleep(0.01)
        response = app.test_client().get("/ready")
        assert (response.status_code, response.json["type"]) == (503, "/problems/model-starting")
        model.free.set()
        assert first.result().status_code == 200
