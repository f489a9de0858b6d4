"""The page's script before a real API that notes what it is asked: once for each picture, and nothing unasked."""

from __future__ import annotations

import html
import io
import json
from dataclasses import replace
from itertools import count
from typing import TYPE_CHECKING

import numpy as np
import pytest
import streamlit as st
from flask import request
from PIL import Image
from streamlit.testing.v1 import AppTest

from backend import contract
from backend.app import create_app
from backend.predictors import ModelUnavailable
from tests.contract.misbehaving import LinearModel
from tests.contract.test_models import put
from tests.unit.test_page import APP, canvas
from ui import uploads

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from flask import Flask
    from numpy.typing import NDArray

    from backend.predictors import Answers
    from tests.conftest import Drawing

PREDICT, BATCH, GIVE = "POST /predictions", "POST /predictions/batch", "POST /feedback"


class Model(LinearModel):
    """Fails while it has an error."""

    error: Exception | None = None
    served_by = "embedded"

    def predict(self, x: NDArray[np.uint8], request_id: str = "") -> Answers:
        if self.error:
            raise self.error
        return replace(super().predict(x, request_id), served_by=self.served_by)


class Page:
    """The page before an API; `requests` is what it asked of it."""

    def __init__(self, requests: list[str], model: Model) -> None:
        self.requests, self.model = requests, model
        self.test = AppTest.from_file(str(APP), default_timeout=60)
        self.test.query_params["live"] = "off"

    def asked(self, what: str) -> int:
        return self.requests.count(what)

    def draw(self, picture: bytes) -> None:
        """On the sheet, in place of what was there."""
        sheet = self.test.session_state["visit"].sheet if "visit" in self.test.session_state else 0
        self.test.session_state[f"canvas-{sheet}"] = canvas(picture)
        self.test.run()

    def upload(self, *pictures: bytes) -> None:
        self.test.session_state["way"] = "Upload"
        self.test.run()
        files = [(f"{number}.png", data, "image/png") for number, data in enumerate(pictures)]
        self.test.file_uploader(key="files").set_value(files)
        self.test.run()

    def press(self, key: str) -> None:
        self.test.button(key=key).click().run()

    @property
    def text(self) -> str:
        return html.unescape(" ".join(element.proto.body for element in self.test.get("html")))


@pytest.fixture
def page(fresh_page: None, serve: Callable[[Flask], str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Page:
    requests: list[str] = []
    model = Model()
    app = create_app({"feedback": str(tmp_path / "kept"), "models_dir": str(tmp_path / "models")}, model)
    app.before_request(lambda: requests.append(f"{request.method} {request.path}"))
    monkeypatch.setenv("API_URL", serve(app))
    return Page(requests, model)


def test_the_same_drawing_is_asked_for_once(page: Page, drawing: Drawing) -> None:
    for digit in "737":
        page.draw(drawing(digit))
        page.press("submit")
    assert page.asked(PREDICT) == 2


def test_the_page_repeats_no_request_by_itself(page: Page, seven: bytes) -> None:
    """The client would, three times; the page says what it waits for."""
    page.model.error = ModelUnavailable()
    page.draw(seven)
    page.press("submit")
    assert "The model is not available." in page.text
    assert page.asked(PREDICT) == 1


def test_live_mode_asks_for_each_new_drawing_and_leaves_a_failing_api_alone(page: Page, drawing: Drawing) -> None:
    page.draw(drawing("1"))
    page.test.toggle(key="live").set_value(True).run()
    page.draw(drawing("2"))
    assert page.asked(PREDICT) == 2
    page.model.error = ModelUnavailable()
    for digit in "345":
        page.draw(drawing(digit))
    assert page.asked(PREDICT) == 3


@pytest.mark.parametrize(("served_by", "on"), [("embedded", True), ("sagemaker", False)])
def test_live_mode_is_the_default_where_a_question_is_quick_and_costs_nothing(
    page: Page, served_by: str, on: bool
) -> None:
    page.model.served_by = served_by
    del page.test.query_params["live"]
    page.test.run()
    assert page.test.toggle(key="live").value is on


@pytest.fixture
def comparing(fresh_page: None, serve: Callable[[Flask], str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Page:
    """The page before an API with a second model, which knows ten letters."""
    put(tmp_path, "letters", labels=list("ABCDEFGHIJ"), threshold=0)
    requests: list[str] = []
    app = create_app({"models_dir": str(tmp_path)})
    app.before_request(lambda: requests.append(f"{request.method} {request.full_path.rstrip('?')}"))
    monkeypatch.setenv("API_URL", serve(app))
    return Page(requests, Model())


def test_all_models_read_the_drawing_once_when_the_comparison_is_opened(comparing: Page, drawing: Drawing) -> None:
    comparing.draw(drawing("7"))
    comparing.press("submit")
    named = [f"{PREDICT}?model={name}" for name in ("digits", "letters")]
    assert [comparing.asked(each) for each in named] == [0, 0]
    comparing.test.session_state["compare"] = True
    for _ in range(2):
        comparing.test.run()
    assert [comparing.asked(each) for each in named] == [1, 1]
    assert "They disagree: 1 of 2 read it as 7." in comparing.text
    comparing.draw(drawing("3"))
    comparing.press("submit")
    assert [comparing.asked(each) for each in named] == [2, 2]


def test_with_one_model_there_is_nothing_to_compare(page: Page, seven: bytes) -> None:
    page.draw(seven)
    page.press("submit")
    assert not [each for each in page.test.expander if "Compare" in each.label]


def test_a_correction_takes_any_of_36_labels(
    fresh_page: None, serve: Callable[[Flask], str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, seven: bytes
) -> None:
    class Letters(LinearModel):
        matrix = np.random.default_rng(7).normal(size=(28 * 28, 36))
        labels = tuple("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ")

    app = create_app({"feedback": str(tmp_path / "kept"), "models_dir": str(tmp_path)}, Letters())
    monkeypatch.setenv("API_URL", serve(app))
    page = Page([], Model())
    page.draw(seven)
    page.press("submit")
    [pills] = page.test.get("button_group")
    assert {"Q", "none of these"} < set(pills.options)
    pills.set_value("Q").run()
    page.press("consent-yes")
    [kept] = (tmp_path / "kept").rglob("*.json")
    assert json.loads(kept.read_text())["label"] == "Q"


def play(page: Page) -> None:
    page.test.session_state["way"] = "Play"
    page.test.run()
    page.press("start")


def test_play_asks_once_for_each_drawing_and_leaves_history_alone(page: Page, drawing: Drawing) -> None:
    play(page)
    game = page.test.session_state["round"]
    for number in range(3):
        page.test.session_state[f"canvas-{game.sheet}"] = canvas(drawing(str(number)))
        page.test.run()
        page.test.run()
        assert page.asked(PREDICT) == number + 1
        if game.reading:
            page.press("skip")
    assert len(game.marks) == 3
    assert page.test.session_state["visit"].history == []


def test_play_ends_with_its_score_after_ten_digits(page: Page) -> None:
    play(page)
    for _ in range(10):
        page.press("skip")
    assert "0 of 10 in" in page.text
    assert "No drawing fooled it." in page.text
    page.press("start")
    assert page.test.session_state["round"].marks == []


def test_play_stops_in_a_sentence_where_the_model_does_not_answer(page: Page, seven: bytes) -> None:
    play(page)
    page.model.error = ModelUnavailable()
    page.test.session_state["canvas-play-0"] = canvas(seven)
    page.test.run()
    assert "The model is not available." in page.text
    assert "Start again in a moment." in page.text
    assert page.asked(PREDICT) == 1
    assert not page.test.exception


def judged(page: Page, picture: bytes, consent: str) -> None:
    """Draw, submit, call the answer right, and answer the question for consent."""
    page.draw(picture)
    for key in ("submit", "right", consent):
        page.press(key)


def test_a_judged_drawing_goes_to_the_store_once_and_can_be_taken_back(page: Page, seven: bytes) -> None:
    judged(page, seven, "consent-yes")
    page.test.run()
    assert page.asked(GIVE) == 1
    assert "Kept for training" in page.text
    page.press("take-back")
    assert [each for each in page.requests if each.startswith("DELETE /feedback/")]
    assert "Kept for training" not in page.text


def test_without_consent_nothing_goes_to_the_store(page: Page, seven: bytes) -> None:
    judged(page, seven, "consent-no")
    assert "Glad to hear it." in page.text
    assert page.asked(GIVE) == 0


def test_a_store_that_fails_is_tried_once_and_said_to(page: Page, seven: bytes, tmp_path: Path) -> None:
    (tmp_path / "kept").touch()  # a file where the folder should be
    judged(page, seven, "consent-yes")
    page.test.run()
    assert "It could not be kept just now" in page.text
    assert page.asked(GIVE) == 1


def test_several_files_are_asked_for_once(page: Page, drawing: Drawing) -> None:
    page.upload(*[drawing(digit) for digit in "357"])
    page.test.run()
    assert page.asked(BATCH) == 1
    assert "3 of 3 pictures read." in page.text


def test_after_an_error_files_are_asked_for_from_where_it_stopped(
    page: Page, drawing: Drawing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(contract, "MAX_BATCH", 2)
    asked, well = count(1), page.model.predict

    def second_fails(x: NDArray[np.uint8], request_id: str = "") -> Answers:
        if next(asked) == 2:
            raise ModelUnavailable
        return well(x, request_id)

    monkeypatch.setattr(page.model, "predict", second_fails)
    page.upload(*[drawing(digit) for digit in "12345"])
    assert "The model is not available." in page.text
    page.press("retry")
    assert "5 of 5 pictures read." in page.text
    assert page.asked(BATCH) == 3  # the last picture is alone
    assert page.asked(PREDICT) == 1


def test_more_files_than_a_page_shows_are_left_out(
    page: Page, drawing: Drawing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploads, "MOST", 2)
    page.upload(*[drawing(digit) for digit in "357"])
    assert "2 of 2 pictures read." in page.text


def test_the_snippets_carry_a_short_picture_and_name_a_long_one_s_file(page: Page, seven: bytes) -> None:
    noise = io.BytesIO()
    Image.effect_noise((200, 200), 90).save(noise, "PNG")
    page.test.session_state["call"] = True
    for picture, by_name in ((seven, False), (noise.getvalue(), True)):
        page.draw(picture)
        page.press("submit")
        assert ["drawing.png" in code.value for code in page.test.code] == 3 * [by_name]
        assert saved(page) == by_name * ["Save drawing.png"]


def test_the_snippets_of_a_file_that_was_too_large_name_the_smaller_one(page: Page) -> None:
    file, sheet = io.BytesIO(), Image.effect_noise((3000, 3000), 10)
    sheet.paste(0, (1300, 600, 1600, 2400))
    sheet.save(file, "PNG")
    page.test.session_state["call"] = True
    page.upload(file.getvalue())
    assert ["small-" in code.value and ".jpeg" in code.value for code in page.test.code] == 3 * [True]
    assert [label[:11] for label in saved(page)] == ["Save small-"]


def saved(page: Page) -> list[str]:
    """The labels of the buttons that save what the code reads."""
    return [button.proto.label for button in page.test.get("download_button") if "call-file" in button.proto.id]


def test_the_page_says_what_was_learnt_and_when_a_drawing_was_used(page: Page, seven: bytes, tmp_path: Path) -> None:
    judged(page, seven, "consent-yes")
    assert "It waits for the next training." in page.text
    assert "Learnt from" not in page.text
    given = next((tmp_path / "kept").glob("*.json")).stem
    version = page.test.session_state["visit"].answer.prediction.model.version
    told = {"version": version, "date": "2026-11-27", "learnt": 83, "instead_of": "2026.11.6", "reads": 0.94}
    used = {given: {"version": version, "date": "2026-11-27", "how": "learnt"}}
    text = json.dumps({**told, "read": 0.61, "judged_on": 36, "used": used})
    (tmp_path / "kept" / "learning.json").write_text(text)
    st.cache_data.clear()
    page.test.run()
    sentence = (
        "Learnt from 83 corrections: of 36 drawings kept aside this version reads 94 %, where 2026.11.6 read 61 %."
    )
    assert sentence in page.text
    assert f"Thank you: version {version} of 2026-11-27 learnt from it." in page.text
    page.test.text_input(key="given-id").set_value("0" * 32).run()
    assert "Nothing is kept under this id" in page.text
