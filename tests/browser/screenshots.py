"""The README's two pictures of the page, drawn anew: `make screenshots` writes ui/screenshots/."""

from __future__ import annotations

from io import BytesIO

from PIL import Image
from playwright.sync_api import sync_playwright

from tests.browser.chromium import launch
from tests.browser.conftest import ROOT, Visit, Visitor, start_page, stop

FOLDER = ROOT / "ui" / "screenshots"
MOST_BYTES = 150_000


def main() -> None:
    """A desktop in the light, a phone in the dark, each after an answer."""
    FOLDER.mkdir(exist_ok=True)
    process, url = start_page()
    try:
        with sync_playwright() as playwright:
            visit = Visit(launch(playwright))
            take(visit(url, live=True, reduced_motion="reduce"), "desktop-light.png", "327")
            phone = visit(url, live=True, phone=True, dark=True, reduced_motion="reduce")
            phone.page.set_viewport_size({"width": 390, "height": 1160})  # a page and a half: the sheet and its answer
            take(phone, "phone-dark.png", "5")
    finally:
        stop(process)


def take(visitor: Visitor, name: str, digits: str) -> None:
    """Draw the digits one after the other, and save what the last one looks like."""
    for digit in digits:
        if visitor.state["strokes"] != "0":
            visitor.clear()
        visitor.draw(digit, 1)
        visitor.submit()
    visitor.page.mouse.move(5, 5)
    visitor.await_rest()
    Image.open(BytesIO(visitor.page.screenshot())).convert("RGB").save(FOLDER / name, optimize=True)
    if (FOLDER / name).stat().st_size > MOST_BYTES:
        raise SystemExit(f"{name} is over {MOST_BYTES} bytes.")


if __name__ == "__main__":
    main()
