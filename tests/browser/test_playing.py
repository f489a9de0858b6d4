"""Play: ten digits in 30 seconds, by mouse and by touch; what it says, and what comes at its end."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import STROKES
from tests.browser.test_drawing import touch
from tests.browser.test_layout import PHONE, SCREENS, assert_fine, assert_in_sight, assert_nothing_lies_on

if TYPE_CHECKING:
    from playwright.sync_api import Locator

    from tests.browser.conftest import MoodyApi, Visit, Visitor


def start(visitor: Visitor, *, clock: bool = True) -> None:
    visitor.page.get_by_role("tab", name="Play").click()
    button = visitor.page.locator(".st-key-start button")
    button.wait_for()
    if not clock:
        visitor.page.locator(".st-key-unhurried label").first.click()
    button.click()


def wanted(visitor: Visitor, sheet: int) -> str:
    """The digit that is named, once its sheet takes the pen."""
    visitor.await_sheet(f"play-{sheet}")
    return visitor.page.locator(".task b").inner_text()


def skip(visitor: Visitor) -> None:
    """At rest: what a press in the middle of a run does is Streamlit's affair."""
    visitor.await_rest()
    visitor.press("Skip")


def announced(visitor: Visitor) -> Locator:
    """What a screen reader says, at the end of a run."""
    return visitor.page.locator("#announcement")


MARKED = """([sheet, strokes]) => {
  const state = document.getElementById("announcement").dataset;
  return state.sheet !== sheet || (state.strokes === strokes && state.drawing === state.answer);
}"""


def draw_wanted(visitor: Visitor, digit: str) -> None:
    """Stroke by stroke, until the model reads it: then the sheet is another one."""
    for number, stroke in enumerate(STROKES[digit][0], 1):
        visitor.stroke(stroke)
        visitor.page.wait_for_function(MARKED, arg=[visitor.sheet, str(number)])
        if visitor.state["sheet"] != visitor.sheet:
            return


def other(digit: str) -> str:
    """A digit that is drawn in one stroke and is not this one."""
    return "3" if digit == "1" else "1"


def test_ten_digits_are_named_once_each_marked_and_scored(visit: Visit, page_url: str) -> None:
    visitor = visit(page_url)
    start(visitor, clock=False)
    named = []
    for sheet in range(10):
        named.append(wanted(visitor, sheet))
        expect(announced(visitor)).to_have_text(f"{'Right. ' if sheet else ''}Draw a {named[-1]}.")
        expect(visitor.page.locator(".marks li.right")).to_have_count(sheet)
        draw_wanted(visitor, named[-1])
    visitor.await_text("10 of 10 in")
    assert sorted(named) == list(STROKES)
    expect(announced(visitor)).to_contain_text("No drawing fooled it.")


def test_after_thirty_seconds_the_round_ends(visit: Visit, page_url: str) -> None:
    visitor = visit(page_url)
    start(visitor)
    for begins in ("2", "1"):  # without a run of the page
        expect(visitor.page.locator(".clock")).to_have_text(re.compile(rf"^{begins}\d s$"))
    visitor.await_text("0 of 10 in 30.0 seconds")


def test_the_drawing_that_fooled_it_is_shown_and_looked_at(visit: Visit, page_url: str) -> None:
    visitor = visit(page_url)
    start(visitor, clock=False)
    first = wanted(visitor, 0)
    visitor.draw(other(first))
    visitor.page.locator(".task").get_by_text(f"Read as {other(first)}").wait_for()
    skip(visitor)
    second = wanted(visitor, 1)
    draw_wanted(visitor, second)
    for sheet in range(2, 10):
        wanted(visitor, sheet)
        skip(visitor)
    visitor.await_text("1 of 10 in")
    said = f"This one fooled it: a {first}, read as {other(first)}"
    expect(announced(visitor)).to_contain_text(said)
    visitor.page.locator(".fooled img").wait_for()
    marks = visitor.page.locator(".marks li")
    expect(marks.nth(0)).to_have_text(f"{first} read as {other(first)}", use_inner_text=True)
    expect(marks.nth(1)).to_have_text(f"{second} right", use_inner_text=True)
    visitor.press("Look at it")
    visitor.page.locator(".headline h2").get_by_text(f"Read as {other(first)}.").wait_for()
    expect(visitor.page.get_by_role("tab", name="Draw")).to_have_attribute("aria-selected", "true")


def test_a_round_is_played_by_finger_on_a_small_phone_without_a_swipe(visit: Visit, page_url: str) -> None:
    visitor = visit(page_url, phone=True, reduced_motion="reduce")
    visitor.resize(**PHONE)
    start(visitor, clock=False)
    session = visitor.page.context.new_cdp_session(visitor.page)
    for sheet in range(3):
        digit = wanted(visitor, sheet)
        assert_in_sight(visitor.page.locator(".task"), visitor.paper, visitor.page.get_by_role("button", name="Skip"))
        for number, stroke in enumerate(STROKES[digit][0], 1):
            if visitor.state["sheet"] == visitor.sheet:
                touch(session, visitor, stroke)
                visitor.page.wait_for_function(MARKED, arg=[visitor.sheet, str(number)])
        visitor.page.locator(".marks li.right").nth(sheet).wait_for(state="attached")


def test_the_menu_does_not_cover_the_clock(visit: Visit, page_url: str) -> None:
    visitor = visit(page_url, phone=True, reduced_motion="reduce")
    visitor.resize(**PHONE)
    start(visitor)
    wanted(visitor, 0)
    assert_nothing_lies_on(visitor.page.locator(".clock"))


def test_the_drawing_on_the_sheet_of_draw_outlives_a_game(visit: Visit, page_url: str) -> None:
    visitor = visit(page_url)
    visitor.draw("4")
    visitor.await_strokes(2)
    start(visitor)
    wanted(visitor, 0)
    visitor.page.keyboard.press("Control+Backspace")
    wanted(visitor, 1)
    visitor.page.get_by_role("tab", name="Draw").click()
    visitor.await_state(sheet="0", strokes="2")


def test_a_slow_model_costs_no_time_and_one_that_fails_ends_the_round_in_a_sentence(
    visit: Visit, moody_url: str, api: MoodyApi
) -> None:
    visitor = visit(moody_url)
    start(visitor)
    digit = wanted(visitor, 0)
    api.delay = 8
    visitor.stroke([[140, 60], [141, 60]])  # a dot is no digit
    visitor.page.locator(".task").get_by_text("No digit yet").wait_for()
    left = int(visitor.page.locator(".clock").inner_text().removesuffix(" s"))
    assert left > 10
    api.refuse(503, "model-unavailable")
    api.delay = 0
    visitor.stroke(STROKES[digit][0][0])  # the round ends with the first one
    visitor.await_text("The model is not available.")
    visitor.await_text("Start again in a moment.")
    api.mend()
    visitor.page.locator(".st-key-start button").click()
    visitor.page.locator(".task").wait_for()


def test_whoever_has_no_pen_is_told_so_before_the_start(visit: Visit, page_url: str) -> None:
    visitor = visit(page_url)
    keyboard = visitor.page.keyboard
    visitor.tab_to(visitor.page.get_by_role("tab", name="Draw"))
    for way, shown in {
        "Upload": "Choose pictures",
        "Camera": "Photograph one digit",
        "Play": "there is no way to play by keyboard alone",
    }.items():
        keyboard.press("ArrowRight")
        visitor.await_text(shown)
        expect(visitor.page.get_by_role("tab", name=way)).to_be_focused()  # which Streamlit's run took from it
        visitor.await_rest()
    visitor.page.locator(".st-key-start button").focus()
    keyboard.press("Enter")
    visitor.page.locator(".task").wait_for()
    expect(visitor.page.locator(".clock")).to_have_attribute("role", "timer")


# What Streamlit does at the start of a run, in a browser too busy to draw a frame before its end.
DISABLED_FOR_A_MOMENT = """tab => {
  tab.removeAttribute("tabindex");
  tab.setAttribute("aria-disabled", "true");
  setTimeout(() => { tab.tabIndex = 0; tab.removeAttribute("aria-disabled"); });
}"""


def test_a_tab_disabled_for_less_than_a_frame_keeps_the_focus(visit: Visit, page_url: str) -> None:
    visitor = visit(page_url)
    tab = visitor.page.get_by_role("tab", name="Draw")
    visitor.await_rest()
    for _ in range(5):
        tab.focus()
        tab.evaluate(DISABLED_FOR_A_MOMENT)
        expect(tab).not_to_have_attribute("aria-disabled", "true")
        expect(tab).to_be_focused(timeout=2000)


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_play_fits_every_screen_and_has_no_violation_of_wcag(visit: Visit, page_url: str, dark: bool) -> None:
    visitor = visit(page_url, dark=dark, phone=True, reduced_motion="reduce")
    screens = SCREENS[:: len(SCREENS) - 1] if dark else SCREENS  # the dark page differs by its colours alone
    visitor.page.get_by_role("tab", name="Play").click()
    visitor.page.locator(".st-key-start button").wait_for()
    for width, height in screens:
        assert_fine(visitor, width, height, "first")
    start(visitor, clock=False)
    digit = wanted(visitor, 0)
    visitor.draw(other(digit))
    visitor.page.locator(".task").get_by_text("Read as").wait_for()
    for width, height in screens:
        assert_fine(visitor, width, height, "playing")
    marks = visitor.page.locator(".marks li span")
    for n in range(marks.count(), 10):
        skip(visitor)
        expect(marks).to_have_count(n + 1)
    visitor.page.locator(".fooled").wait_for()
    for width, height in screens:
        assert_fine(visitor, width, height, "over")
