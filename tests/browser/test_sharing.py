"""Share: the link that holds the drawing, the picture card, and what reload, back and a stranger's link do."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest
from PIL import Image
from playwright.sync_api import expect

from tests.browser.conftest import without_live
from tests.browser.test_layout import SCREENS, assert_fine, assert_in_sight, box

if TYPE_CHECKING:
    from tests.browser.conftest import MoodyApi, Visit, Visitor

CLIPBOARD = ["clipboard-read", "clipboard-write"]


def unfold(visitor: Visitor) -> str:
    """Press Share -> the link."""
    visitor.press("Share")
    visitor.page.locator(".card").wait_for()
    return visitor.page.locator(".st-key-link-text code").inner_text()


def open_link(visitor: Visitor, link: str) -> None:
    """As a page of its own, not as another place in the page that is there."""
    visitor.page.goto("about:blank")
    visitor.page.goto(without_live(link))


def await_shown(visitor: Visitor, begins: str = "") -> str:
    """A drawing that the page itself puts on the sheet, and its answer -> what a screen reader says."""
    visitor.page.wait_for_function("() => document.getElementById('announcement')?.dataset.strokes > 0")
    return visitor.await_answer(begins)


def test_the_link_shows_the_drawing_elsewhere_and_asks_anew(visit: Visit, moody_url: str, api: MoodyApi) -> None:
    sender = visit(moody_url)
    sender.draw("4")
    said = sender.submit()
    link = unfold(sender)
    assert api.asked == 1
    receiver = visit(moody_url, phone=True)
    open_link(receiver, link)
    assert await_shown(receiver) == said.replace("\u00a0", "")
    assert receiver.state["strokes"] == "2"
    assert api.asked == 2


def test_the_same_link_opens_in_a_page_that_is_there_already(visit: Visit, page_url: str) -> None:
    sender = visit(page_url)
    sender.draw("6")
    sender.submit()
    link = unfold(sender)
    receiver = visit(page_url)
    receiver.draw("1")
    receiver.submit()
    receiver.page.evaluate("link => { location.hash = new URL(link).hash }", link)
    receiver.page.locator(".headline h2").get_by_text("Read as 6.").wait_for()
    expect(receiver.page.locator(".strip button")).to_have_count(2)  # the same visit goes on


def test_reload_and_back_keep_the_drawing_and_clear_takes_it_out_of_the_address(visit: Visit, page_url: str) -> None:
    visitor = visit(page_url)
    page = visitor.page
    visitor.draw("7", 1)
    visitor.await_strokes(2)
    visitor.await_rest()  # the address holds the first stroke until the second one's run ends
    page.wait_for_function("() => location.hash.length > 20")
    page.reload()
    await_shown(visitor, "Read as 7:")
    page.goto("about:blank")
    page.go_back()
    await_shown(visitor, "Read as 7:")
    assert visitor.state["strokes"] == "2"
    visitor.sheet = 0
    visitor.await_sheet()
    visitor.clear()
    page.wait_for_function("() => !location.href.includes('#')")


def test_a_drawing_that_came_by_a_link_is_drawn_on_and_undone(visit: Visit, page_url: str) -> None:
    visitor = visit(page_url)
    visitor.draw("1")
    visitor.await_strokes(1)
    visitor.page.wait_for_function("() => location.hash.length > 20")
    visitor.page.reload()
    await_shown(visitor)
    visitor.sheet = 0
    visitor.await_sheet()
    visitor.stroke([[60, 200], [220, 200]])
    visitor.await_strokes(2)
    visitor.press("Undo")
    visitor.await_strokes(1)


STRANGE = ["section-2", "1", "1FgHIAfIB=", "2FgHIAfIB", "%F0%9F%92%A9", "<script>alert(1)</script>", "1" + 50_000 * "A"]


def test_a_link_without_a_drawing_is_one_sentence(visit: Visit, moody_url: str, api: MoodyApi) -> None:
    visitor = visit(moody_url)
    page = visitor.page
    for fragment in STRANGE:
        open_link(visitor, f"{moody_url}#{fragment}")
        visitor.await_text("This link holds no drawing.")
        page.wait_for_function("() => !location.href.includes('#')")
        assert page.locator("[data-testid=stException]").count() == 0
    assert api.asked == 0
    visitor.sheet = -1
    visitor.await_sheet()
    visitor.draw("3")
    visitor.submit("Read as 3:")
    expect(page.get_by_text("This link holds no drawing.")).to_have_count(0)


AS_THE_STROKE_IS_KNOWN = """fragment => new MutationObserver((_, self) => {
  if (document.getElementById("announcement")?.dataset.strokes !== "1") return;
  location.hash = fragment;
  self.disconnect();
}).observe(document.body, { subtree: true, childList: true, attributes: true })"""


def test_a_strange_link_leaves_the_drawing_that_is_there(visit: Visit, page_url: str) -> None:
    """Even one that is opened just before the page writes the drawing's own address."""
    visitor = visit(page_url)
    visitor.page.evaluate(AS_THE_STROKE_IS_KNOWN, "section")
    visitor.draw("1")
    visitor.await_text("This link holds no drawing.")
    visitor.await_state(strokes="1", sheet="0")


def test_the_link_and_the_card_are_copied_and_the_card_is_downloaded(visit: Visit, page_url: str) -> None:
    visitor = visit(page_url, permissions=CLIPBOARD)
    page = visitor.page
    visitor.draw("5")
    visitor.submit()
    link = unfold(visitor)
    copied = page.locator("#copied")
    page.get_by_role("button", name="Copy link").click()
    copied.get_by_text("Copied.").wait_for()
    assert page.evaluate("navigator.clipboard.readText()") == link
    page.get_by_role("button", name="Copy picture").click()
    page.wait_for_function("async () => (await navigator.clipboard.read())[0].types.includes('image/png')")
    with page.expect_download() as download:
        page.get_by_role("button", name="Download picture").click()
    with Image.open(io.BytesIO(download.value.path().read_bytes())) as image:
        assert (image.format, image.size) == ("PNG", (1200, 630))
    expect(page.locator(".card")).to_have_attribute("alt", "The drawing, read as 5")


COUNT_RUNS = """() => {
  window.runs = 0;
  new MutationObserver(() => runs++).observe(document.querySelector("[data-testid=stApp]"),
                                             { attributeFilter: ["data-test-script-state"] });
}"""


@pytest.fixture
def sharer(visit: Visit, page_url: str) -> Visitor:
    """Share is open, nothing runs, and the clipboard may be used."""
    visitor = visit(page_url, permissions=CLIPBOARD)
    visitor.draw("5")
    visitor.submit()
    unfold(visitor)
    visitor.await_rest()
    return visitor


def test_copied_is_said_where_its_place_comes_after_the_press(sharer: Visitor) -> None:
    """The buttons stand before it: who is quick presses while it is not there yet."""
    page = sharer.page
    page.evaluate("window.place = document.getElementById('copied'), place.id = 'late', null")
    page.get_by_role("button", name="Copy link").click()
    page.evaluate("new Promise((done) => setTimeout(done, 300))")
    page.evaluate("place.id = 'copied', null")
    page.locator("#copied").get_by_text("Copied.").wait_for()


def test_a_press_of_copy_begins_no_run_that_would_take_away_what_it_said(sharer: Visitor) -> None:
    page = sharer.page
    page.evaluate(COUNT_RUNS)
    for name in ("Copy link", "Copy picture"):
        page.get_by_role("button", name=name).click()
        page.locator("#copied").get_by_text("Copied.").wait_for()
    page.evaluate("new Promise((done) => setTimeout(done, 500))")
    assert page.evaluate("window.runs") == 0


def test_a_browser_that_copies_nothing_is_told_what_to_do(visit: Visit, page_url: str) -> None:
    visitor = visit(page_url)
    visitor.draw("5")
    visitor.submit()
    unfold(visitor)
    visitor.page.evaluate("Object.defineProperty(navigator, 'clipboard', { value: undefined })")
    visitor.page.get_by_role("button", name="Copy picture").click()
    visitor.page.locator("#copied").get_by_text("download the picture").wait_for()


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_share_fits_every_screen_and_has_no_violation_of_wcag(visit: Visit, page_url: str, dark: bool) -> None:
    """Its buttons and what they say are in sight, however low its own button stands."""
    visitor = visit(page_url, dark=dark, phone=True, reduced_motion="reduce", permissions=CLIPBOARD)
    page, share = visitor.page, visitor.page.get_by_test_id("stPopoverBody")
    visitor.draw("8")
    visitor.submit()
    unfold(visitor)
    page.get_by_role("button", name="Copy link").click()
    page.locator("#copied").get_by_text("Copied.").wait_for()
    for width, height in SCREENS:
        assert_fine(visitor, width, height)
        page.locator(".st-key-share").evaluate("e => e.scrollIntoView({ block: 'end' })")
        visitor.await_rest()
        assert box(share)["height"] >= min(320, height / 2 - 40) - 1, (width, height)
        assert_in_sight(*share.get_by_role("button").filter(has_text="picture").all(), page.locator("#copied"))
