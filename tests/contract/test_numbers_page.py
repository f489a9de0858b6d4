"""The page's switch between one digit and a whole number, before a real API with the shipped model."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from backend.app import create_app
from backend.numbers.answers import read_one
from backend.predictions import predict_one
from tests.conftest import scribble
from tests.contract.test_page_and_api import Model, Page
from tests.numbers import sheet, written
from ui.number_correction import judged
from ui.numbers import ONE, WHOLE, as_prediction
from ui.visit import Answer, Picture

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from flask import Flask

    from backend.predictors import EmbeddedPredictor
    from tests.conftest import Drawing


@pytest.fixture
def page(
    fresh_page: None,
    serve: Callable[[Flask], str],
    monkeypatch: pytest.MonkeyPatch,
    embedded: EmbeddedPredictor,
    tmp_path: Path,
) -> Page:
    requests: list[str] = []
    app = create_app({"feedback": str(tmp_path / "kept")}, embedded)
    from flask import request

    app.before_request(lambda: requests.append(f"{request.method} {request.path}"))
    monkeypatch.setenv("API_URL", serve(app))
    return Page(requests, Model())


def choose(page: Page, what: str) -> None:
    page.test.radio(key="reads").set_value(what).run()


def test_a_number_is_asked_for_where_it_is_chosen_and_shown_with_its_digits(page: Page, drawing: Drawing) -> None:
    page.draw(drawing("7"))
    choose(page, WHOLE)
    page.draw(written("42"))
    page.press("submit")
    assert page.asked("POST /numbers") == 1
    assert "Read as 42." in page.text
    assert page.text.count("<summary") == 2
    assert page.text.count("--left:") == 2
    choose(page, ONE)
    page.draw(drawing("7"))
    page.press("submit")
    assert page.asked("POST /predictions") == 1
    assert "Read as 7." in page.text


def test_signs_and_points_are_read_on_the_page(page: Page) -> None:
    page.test.run()
    choose(page, WHOLE)
    page.draw(sheet([("12", 90, 20)], [[(20, 90), (70, 90)]]))
    page.press("submit")
    assert "Read as -12." in page.text


def test_what_is_no_number_is_said_in_a_sentence(page: Page) -> None:
    page.test.run()
    choose(page, WHOLE)
    page.draw(scribble())
    page.press("submit")
    assert "That does not look like a number" in page.text


def test_several_files_are_read_as_numbers(page: Page) -> None:
    page.test.run()
    choose(page, WHOLE)
    page.upload(written("12"), written("345"))
    assert page.asked("POST /numbers/batch") == 1
    assert "2 of 2 pictures read." in page.text
    assert "<strong>345</strong>" in page.text


def test_the_choice_is_in_the_address(page: Page) -> None:
    page.test.query_params["read"] = "number"
    page.test.run()
    assert page.test.radio(key="reads").value == WHOLE
    choose(page, ONE)
    assert "read" not in page.test.query_params


def read(page: Page, picture: bytes) -> None:
    """As a number."""
    page.test.run()
    choose(page, WHOLE)
    page.draw(picture)
    page.press("submit")


def kept(folder: Path) -> list[str]:
    """The labels in the feedback store."""
    return sorted(json.loads(file.read_text())["label"] for file in folder.rglob("*.json"))


def test_a_number_that_is_right_gives_each_digit_by_itself(
    page: Page, tmp_path: Path, embedded: EmbeddedPredictor
) -> None:
    """Only with consent, and all of them can be taken back."""
    read(page, written("407"))
    page.press("right")
    assert page.asked("POST /feedback") == 0
    page.press("consent-yes")
    assert kept(tmp_path) == ["0", "4", "7"]
    for file in tmp_path.rglob("*.png"):
        label = json.loads(file.with_suffix(".json").read_text())["label"]
        assert predict_one(embedded, file.read_bytes()).label == label
    page.press("take-back")
    assert kept(tmp_path) == []


def test_one_digit_is_corrected(page: Page, tmp_path: Path) -> None:
    read(page, written("407"))
    page.test.pills[0].set_value("3: 7").run()
    page.test.pills[1].set_value("1").run()
    assert "noted as 401" in page.text
    page.press("consent-yes")
    assert kept(tmp_path) == ["0", "1", "4"]


def test_another_length_is_noted_and_nothing_of_it_is_kept(page: Page, tmp_path: Path) -> None:
    """Where the cuts were wrong no part's label would be true."""
    read(page, written("407"))
    page.test.text_input[0].set_value("4 07").run()
    assert "noted as 4 07" in page.text
    assert "Nothing of it can be kept" in page.text
    page.press("change")
    page.test.text_input[0].set_value("forty").run()
    assert "noted as" not in page.text
    assert kept(tmp_path) == []


def test_digits_whose_boxes_meet_are_not_given(embedded: EmbeddedPredictor) -> None:
    number = read_one(embedded, written("17", gap=-6))
    answer = Answer(Picture(b""), as_prediction(number), 0.1, number=number, truth=number.number)
    places = judged(answer, number)
    boxes = [digit.box for digit in number.digits]
    assert boxes[0][0] + boxes[0][2] > boxes[1][0] - 2
    assert places == []
