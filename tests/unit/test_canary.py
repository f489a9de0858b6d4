"""Which release answers whom, and what the log says of it, without AWS."""

from __future__ import annotations

import json
from io import BytesIO
from threading import Event
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from backend.app import create_app
from backend.canary import CanaryPredictor, is_chosen
from backend.fallback import FAILURES
from backend.predictors import Answers, ModelTimeout

if TYPE_CHECKING:
    from flask.testing import FlaskClient
    from numpy.typing import NDArray

CALLERS = [f"caller {n}" for n in range(2000)]


class Release:
    """A predictor that reads everything as one label."""

    def __init__(self, version: str, label: str = "7", score: float = 1.0) -> None:
        self.version, self.label, self.score = version, label, score
        self.error: Exception | None = None
        self.may = Event()  # answer
        self.may.set()
        self.ids: list[str] = []

    @property
    def asked(self) -> int:
        return len(self.ids)

    def predict(self, x: NDArray[np.uint8], request_id: str = "") -> Answers:
        assert x.shape[1:] == (28, 28)
        self.ids.append(request_id)
        self.may.wait(10)
        if self.error:
            raise self.error
        labels = tuple("0123456789")
        rows = np.tile([float(label == self.label) for label in labels], (len(x), 1))
        return Answers(rows, np.full(len(x), self.score), labels, 0.5, "digits", self.version, "sagemaker")


@pytest.fixture
def old() -> Release:
    return Release("1")


@pytest.fixture
def new() -> Release:
    return Release("2")


def client(old: Release, new: Release, share: float, *, shadow: bool = False) -> FlaskClient:
    return create_app({"log": "1"}, CanaryPredictor(old, new, share, shadow=shadow)).test_client()


def ask(api: FlaskClient, picture: bytes, caller: str = "a", route: str = "/predictions") -> dict[str, Any]:
    answer = api.post(
        route, data=picture, content_type="image/png", headers={"X-Caller-Id": caller, "X-Request-Id": "r"}
    )
    assert answer.status_code == 200, answer.data
    return dict(answer.json)


def notes(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line).get("canary", {}) for line in capsys.readouterr().out.splitlines()]


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 1.0])
def test_as_many_callers_are_chosen_as_the_share_says(share: float) -> None:
    chosen = sum(is_chosen(caller, share) for caller in CALLERS)
    assert abs(chosen - share * len(CALLERS)) < 60  # 2.7 standard deviations of a half


def test_who_is_chosen_stays_so_when_the_share_grows() -> None:
    few, more = ({caller for caller in CALLERS if is_chosen(caller, share)} for share in (0.1, 0.3))
    assert few < more


def test_a_caller_is_the_key_with_the_named_user_or_the_address(old: Release, new: Release, seven: bytes) -> None:
    """The same key from a thousand addresses is a thousand callers; so are the users whom one page names."""
    api = client(old, new, 0.5)
    about = {"data": seven, "content_type": "image/png"}
    for several in (
        [{"environ_base": {"REMOTE_ADDR": f"192.0.2.{n}"}} for n in range(40)],
        [{"headers": {"X-Caller-Id": f"{n}"}} for n in range(40)],
        [{"headers": {"X-Api-Key": f"{n}"}} for n in range(40)],
    ):
        versions = [api.post("/predictions", **about, **each).json["model"]["version"] for each in several]
        assert 8 <= versions.count("2") <= 32
        assert versions == [api.post("/predictions", **about, **each).json["model"]["version"] for each in several]


def test_where_the_candidate_fails_the_stable_release_answers_and_the_log_says_why(
    old: Release, new: Release, seven: bytes, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    new.error = ModelTimeout("late")
    api = client(old, new, 1.0)
    assert {ask(api, seven)["model"]["version"] for _ in range(FAILURES + 2)} == {"1"}
    assert new.asked == FAILURES  # then it is left in peace for a while
    assert caplog.messages[0] == "ModelTimeout (late) of the candidate: the stable release answers"
    assert set(old.ids + new.ids) == {"r"}
    failed = {"asked": "candidate", "failed": "ModelTimeout"}
    assert notes(capsys) == [failed] * FAILURES + [{"asked": "nobody"}] * 2


def test_a_shadow_is_compared_and_answers_nobody(
    old: Release, new: Release, seven: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    api = client(old, new, 1.0, shadow=True)
    assert ask(api, seven)["model"]["version"] == "1"
    new.label = "1"
    assert ask(api, seven)["label"] == "7"
    new.score = 0.0
    ask(api, seven, route="/predictions?include=explanation")
    same, other, rejected = notes(capsys)
    assert (same["asked"], same["answers"], same["same"], same["rejections"]) == ("both", 1, 1, 0)
    assert (other["same"], other["rejections"]) == (0, 0)
    assert (rejected["answers"], rejected["same"], rejected["rejections"]) == (1, 0, 1)
    assert 0 < same["ms"] < 1000
    assert set(old.ids + new.ids) == {"r"}


def test_the_log_says_which_release_a_caller_has(
    old: Release, new: Release, seven: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    for share in (0.0, 1.0):
        ask(client(old, new, share), seven)
    assert notes(capsys) == [{"asked": "stable"}, {"asked": "candidate"}]
    assert (old.ids, new.ids) == (["r"], ["r"])


def test_a_shadow_is_compared_on_each_picture_of_a_batch_and_on_no_number(
    old: Release, new: Release, seven: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    new.score = 0.5  # of the threshold itself: taken
    api = client(old, new, 1.0, shadow=True)
    files = {"image": [(BytesIO(seven), "a.png"), (BytesIO(seven), "b.png")]}
    assert api.post("/predictions/batch", data=files, headers={"X-Request-Id": "r"}).status_code == 200
    assert api.post("/numbers", data=seven, content_type="image/png", headers={"X-Request-Id": "r"}).status_code == 200
    batch, number = notes(capsys)
    assert (batch["answers"], batch["same"], batch["rejections"]) == (2, 2, 0)
    assert number == {}
    assert (new.ids, set(old.ids)) == (["r"], {"r"})


def test_a_shadow_that_fails_costs_no_answer(
    old: Release, new: Release, seven: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    new.error = ModelTimeout("late")
    assert ask(client(old, new, 1.0, shadow=True), seven)["model"]["version"] == "1"
    assert notes(capsys) == [{"asked": "both", "failed": "ModelTimeout"}]


def test_a_shadow_that_only_fails_is_left_in_peace(
    old: Release, new: Release, seven: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    new.error = ModelTimeout("late")
    api = client(old, new, 1.0, shadow=True)
    assert {ask(api, seven)["model"]["version"] for _ in range(FAILURES + 2)} == {"1"}
    assert new.asked == FAILURES
    assert old.ids == ["r"] * (FAILURES + 2)
    assert notes(capsys)[FAILURES:] == [{}, {}]


def test_no_answer_waits_for_a_late_shadow(
    old: Release, new: Release, seven: bytes, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("backend.canary.PATIENCE", 0.05)
    new.may.clear()
    assert ask(client(old, new, 1.0, shadow=True), seven)["model"]["version"] == "1"
    new.may.set()
    assert notes(capsys) == [{"asked": "both", "failed": "TimeoutError"}]


def test_ready_is_about_the_release_that_everybody_has(old: Release, new: Release) -> None:
    answer = client(old, new, 1.0).get("/ready", headers={"X-Request-Id": "r"})
    assert answer.json["model"]["version"] == "1"
    assert (old.ids, new.ids) == (["r"], [])


def test_a_bug_is_not_hidden_by_the_stable_release(old: Release, new: Release, seven: bytes) -> None:
    new.error = ZeroDivisionError()
    answer = client(old, new, 1.0).post("/predictions", data=seven, content_type="image/png")
    assert answer.status_code == 500
