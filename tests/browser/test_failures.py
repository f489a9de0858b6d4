"""Every failure is one plain sentence; the drawing stays, and the page recovers by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import start_page, stop

if TYPE_CHECKING:
    from tests.browser.conftest import MoodyApi, Visit

SENTENCES = {
    (401, "invalid-api-key"): "The API does not accept this page's key.",
    (413, "too-large"): "This picture is too large.",
    (415, "unsupported-media-type"): "This picture cannot be read.",
    (422, "blank-image"): "The sheet is empty.",
    (422, "unreadable-image"): "This picture cannot be read.",
    (429, "rate-limited"): "That was a lot of questions.",
    (500, "internal-error"): "Something went wrong in the API.",
    (502, "bad-model-answer"): "The model is not available.",
    (503, "model-unavailable"): "The model is not available.",
    (504, "model-timeout"): "The model is not available.",
}


def test_each_refusal_has_its_plain_sentence_and_keeps_the_drawing(visit: Visit, moody_url: str, api: MoodyApi) -> None:
    visitor = visit(moody_url)
    for digit, ((status, slug), sentence) in enumerate(SENTENCES.items()):
        visitor.draw(str(digit))  # another each time: the answer to the same drawing is known
        api.refuse(status, slug)
        visitor.press("Submit")
        visitor.await_text(sentence)
        visitor.await_state(failed="true")
        assert visitor.state["strokes"] != "0"
        assert visitor.page.locator("[data-testid=stException]").count() == 0
        visitor.clear()


def test_a_foreign_answer_has_its_plain_sentence(visit: Visit, moody_url: str, api: MoodyApi) -> None:
    visitor = visit(moody_url)
    api.answer = ("200 OK", {"Content-Type": "text/html"}, b"<h1>Welcome to my router</h1>")
    visitor.draw("3")
    visitor.press("Submit")
    visitor.await_text("What answers is not this page's API.")


def test_an_absent_api_has_its_plain_sentence(visit: Visit) -> None:
    process, url = start_page(API_URL="http://127.0.0.1:9")  # the discard port: nobody listens
    try:
        visitor = visit(url)
        visitor.draw("3")
        visitor.press("Submit")
        visitor.await_text("The API cannot be reached.")
    finally:
        stop(process)


def test_retry_asks_again_with_the_drawing_kept(visit: Visit, moody_url: str, api: MoodyApi) -> None:
    visitor = visit(moody_url)
    api.refuse(500, "internal-error")
    visitor.draw("3")
    visitor.press("Submit")
    visitor.await_text("Something went wrong in the API.")
    api.mend()
    visitor.press("Retry")
    visitor.page.locator(".headline").wait_for()
    visitor.await_answer("Read as 3:")


def test_the_page_recovers_by_itself_when_the_model_is_back(visit: Visit, moody_url: str, api: MoodyApi) -> None:
    visitor = visit(moody_url)
    api.refuse(503, "model-unavailable", **{"Retry-After": "1"})
    visitor.draw("3")
    visitor.press("Submit")
    visitor.await_text("The model is not available.")
    api.mend()
    visitor.page.locator(".headline").wait_for()


def test_a_starting_model_is_waited_for_with_progress(visit: Visit, moody_url: str, api: MoodyApi) -> None:
    visitor = visit(moody_url)
    api.refuse(503, "model-starting", **{"Retry-After": "1"})
    visitor.draw("3")
    visitor.press("Submit")
    visitor.await_text("Waking the model up")
    expect(visitor.page.get_by_role("progressbar")).to_have_count(1)
    visitor.page.wait_for_timeout(1500)
    api.mend()
    visitor.page.locator(".headline").wait_for()
    visitor.await_answer("Read as 3:")


def test_live_mode_leaves_a_rate_limited_api_alone(visit: Visit, moody_url: str, api: MoodyApi) -> None:
    visitor = visit(moody_url, live=True)
    api.refuse(429, "rate-limited", **{"Retry-After": "600"})
    visitor.stroke([[60, 60], [200, 60]])
    visitor.await_text("That was a lot of questions.")
    for y in (90, 120, 150):
        visitor.stroke([[60, y], [200, y]])
    visitor.await_strokes(4)
    visitor.page.wait_for_timeout(1500)
    assert api.asked == 1


def test_an_api_that_asks_for_quiet_switches_live_mode_off_and_submit_still_asks(
    visit: Visit, moody_url: str, api: MoodyApi
) -> None:
    visitor = visit(moody_url, live=True)
    api.refuse(429, "rate-limited", **{"Retry-After": "600"})
    visitor.draw("7")
    visitor.await_text("Live is off now: press Submit when a drawing is done.")
    visitor.await_state(live="false", failed="true", strokes="1")
    api.mend()
    visitor.submit("Read as 7:")
    visitor.page.locator(".st-key-live label").first.click()
    visitor.await_state(live="true")
    visitor.await_rest()
    visitor.page.reload()
    visitor.sheet = -1
    visitor.await_sheet()
    visitor.await_state(live="true")  # what was chosen outlives a reload


def test_a_slow_answer_shows_that_it_is_being_read(visit: Visit, moody_url: str, api: MoodyApi) -> None:
    visitor = visit(moody_url)
    api.delay = 25  # longer than it takes to see it, shorter than the page waits
    visitor.draw("3")
    visitor.press("Submit")
    visitor.await_text("Reading …")
    api.mend()
    visitor.await_answer("Read as 3:")


@pytest.mark.slow
def test_an_api_that_never_answers_has_its_plain_sentence(visit: Visit, moody_url: str, api: MoodyApi) -> None:
    """The page gives up after 28 seconds."""
    visitor = visit(moody_url)
    api.delay = 31
    visitor.draw("3")
    visitor.press("Submit")
    visitor.page.get_by_role("heading", name="The API took too long.").wait_for()
