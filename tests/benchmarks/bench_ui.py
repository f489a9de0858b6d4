"""How long people wait: first visit to usable canvas, and pen-up to answer in live mode (`make bench-ui`)."""

from __future__ import annotations

import sys
import time
from statistics import median

from playwright.sync_api import sync_playwright

from tests.browser.chromium import launch
from tests.browser.conftest import STROKES, Visit, start_page, stop

COUNT = 20  # strokes measured, after three to warm up
WATCH = """() => {
  const source = () => document.querySelectorAll(".steps img")[0]?.src;
  const seen = (window.waits = []);
  let lifted = null, before = null;
  document.addEventListener("pointerup", () => { lifted = performance.now(); before = source(); }, true);
  new MutationObserver(() => {
    if (lifted === null || source() === before || !source()) return;
    requestAnimationFrame(() => {
      if (lifted !== null) seen.push(performance.now() - lifted);
      lifted = null;
    });
  }).observe(document.body, { subtree: true, childList: true, attributes: true, attributeFilter: ["src"] });
}"""


def main() -> None:
    """Start the page, visit it, print the table."""
    process, url = start_page(script="ui/web.py")
    try:
        with sync_playwright() as playwright:
            visit = Visit(launch(playwright))
            first, again = _visits(visit, url)
            waits = _live(visit, url)
    finally:
        stop(process)
    print_table(first, again, waits)


def _visits(visit: Visit, url: str) -> tuple[float, list[float]]:
    """Seconds from the address to a canvas that takes the pen: the very first visit, then five more."""
    seconds = []
    for _ in range(6):
        started = time.perf_counter()
        visit(url)
        seconds.append(time.perf_counter() - started)
    return seconds[0], seconds[1:]


def _live(visit: Visit, url: str) -> list[float]:
    """Milliseconds from pen-up to answer, for strokes that each change the picture."""
    visitor = visit(url, live=True)
    visitor.page.evaluate(WATCH)
    visitor.draw("1")
    for number in range(COUNT + 3):
        visitor.stroke([[x + number, y] for x, y in STROKES["1"][number % 3][0]])
        visitor.await_strokes(number + 2)
        visitor.await_answer()
    waits: list[float] = visitor.page.evaluate("window.waits")
    return waits[-COUNT:]


def print_table(first: float, again: list[float], waits: list[float]) -> None:
    """The figures, beside what is asked of them."""
    middle = median(waits)
    rows = [
        ("first visit to usable canvas", f"{first:.1f} s", "4 s"),
        ("later visits, median", f"{median(again):.1f} s", ""),
        ("live: pen-up to answer, median", f"{middle:.0f} ms", "150 ms"),
        ("  slowest of 20", f"{max(waits):.0f} ms", ""),
    ]
    for name, figure, limit in rows:
        sys.stdout.write(f"{name:34}{figure:>9}  {limit and f'(at most {limit})'}\n")


if __name__ == "__main__":
    main()
