"""A real Chromium on the real page; its API is either its own (embedded model) or one whose moods a test sets."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
import requests
from playwright.sync_api import Browser, Locator, Page, Playwright, expect, sync_playwright

from backend.app import create_app
from backend.server import Server
from tests.browser.chromium import NoBrowser, find, launch
from tests.conftest import STROKES as ALL_STROKES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from backend.predictors import EmbeddedPredictor

ROOT = Path(__file__).parents[2]
STROKES = {  # every second point: half the events, and the same digits
    digit: [[stroke[:-1:2] + stroke[-1:] for stroke in drawing] for drawing in drawings]
    for digit, drawings in ALL_STROKES.items()
}
DESK, PHONE = {"width": 1280, "height": 800}, {"width": 390, "height": 844}
PATIENCE = 60_000  # milliseconds: a machine that trains at the same time takes 30 seconds for a first visit
expect.set_options(timeout=PATIENCE)
# How far the page and its main part can be scrolled sideways, in pixels.
EXCESS = "[...document.querySelectorAll('[data-testid=stMain], html')].map(e => e.scrollWidth - e.clientWidth)"
# The canvas loads its first drawing, paper and all, in the background. Until that is done it has no pen, or has one at
# its second call already, and then the load wipes what is drawn. Its cursor, set as the mouse moves, and the paper
# tell. And the sheet before takes its place until the end of the run: strokes begun earlier fall beside the new one.
TAKES_THE_PEN = """pen => {
  const { x, y } = pen.getBoundingClientRect();
  pen.dispatchEvent(new MouseEvent("mousemove", { clientX: x + 1, clientY: y + 1, bubbles: true }));
  const paper = pen.parentElement.querySelector(".lower-canvas").getContext("2d").getImageData(1, 1, 1, 1);
  const playing = document.querySelector(".st-key-playing");
  const line = document.querySelector(playing ? ".st-key-task" : ".st-key-glance"); // above the sheet, here on a phone
  const top = (playing ?? document.querySelector(".st-key-drawing")).getBoundingClientRect().y;
  const above = line?.offsetParent ? line.getBoundingClientRect().bottom : top;
  const inPlace = y - above < 20;
  return inPlace && pen.style.cursor === "crosshair" && paper.data[3] === 255;
}"""
MOVES_NO_MORE = """() => document.getAnimations().every(
  each => each.playState !== "running" || each.effect.getComputedTiming().endTime === Infinity)"""
IDLE = """() => new Promise(done =>
  requestIdleCallback(() => requestIdleCallback(done, { timeout: 500 }), { timeout: 500 }))"""
FAKE_CAMERA = ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]


def pytest_collection_finish(session: pytest.Session) -> None:
    """No browser stops the run at once, not each test that needs one."""
    if any(item.get_closest_marker("browser") for item in session.items):
        try:
            with sync_playwright() as playwright:
                find(playwright)
        except NoBrowser as error:
            pytest.exit(str(error), returncode=1)


def start_page(
    python: str = sys.executable, script: str = "ui/app.py", **environment: str
) -> tuple[subprocess.Popen[bytes], str]:
    """`streamlit run ui/app.py` as a process of its own, from the repository's root as Community Cloud does."""
    with socket.create_server(("127.0.0.1", 0)) as door:
        port = door.getsockname()[1]
    flags = {"port": str(port), "address": "127.0.0.1", "headless": "true", "fileWatcherType": "none"}
    options = [f"--server.{name}={value}" for name, value in flags.items()]
    clean = {name: v for name, v in os.environ.items() if not name.startswith(("API_", "BACKEND_", "SAGEMAKER_"))}
    command = [python, "-m", "streamlit", "run", script, *options]
    process = subprocess.Popen(command, cwd=ROOT, env=clean | environment, stdout=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"
    _await_health(process, url)
    return process, url


def _await_health(process: subprocess.Popen[bytes], url: str) -> None:
    for _ in range(900):
        try:
            if requests.get(f"{url}/_stcore/health", timeout=1).ok:
                return
        except requests.RequestException:
            time.sleep(0.1)
    process.kill()
    pytest.fail("The page did not start within 90 seconds.")


def stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    process.wait(60)  # seconds: a busy machine is slow to end, too


@pytest.fixture(scope="session")
def page_process() -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """The page with nothing configured, and its URL."""
    process, url = start_page()
    yield process, url
    stop(process)


@pytest.fixture(scope="session")
def page_url(page_process: tuple[subprocess.Popen[bytes], str]) -> str:
    """The URL of the page with nothing configured."""
    return page_process[1]


class MoodyApi:
    """The real API, until a test gives it a mood: (status, headers, body), a delay in seconds, or a cut line."""

    def __init__(self, predictor: EmbeddedPredictor, feedback: Path) -> None:
        self.app, self._feedback = create_app({"feedback": str(feedback)}, predictor), feedback
        self._well, self.app.wsgi_app = self.app.wsgi_app, self  # type: ignore[method-assign]
        self.answer: tuple[str, dict[str, str], bytes] | None = None
        self.delay, self.slow, self.asked = 0.0, "/predictions", 0
        self.bodies: list[bytes] = []

    def refuse(self, status: int, slug: str, **headers: str) -> None:
        """Answer POSTs and /ready with this problem from now on."""
        body = {"type": f"/problems/{slug}", "title": "t", "status": status, "detail": "d", "request_id": "r"}
        kind = {"Content-Type": "application/problem+json"}
        self.answer = (f"{status} Refused", {**kind, **headers}, json.dumps(body).encode())

    def kept(self) -> list[str]:
        """The ids in the feedback store."""
        return sorted(path.stem for path in self._feedback.rglob("*.png"))

    def kept_labels(self) -> list[str]:
        """The labels in the feedback store."""
        return [json.loads(path.read_text())["label"] for path in self._feedback.rglob("*.json")]

    def await_kept(self, *labels: str) -> None:
        """Until the feedback store holds these labels alone."""
        end = time.monotonic() + PATIENCE / 1000
        while sorted(self.kept_labels()) != sorted(labels):
            assert time.monotonic() < end, self.kept_labels()
            time.sleep(0.05)

    def mend(self) -> None:
        """Be the real API again."""
        self.answer, self.delay, self.slow = None, 0.0, "/predictions"

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """WSGI."""
        prediction = environ["PATH_INFO"].startswith("/predictions")
        self.asked += prediction
        begun, slow = time.monotonic(), environ["PATH_INFO"].startswith(self.slow)
        while slow and time.monotonic() < begun + self.delay:  # mend() ends it
            time.sleep(0.05)
        if self.answer and (prediction or environ["PATH_INFO"] == "/ready"):
            status, headers, body = self.answer
            start_response(status, [*headers.items(), ("Content-Length", str(len(body)))])
            return [body]
        return self._well(environ, start_response)


@pytest.fixture(scope="session")
def _moody(embedded: EmbeddedPredictor, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[MoodyApi, str]]:
    api = MoodyApi(embedded, tmp_path_factory.mktemp("feedback"))
    server = Server(api.app)
    thread = threading.Thread(target=server.run)
    thread.start()
    process, url = start_page(API_URL=f"http://127.0.0.1:{server.effective_port}", API_KEY="open-sesame")
    yield api, url
    stop(process)
    server.stop()
    thread.join(5)


@pytest.fixture
def api(_moody: tuple[MoodyApi, str]) -> Iterator[MoodyApi]:
    """The API behind `moody_url`, well at first."""
    _moody[0].mend()
    _moody[0].asked = 0
    yield _moody[0]
    _moody[0].mend()


@pytest.fixture
def moody_url(_moody: tuple[MoodyApi, str], api: MoodyApi) -> str:
    return _moody[1]


@pytest.fixture(scope="session")
def playwright() -> Iterator[Playwright]:
    with sync_playwright() as started:
        yield started


@pytest.fixture(scope="session")
def browser(playwright: Playwright) -> Iterator[Browser]:
    chromium = launch(playwright, *FAKE_CAMERA)
    yield chromium
    chromium.close()


class Visitor:
    """One person in front of the page."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.page.set_default_timeout(PATIENCE)
        self.page.goto(url)
        self.sheet: int | str = -1
        self.await_sheet()

    @property
    def paper(self) -> Locator:
        """The canvas that takes the pen."""
        return self.page.locator(f".st-key-canvas-{self.sheet} canvas.upper-canvas")

    @property
    def state(self) -> dict[str, str]:
        """What the page knows after its last run: strokes, drawing, answer, sheet, and what is announced."""
        return self.page.evaluate(
            "() => { const e = document.getElementById('announcement'); return {...e.dataset, said: e.textContent} }"
        )

    def press(self, name: str) -> None:
        self.page.get_by_role("button", name=name).first.click()

    def tab_to(self, place: Locator, most: int = 12) -> None:
        """By the Tab key alone, in so many presses at most."""
        for _ in range(most):
            self.page.keyboard.press("Tab")
            if place.evaluate("e => e === document.activeElement"):
                return

    def draw(self, digit: str, style: int = 0) -> None:
        """With the mouse, as people do: stroke by stroke."""
        for stroke in STROKES[digit][style]:
            self.stroke(stroke)

    def stroke(self, points: list[list[float]]) -> None:
        """Points on a sheet of 280 pixels."""
        box = self.paper.bounding_box()
        assert box
        scale, mouse = box["width"] / 280, self.page.mouse
        places = [(box["x"] + x * scale, box["y"] + y * scale) for x, y in points]
        mouse.move(*places[0])
        mouse.down()
        for place in places:
            mouse.move(*place)
        mouse.up()

    def await_state(self, **wanted: str) -> None:
        """Until the page knows this."""
        self.page.wait_for_function(
            "wanted => { const d = document.getElementById('announcement').dataset;"
            " return Object.entries(wanted).every(([k, v]) => d[k] === v) }",
            arg=wanted,
        )

    def await_strokes(self, n: int) -> None:
        self.await_state(strokes=str(n))

    def await_answer(self, begins: str = "") -> str:
        """Until what is given has its answer, and one that begins so -> what a screen reader says.

        Without `begins` it may be the answer before, where another picture is just on its way.
        """
        self.page.wait_for_function(
            "() => { const d = document.getElementById('announcement').dataset;"
            " return d.drawing && d.drawing === d.answer && d.failed === 'false' }",
        )
        expect(self.page.locator("#announcement")).to_have_text(re.compile(f"^{re.escape(begins)}"))
        return self.state["said"]

    def submit(self, begins: str = "") -> str:
        self.press("Submit")
        return self.await_answer(begins)

    def clear(self) -> None:
        self.press("Clear")
        self.await_sheet()

    def await_rest(self) -> None:
        """Until no run goes on and nothing moves: a press in flight would miss, a fading text has no contrast."""
        self.page.locator('[data-testid=stApp][data-test-script-state="notRunning"]').wait_for()
        self.page.wait_for_function(MOVES_NO_MORE)
        self.page.evaluate(IDLE)

    def resize(self, width: int, height: int) -> Page:
        """Another window, once Streamlit has arranged its columns anew."""
        self.page.set_viewport_size({"width": width, "height": height})
        self.await_rest()
        return self.page

    def await_text(self, text: str) -> None:
        self.page.get_by_text(text).filter(visible=True).first.wait_for()  # a phone has it in another place

    def await_sheet(self, sheet: str = "") -> None:
        """This sheet, or another than before, in its place and with a pen."""
        self.page.wait_for_function(
            "([wanted, old]) => { const e = document.getElementById('announcement'), now = e?.dataset.sheet;"
            " return e && e.dataset.dressed === now && (wanted ? now === wanted : now !== String(old)) }",
            arg=[sheet, self.sheet],
        )
        self.sheet = sheet or int(self.state["sheet"])
        self.page.wait_for_function(TAKES_THE_PEN, arg=self.paper.element_handle())


class Visit:
    """visit(url, phone=True, dark=True) -> a Visitor in front of the page anew, as nobody has seen it yet.

    `live`: as the page is by itself, where the API is near; without, each drawing waits for Submit. Windows of the same
    kind are used again by later tests: such a visit takes a third of the processor's time.
    """

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        self._free: dict[str, list[Page]] = {}
        self._taken: list[tuple[str, Page]] = []

    def __call__(
        self, url: str, *, phone: bool = False, dark: bool = False, live: bool = False, **options: Any
    ) -> Visitor:
        size = PHONE if phone else DESK
        kind = {
            "viewport": size,
            "color_scheme": "dark" if dark else "light",
            "device_scale_factor": 2 if phone else 1,
            "has_touch": phone,
            **options,
        }
        page = self._window(f"{urlsplit(url).netloc} {json.dumps(kind)}", kind)
        page.set_viewport_size(size)
        visitor = Visitor(page, url if live else without_live(url))
        visitor.await_state(live=str(live).lower())
        return visitor

    def _window(self, name: str, kind: dict[str, Any]) -> Page:
        free = self._free.setdefault(name, [])
        page = free.pop() if free else self._browser.new_context(**kind).new_page()
        self._taken.append((name, page))
        return page

    def end(self) -> None:
        """Leave every page that was visited."""
        for name, page in self._taken:
            page.goto("about:blank")
            self._free[name].append(page)
        self._taken.clear()


def without_live(url: str) -> str:
    """The page's address for a visit where each drawing waits for Submit."""
    address, mark, fragment = url.partition("#")
    return f"{address}{'&' if '?' in address else '?'}live=off{mark}{fragment}"


@pytest.fixture(scope="session")
def visits(browser: Browser) -> Visit:
    return Visit(browser)


@pytest.fixture
def visit(visits: Visit) -> Iterator[Visit]:
    yield visits
    visits.end()
