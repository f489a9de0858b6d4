"""What a first visit moves as the command and the container serve the page."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import requests
import streamlit
from playwright.sync_api import Route

from tests.browser.conftest import Visitor, start_page, stop

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Browser


@pytest.fixture(scope="module")
def served() -> Iterator[str]:
    process, url = start_page(script="ui/web.py")
    yield url
    stop(process)


SHIFTS = """new PerformanceObserver(list => {
  for (const shift of list.getEntries()) window.shift = (window.shift ?? 0) + shift.value;
}).observe({ type: "layout-shift", buffered: true })"""
STYLED = """[...document.querySelectorAll("[class*=st-key-canvas-] *")]
  .some(e => e.shadowRoot?.querySelector("link")?.sheet)"""
TWO_FRAMES = "new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"


def shift_of_a_first_visit(
    url: str, browser: Browser, width: int, height: int, style: Callable[[Route], None] = Route.continue_
) -> float:
    """What an empty sheet and its examples moved until all was there; `style` serves the canvas' style sheet."""
    context = browser.new_context(viewport={"width": width, "height": height})
    page = context.new_page()
    page.route(re.compile(r"bidi-components/.*\.css"), style)
    page.add_init_script(SHIFTS)
    page.goto(url)
    page.locator("#announcement[data-dressed]").wait_for(state="attached")
    page.locator(".st-key-examples button").last.wait_for()
    page.wait_for_load_state("networkidle")
    page.wait_for_function(STYLED)
    page.evaluate(TWO_FRAMES)
    shift = page.evaluate("window.shift ?? 0")
    context.close()
    return float(shift)


@pytest.mark.parametrize(("width", "height"), [(1280, 800), (390, 844)])
def test_a_first_visit_s_layout_shift_is_under_a_tenth(served: str, browser: Browser, width: int, height: int) -> None:
    """Of the one that shows an empty sheet, with the examples beside or below it: 0.3 to 0.4 by Streamlit alone."""
    assert shift_of_a_first_visit(served, browser, width, height) < 0.1


def test_nor_does_the_sheet_s_toolbar_jump_where_the_canvas_comes_before_its_style(
    served: str, browser: Browser
) -> None:
    """It stood below the sheet, and the sheet was twice as large: a shift of 0.17, or 0.2 where pad.js came late."""

    def late(route: Route) -> None:
        time.sleep(0.3)
        route.continue_()

    assert shift_of_a_first_visit(served, browser, 390, 844, late) < 0.1


def test_a_first_visit_moves_less_than_1_5_megabytes_and_its_answer_little_more(served: str, browser: Browser) -> None:
    """Streamlit alone sends 3.2 MB, for it serves its scripts uncompressed; its highlighter of code another 1.6."""
    moved: list[int] = []

    def count(event: dict[str, Any]) -> None:
        moved.append(event["encodedDataLength"])

    context = browser.new_context()
    page = context.new_page()
    tools = context.new_cdp_session(page)
    tools.send("Network.enable")
    tools.on("Network.loadingFinished", count)
    page.goto(served)
    visitor = Visitor(page, served)
    page.wait_for_load_state("networkidle")
    visit = sum(moved)
    visitor.draw("3")
    visitor.await_answer("Read as 3")
    visitor.await_rest()
    page.wait_for_load_state("networkidle")
    context.close()
    assert 0 < visit < 1_500_000
    assert sum(moved) - visit < 60_000, moved


def test_a_script_is_sent_whole_from_memory_too_and_a_part_or_nothing_where_that_is_asked_for(served: str) -> None:
    script = re.search(r"static/js/index\.[\w-]+\.js", requests.get(served, timeout=30).text)
    assert script
    wanted = (Path(streamlit.__file__).parent / "static" / script[0]).read_bytes()
    url = f"{served}/{script[0]}"
    for coding in ("gzip", "identity"):
        first, again = (requests.get(url, headers={"Accept-Encoding": coding}, timeout=30) for _ in range(2))
        assert first.content == again.content == wanted
        assert first.headers.get("Content-Encoding") == again.headers.get("Content-Encoding") != "identity"
        assert int(again.headers["Content-Length"]) < 0.4 * len(wanted) or coding == "identity"
    unchanged = requests.get(url, headers={"If-None-Match": again.headers["ETag"]}, timeout=30)
    assert (unchanged.status_code, unchanged.content) == (304, b"")
    part = requests.get(url, headers={"Range": "bytes=10-19", "Accept-Encoding": "identity"}, timeout=30)
    assert (part.status_code, part.content) == (206, wanted[10:20])
