"""A Firefox as Mozilla and Debian ship it, driven by its own WebDriver BiDi (W3C).

Playwright 1.65 cannot: it asks for `emulation.setMediaFeaturesOverride`, which Firefox 153 does not have. `python -m
tests.browser.firefox` gets one where that is possible.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from websockets.sync.client import connect

from tests.browser.chromium import NoBrowser
from ui.make import debian, say

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from websockets.sync.client import ClientConnection

NAMES = ("firefox-esr", "firefox")
ELSEWHERE = (
    Path("/Applications/Firefox.app/Contents/MacOS/firefox"),
    Path(os.environ.get("PROGRAMFILES", "/")) / "Mozilla Firefox" / "firefox.exe",
)
MISSING = "The test of Firefox needs one, and none is here or could be installed: set FIREFOX to where it is."
PATIENCE = 60  # seconds, as Chromium's


def find() -> str:
    """FIREFOX where it is set; else one that is there. Raises NoBrowser."""
    names = (os.environ["FIREFOX"],) if os.environ.get("FIREFOX") else NAMES
    for path in (*map(shutil.which, names), *ELSEWHERE):
        if path and Path(path).is_file():
            return str(path)
    raise NoBrowser(MISSING)


def get() -> None:
    """Have one, which may be installed first. Raises NoBrowser."""
    try:
        find()
    except NoBrowser:
        debian("firefox-esr")
        find()


@contextmanager
def started(profile: Path) -> Iterator[Firefox]:
    """Firefox with one window of 1280x800 and this profile, an empty folder at first. Raises NoBrowser."""
    command = [find(), "--headless", "--no-remote", "--profile", str(profile), "--remote-debugging-port", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr
            found = next(filter(None, (re.search(r"BiDi listening on (ws:\S+)", line) for line in process.stderr)))
            with connect(f"{found[1]}/session", max_size=None) as socket:
                yield Firefox(socket)
        finally:
            process.terminate()


class Firefox:
    """A window, by the commands of WebDriver BiDi."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket, self._numbers = socket, count()
        self._send("session.new", capabilities={})
        self.context = self._send("browsingContext.getTree")["contexts"][0]["context"]
        self._send("browsingContext.setViewport", context=self.context, viewport={"width": 1280, "height": 800})

    def open(self, url: str) -> None:
        """Go there, and wait until it is loaded."""
        self._send("browsingContext.navigate", context=self.context, url=url, wait="complete")

    def evaluate(self, expression: str) -> Any:
        """JavaScript in the page, a promise awaited -> what it gives, which must be JSON."""
        wrapped = f"Promise.resolve({expression}).then(JSON.stringify)"
        result = self._send("script.evaluate", expression=wrapped, target={"context": self.context}, awaitPromise=True)
        assert result["type"] == "success", result
        return json.loads(result["result"].get("value", "null"))

    def await_true(self, condition: str) -> None:
        """Until the page says so."""
        self.evaluate(
            f"new Promise(done => {{ (function look() {{ ({condition}) ? done() : setTimeout(look, 50) }})() }})"
        )

    def stroke(self, places: Sequence[tuple[float, float]]) -> None:
        """Press the mouse's button at the first place, and release it at the last."""
        first, *rest = ({"type": "pointerMove", "x": round(x), "y": round(y), "duration": 10} for x, y in places)
        down, up = {"type": "pointerDown", "button": 0}, {"type": "pointerUp", "button": 0}
        mouse = {"type": "pointer", "id": "mouse", "parameters": {"pointerType": "mouse"}}
        self._send(
            "input.performActions", context=self.context, actions=[mouse | {"actions": [first, down, *rest, up]}]
        )

    def _send(self, method: str, **params: Any) -> Any:
        number = next(self._numbers)
        self._socket.send(json.dumps({"id": number, "method": method, "params": params}))
        while (answer := json.loads(self._socket.recv(PATIENCE))).get("id") != number:
            pass  # an event
        assert answer["type"] == "success", answer
        return answer["result"]


if __name__ == "__main__":
    try:
        get()
    except NoBrowser as error:
        say(str(error))
