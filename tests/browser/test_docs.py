"""The API's own page in Chromium: it asks no other host, and its form gets a real answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

if TYPE_CHECKING:
    from playwright.sync_api import Browser


def test_the_form_on_the_docs_page_reads_a_seven(browser: Browser, live_api: str, seven: bytes) -> None:
    page = browser.new_page()
    asked: list[str] = []
    complaints: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.goto(f"{live_api}/docs")
    page.set_input_files("input[type=file]", {"name": "seven.png", "mimeType": "image/png", "buffer": seven})
    page.get_by_role("button", name="Send").click()
    expect(page.locator("#answer")).to_contain_text('"label": "7"', timeout=30_000)
    assert all(url.startswith(live_api) for url in asked)
    assert [text for text in complaints if "favicon" not in text] == []
    page.close()


def test_a_problems_type_opens_its_line(browser: Browser, live_api: str) -> None:
    page = browser.new_page()
    page.goto(f"{live_api}/problems/blank-image")
    assert page.url == f"{live_api}/docs#blank-image"
    expect(page.locator("tr:target")).to_contain_text("The sheet is empty")
    page.close()


def test_the_docs_page_can_be_used_by_all(browser: Browser, live_api: str) -> None:
    """axe finds no fault on a narrow screen, where the line for curl scrolls; the keyboard reaches and scrolls it."""
    page = browser.new_page(viewport={"width": 360, "height": 700})
    page.goto(f"{live_api}/")
    found = Axe().run(page).response["violations"]
    assert [(each["id"], each["nodes"][0]["html"]) for each in found] == []
    expect(page.get_by_role("main")).to_have_count(1)
    line = page.get_by_role("region", name="The same with curl")
    line.focus()
    page.keyboard.press("ArrowRight")
    expect(line).to_be_focused()
    moved = """async (line) => {
      for (let frame = 0; frame < 300 && !line.scrollLeft; frame++) await new Promise(requestAnimationFrame);
      return line.scrollLeft;
    }"""  # the page's own policy lets nobody wait for a string of JavaScript
    assert line.evaluate(moved) > 0
    page.close()
