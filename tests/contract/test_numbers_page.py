"""The page's switch between one digit and a whole number, before a real API with the shipped model."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from backend.app import create_app
from tests.conftest import scribble
from tests.contract.test_page_and_api import Model, Page
from tests.numbers import sheet, written
from ui.numbers import ONE, WHOLE

if TYPE_CHECKING:
    from collections.abc import Callable

    from flask import Flask

    from backend.predictors import EmbeddedPredictor
    from tests.conftest import Drawing


@pytest.fixture
def page(
    fresh_page: None, serve: Callable[[Flask], str], monkeypatch: pytest.MonkeyPatch, embedded: EmbeddedPredictor
) -> Page:
    requests: list[str] = []
    app = create_app({}, embedded)
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
    assert page.text.count("<summary>") == 2
    assert page.text.count("left:") == 2
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
    assert page.asked("POST /numbers") == 2
    assert "2 of 2 pictures read." in page.text
    assert "<strong>345</strong>" in page.text


def test_the_choice_is_in_the_address(page: Page) -> None:
    page.test.query_params["read"] = "number"
    page.test.run()
    assert page.test.radio(key="reads").value == WHOLE
    choose(page, ONE)
    assert "read" not in page.test.query_params
