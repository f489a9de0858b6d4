"""Drawing: mouse and touch, Submit and live, and the traps of the canvas."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import EXCESS, STROKES

if TYPE_CHECKING:
    from playwright.sync_api import CDPSession

    from tests.browser.conftest import MoodyApi, Visit, Visitor

FOUR = STROKES["4"][0]  # of two strokes


@pytest.mark.parametrize("style", [0, *(pytest.param(style, marks=pytest.mark.slow) for style in (1, 2))])
def test_each_of_the_ten_digits_is_read_right(visit: Visit, page_url: str, style: int) -> None:
    visitor = visit(page_url)
    for digit in STROKES:
        visitor.draw(digit, style)
        visitor.submit(f"Read as {digit}:")
        visitor.clear()


def test_the_page_alone_answers_with_the_embedded_model(visit: Visit, page_url: str) -> None:
    visitor = visit(page_url)
    visitor.draw("4")
    visitor.submit()
    expect(visitor.page.locator(".bars li")).to_have_count(10)
    expect(visitor.page.locator(".bars li.top .name")).to_have_text("4")
    expect(visitor.page.locator(".steps li")).to_have_count(5)
    visitor.page.get_by_text("Details").click()
    visitor.await_text("embedded in the API")


def test_clear_gives_an_empty_sheet(visit: Visit, page_url: str) -> None:
    visitor = visit(page_url)
    visitor.draw("3")
    visitor.submit()
    visitor.clear()
    assert visitor.state | {"strokes": "0", "drawing": "", "answer": ""} == visitor.state
    expect(visitor.page.locator(".headline")).to_have_count(0)


def test_submitting_an_empty_sheet_says_so_and_asks_nobody(visit: Visit, moody_url: str, api: MoodyApi) -> None:
    visitor = visit(moody_url)
    visitor.press("Submit")
    visitor.await_text("The sheet is empty.")
    assert api.asked == 0


@pytest.mark.parametrize("pause", [0, 60, 150])
def test_submit_right_after_the_last_stroke_sends_that_stroke(visit: Visit, moody_url: str, pause: int) -> None:
    """The canvas sends 200 ms after pen-up; a Submit pressed earlier must not go without the last stroke."""
    visitor = visit(moody_url)
    for _ in range(2):
        visitor.stroke(FOUR[0])
        visitor.page.wait_for_timeout(400)
        visitor.stroke(FOUR[1])
        visitor.page.wait_for_timeout(pause)
        visitor.press("Submit")
        visitor.await_answer("Read as 4:")
        assert visitor.state["strokes"] == "2"
        visitor.clear()


def test_submit_by_keyboard_right_after_the_last_stroke_sends_that_stroke(visit: Visit, page_url: str) -> None:
    visitor = visit(page_url)
    visitor.draw("7")
    visitor.page.keyboard.press("Control+Enter")
    visitor.await_answer("Read as 7:")
    assert visitor.state["strokes"] == "1"


def test_an_answer_says_when_it_is_for_an_earlier_drawing(visit: Visit, page_url: str) -> None:
    visitor = visit(page_url)
    visitor.draw("1")
    visitor.submit()
    visitor.stroke([[60, 200], [220, 200]])
    visitor.await_text("for an earlier drawing")


def test_undo_and_redo_by_button_and_by_keyboard(visit: Visit, page_url: str) -> None:
    visitor = visit(page_url)
    visitor.stroke([[60, 60], [200, 60]])
    visitor.stroke([[60, 200], [200, 200]])
    visitor.await_strokes(2)
    visitor.press("Undo")
    visitor.await_strokes(1)
    visitor.press("Redo")
    visitor.await_strokes(2)
    visitor.page.keyboard.press("Control+z")
    visitor.await_strokes(1)
    visitor.page.keyboard.press("Control+Shift+z")
    visitor.await_strokes(2)


def test_clear_by_keyboard(visit: Visit, page_url: str) -> None:
    visitor = visit(page_url)
    visitor.draw("1")
    visitor.await_strokes(1)
    visitor.page.keyboard.press("Control+Backspace")
    visitor.await_state(strokes="0", sheet="1")


def test_changing_the_pen_width_keeps_the_drawing(visit: Visit, page_url: str) -> None:
    visitor = visit(page_url)
    visitor.draw("1")
    visitor.await_strokes(1)
    before = visitor.state["drawing"]
    visitor.page.locator(".st-key-more button").click()
    slider = visitor.page.get_by_role("slider", name="Pen width")
    slider.focus()
    slider.press("ArrowRight")
    slider.press("Escape")
    slider.wait_for(state="hidden")
    visitor.stroke([[20, 20], [40, 20]])
    visitor.await_strokes(2)
    visitor.press("Undo")
    visitor.await_state(drawing=before)


def test_live_mode_answers_after_each_stroke_and_knows_earlier_answers(
    visit: Visit, moody_url: str, api: MoodyApi
) -> None:
    visitor = visit(moody_url, live=True)
    visitor.stroke(FOUR[0])
    visitor.await_answer()
    visitor.stroke(FOUR[1])
    visitor.await_strokes(2)
    visitor.await_answer("Read as 4:")
    assert api.asked == 2
    visitor.press("Undo")
    visitor.await_strokes(1)
    visitor.await_answer()
    assert api.asked == 2, "the answer to the same picture was known"


def touch(session: CDPSession, visitor: Visitor, points: list[list[float]]) -> None:
    box = visitor.paper.bounding_box()
    assert box
    scale = box["width"] / 280
    for number, (x, y) in enumerate(points):
        place = {"x": box["x"] + x * scale, "y": box["y"] + y * scale}
        kind = "touchMove" if number else "touchStart"
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [place]})
    session.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})


def test_a_finger_draws_without_scrolling_the_page(visit: Visit, page_url: str) -> None:
    visitor = visit(page_url, phone=True)
    session = visitor.page.context.new_cdp_session(visitor.page)
    for stroke in STROKES["2"][0]:
        touch(session, visitor, stroke)
    visitor.await_strokes(1)
    scroller = "document.querySelector('[data-testid=stMain]').scrollTop"
    assert visitor.page.evaluate(scroller) == 0
    visitor.submit("Read as 2:")


def test_a_tap_anywhere_on_the_sheet_never_wipes_the_drawing(visit: Visit, page_url: str) -> None:
    """The canvas' own toolbar lies unseen over the top right; a tap there hit Reset."""
    visitor = visit(page_url, phone=True)
    session = visitor.page.context.new_cdp_session(visitor.page)
    taps = [[x, y] for x in range(150, 280, 14) for y in (4, 14, 26)]
    for place in taps:
        touch(session, visitor, [place])
    visitor.await_strokes(len(taps))


@pytest.mark.parametrize("width", [320, 390, 600, 768, 1280])
def test_no_sideways_scroll_and_the_sheet_fits(visit: Visit, page_url: str, width: int) -> None:
    visitor = visit(page_url)
    visitor.resize(width, 800)
    visitor.draw("8")
    visitor.submit()
    visitor.await_rest()
    assert visitor.page.evaluate(EXCESS) == [0, 0]
    box = visitor.paper.bounding_box()
    assert box
    assert 280 <= box["width"] <= 400


def test_two_visitors_do_not_see_each_other_s_drawings(visit: Visit, page_url: str) -> None:
    one, other = visit(page_url), visit(page_url)
    one.draw("6")
    other.draw("9")
    one.submit("Read as 6:")
    other.submit("Read as 9:")
    for visitor in (one, other):
        expect(visitor.page.locator(".strip button")).to_have_count(1)


def test_the_page_asks_nobody_outside(visit: Visit, page_url: str) -> None:
    visitor = visit(page_url)
    asked: list[str] = []
    visitor.page.on("request", lambda request: asked.append(request.url))
    visitor.page.reload()
    visitor.sheet = -1
    visitor.await_sheet()
    visitor.draw("5")
    visitor.submit()
    assert [url for url in asked if not url.startswith((page_url, "data:", "blob:"))] == [], json.dumps(asked)


def test_an_example_is_put_on_the_sheet_and_read_by_one_press(visit: Visit, page_url: str) -> None:
    visitor = visit(page_url)
    visitor.page.get_by_role("button", name="Try an easy 3").click()
    visitor.page.locator(".headline").wait_for()
    visitor.await_sheet()
    expect(visitor.page.locator(".headline h2")).to_contain_text("Read as 3.")
    visitor.await_strokes(1)
