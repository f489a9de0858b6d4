"""The page on every screen: what is in sight, what moves, how soon a live answer is asked for, and words that fit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import EXCESS, STROKES
from tests.browser.test_drawing import touch
from tests.browser.test_giving import file, upload
from tests.browser.test_judging import violations

if TYPE_CHECKING:
    from playwright.sync_api import Locator

    from tests.browser.conftest import MoodyApi, Visit, Visitor
    from tests.conftest import Drawing

PHONE = {"width": 390, "height": 664}  # what a phone's browser leaves
SCREENS = [(390, 664), (844, 390), (640, 400), (700, 900), (768, 1024), (940, 800), (1280, 800)]


def assert_fine(visitor: Visitor, width: int, height: int, state: str = "answered") -> None:
    """On a screen of this size there is nothing to scroll sideways to, and no violation of WCAG A and AA."""
    page = visitor.resize(width, height)
    page.wait_for_function("width => document.documentElement.clientWidth === width", arg=width)
    assert page.evaluate(EXCESS) == [0, 0], (state, width, height)
    assert violations(visitor) == [], (state, width, height)


def box(place: Locator) -> dict[str, float]:
    found: Any = place.bounding_box()
    assert found
    return found


def assert_in_sight(*places: Locator) -> None:
    """All of each, but for the part of a pixel that is rounded away."""
    for place in places:
        expect(place).to_be_in_viewport(ratio=0.99)


def test_on_a_phone_ten_digits_take_a_tap_each_and_no_swipe(visit: Visit, page_url: str) -> None:
    visitor = visit(page_url, phone=True, reduced_motion="reduce")
    page = visitor.resize(**PHONE)
    glance = page.locator(".glance")
    for digit in "417":
        visitor.draw(digit)
        visitor.submit()
        glance.get_by_text(digit, exact=True).wait_for()
        assert "sure" in glance.inner_text() or "Certain" in glance.inner_text()
        assert_in_sight(glance, visitor.paper)
        assert page.evaluate("document.querySelector('[data-testid=stMain]').scrollTop") == 0
        visitor.press("Next digit")
        visitor.await_sheet()
        assert_in_sight(visitor.paper)


def test_next_digit_brings_the_sheet_back_from_below(visit: Visit, page_url: str) -> None:
    visitor = visit(page_url, phone=True, reduced_motion="reduce")
    page = visitor.resize(**PHONE)
    visitor.draw("3")
    visitor.submit()
    page.locator(".st-key-next button").click()
    visitor.await_sheet()
    page.wait_for_function("() => document.querySelector('.st-key-drawing').getBoundingClientRect().top >= -1")


def test_who_scrolls_as_the_page_comes_stays_there(visit: Visit, page_url: str) -> None:
    visitor = visit(page_url, phone=True)
    main = visitor.page.get_by_test_id("stMain")
    end = main.evaluate("e => { e.scrollTop = 1e4; return e.scrollTop }")
    assert end > 100, "there is something below"
    visitor.page.wait_for_timeout(1200)  # a sheet that was asked for is brought into sight for a second
    assert main.evaluate("e => e.scrollTop") == end


RIGHT_END = """e => {
  const { right, y, height } = e.getBoundingClientRect();
  return e.contains(document.elementFromPoint(right - 8, y + height / 2));
}"""


def assert_nothing_lies_on(place: Locator) -> None:
    """Nor on its right end, where the three dots of Streamlit's menu are."""
    place.evaluate("e => e.closest('.st-key-drawing, .st-key-playing').scrollIntoView()")
    assert place.evaluate(RIGHT_END)


def test_the_menu_does_not_cover_next_digit(visit: Visit, page_url: str) -> None:
    visitor = visit(page_url, phone=True, reduced_motion="reduce")
    visitor.resize(**PHONE)
    visitor.draw("4")
    visitor.submit()
    assert_nothing_lies_on(visitor.page.locator(".st-key-glance button"))


def test_a_live_answer_on_a_phone_is_in_sight(visit: Visit, page_url: str) -> None:
    visitor = visit(page_url, live=True, phone=True)
    page = visitor.resize(**PHONE)
    page.evaluate("document.querySelector('[data-testid=stMain]').scrollTo(0, 0)")
    visitor.draw("7")
    visitor.await_answer()
    page.locator(".glance").get_by_text("7", exact=True).wait_for()
    assert_in_sight(page.locator(".glance"))


def test_the_sheet_fits_its_column_and_the_screen_without_a_gap(visit: Visit, page_url: str) -> None:
    visitor = visit(page_url, dark=True)
    for width, height in SCREENS:
        page = visitor.resize(width, height)
        sheet, column = box(visitor.paper), box(page.locator(".st-key-drawing"))
        place = box(page.locator(f".st-key-canvas-{visitor.sheet}"))
        assert sheet["width"] == pytest.approx(sheet["height"], abs=1.5), (width, height)
        assert sheet["width"] <= min(column["width"], height - 100) + 1, (width, height)
        assert place["height"] - sheet["height"] == pytest.approx(52, abs=4), "no white slab below"
        submit = box(page.get_by_role("button", name="Submit"))
        assert place["y"] + place["height"] <= submit["y"]
        assert page.evaluate(EXCESS) == [0, 0], (width, height)


@pytest.mark.parametrize(("width", "height"), [(844, 390), (640, 400)])
def test_a_low_screen_shows_line_sheet_and_buttons_at_once(
    visit: Visit, page_url: str, width: int, height: int
) -> None:
    visitor = visit(page_url, reduced_motion="reduce")
    page = visitor.resize(width, height)
    visitor.draw("4")
    visitor.submit()
    page.locator(".st-key-drawing").evaluate("e => e.scrollIntoView({ block: 'start' })")
    assert_in_sight(page.locator(".glance"), visitor.paper, page.get_by_role("button", name="Submit"))


SENDS = """() => {
  window.gaps = [];
  let lifted = null;
  addEventListener("pointerup", () => { lifted = performance.now(); }, true);
  const send = WebSocket.prototype.send;
  WebSocket.prototype.send = function (...data) {
    if (lifted !== null) gaps.push(performance.now() - lifted);
    lifted = null;
    return send.apply(this, data);
  };
}"""


def test_live_mode_sends_before_the_canvas_itself_would(visit: Visit, moody_url: str, api: MoodyApi) -> None:
    """It waits 200 ms after the pen is lifted; each stroke is asked for once, and none is lost."""
    visitor = visit(moody_url, live=True)
    visitor.page.evaluate(SENDS)
    for number in range(5):
        visitor.stroke([[60, 40 + 40 * number], [200, 40 + 30 * number]])
        visitor.await_strokes(number + 1)
        visitor.await_answer()
    gaps = visitor.page.evaluate("gaps")
    assert len(gaps) == api.asked == 5
    assert min(gaps) < 150, gaps


def test_the_page_does_not_grow_with_live_digits(visit: Visit, page_url: str) -> None:
    visitor = visit(page_url, live=True, reduced_motion="reduce")
    session = visitor.page.context.new_cdp_session(visitor.page)
    session.send("Performance.enable")

    def nodes() -> float:
        visitor.await_rest()  # on a busy machine the answer before is still in memory
        session.send("HeapProfiler.collectGarbage")
        metrics = session.send("Performance.getMetrics")["metrics"]
        return next(metric["value"] for metric in metrics if metric["name"] == "Nodes")

    counts = []
    for number in range(24):
        visitor.stroke([[60, 40 + 8 * number], [200, 240]])
        visitor.await_strokes(number + 1)
        visitor.await_answer()
        counts.append(nodes())
    assert counts[-1] - counts[9] < 60, counts  # one a stroke is right: the canvas keeps a picture of each


THEMES = pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])


@THEMES
def test_everybody_can_use_the_answered_page_on_every_screen(visit: Visit, page_url: str, dark: bool) -> None:
    """Nothing to scroll sideways to, the sheet in sight, and no violation of WCAG A and AA."""
    visitor = visit(page_url, live=True, dark=dark, reduced_motion="reduce")
    visitor.draw("4")
    visitor.await_answer()
    for width, height in [*SCREENS, (390, 844)]:
        assert_fine(visitor, width, height)
        assert box(visitor.paper)["x"] + box(visitor.paper)["width"] <= width, (width, height)


@THEMES
@pytest.mark.parametrize(("width", "height"), [(390, 664), (844, 390)])
def test_a_finger_draws_and_is_answered_on_a_phone_upright_or_not(
    visit: Visit, page_url: str, dark: bool, width: int, height: int
) -> None:
    visitor = visit(page_url, phone=True, live=True, dark=dark, reduced_motion="reduce")
    page = visitor.resize(width, height)
    page.locator(".st-key-drawing").evaluate("e => e.scrollIntoView({ block: 'start' })")
    session = page.context.new_cdp_session(page)
    for stroke in STROKES["4"][0]:
        touch(session, visitor, stroke)
    visitor.await_strokes(2)
    visitor.await_answer("Read as 4:")
    assert_in_sight(page.locator(".glance"), visitor.paper)


def test_keys_alone_read_an_example_and_clear_it(visit: Visit, page_url: str) -> None:
    visitor = visit(page_url, live=True)
    example = visitor.page.get_by_role("button", name="Try an easy 3")
    example.focus()
    example.press("Enter")
    visitor.await_state(strokes="1")
    visitor.await_sheet()
    visitor.await_answer("Read as 3:")
    visitor.page.keyboard.press("Control+Backspace")
    visitor.await_state(strokes="0", answer="")


def test_words_fit_the_way_of_giving(visit: Visit, page_url: str, drawing: Drawing) -> None:
    visitor = visit(page_url)
    visitor.page.locator(".welcome").get_by_text("Draw a digit, press Submit").wait_for()
    visitor.page.locator(".st-key-live label").first.click()
    visitor.page.locator(".welcome").get_by_text("Draw a digit: the answer follows each stroke.").wait_for()
    for way, sentence in {"Upload": "Choose pictures of a digit:", "Camera": "Photograph a digit:"}.items():
        visitor.page.get_by_role("tab", name=way).click()
        visitor.page.locator(".welcome").get_by_text(sentence).wait_for()
        assert "Submit" not in visitor.page.locator(".st-key-answer").inner_text()


def test_the_focus_stays_in_sight_after_an_upload(visit: Visit, page_url: str, drawing: Drawing) -> None:
    visitor = visit(page_url)
    visitor.page.get_by_role("tab", name="Upload").click()
    with visitor.page.expect_file_chooser() as chooser:
        visitor.page.locator("[data-testid=stFileUploaderDropzone] button").click()
    chooser.value.set_files(file("mine.png", drawing("2")))
    visitor.await_answer()
    visitor.page.wait_for_function("() => document.activeElement.closest('[data-testid=stFileUploader]')")


def test_a_blank_photo_is_not_told_to_draw(visit: Visit, page_url: str, drawing: Drawing) -> None:
    visitor = visit(page_url)
    upload(visitor, file("blank.gif", b"GIF89a\1\0\1\0\x80\0\0\xff\xff\xff\xff\xff\xff,\0\0\0\0\1\0\1\0\0\2\2D\1\0;"))
    visitor.await_text("There is nothing to read in this picture.")
    assert "Draw" not in visitor.page.locator(".st-key-answer").inner_text()


def test_bars_and_tile_stay_visible_in_forced_colours(visit: Visit, page_url: str) -> None:
    visitor = visit(page_url, forced_colors="active", reduced_motion="reduce")
    visitor.draw("3")
    visitor.submit()
    visitor.await_rest()
    style = "(selector, name) => getComputedStyle(document.querySelector(selector))[name]"

    def look(selector: str, name: str) -> str:
        found: str = visitor.page.evaluate(f"([s, n]) => ({style})(s, n)", [selector, name])
        return found

    canvas = look("body", "backgroundColor")
    assert look(".bars .top .bar span", "backgroundColor") != canvas
    assert look(".bars li:not(.top) .bar span", "backgroundColor") != canvas
    assert look(".digit", "borderTopWidth") == "2px"
    assert look(".bars .bar", "borderTopStyle") == "solid"
