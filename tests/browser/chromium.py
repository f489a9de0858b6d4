"""Which browser the tests drive. `python -m tests.browser.chromium` gets one and prints where it is.

CHROMIUM where it is set; else a Chromium, Chrome or Edge that is there and starts; else Debian's, where it may be
installed; else Playwright's own download.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from playwright.sync_api import Error, sync_playwright

from ui.make import debian, say

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Playwright

NAMES = (
    "chromium", "chromium-browser", "google-chrome-stable", "google-chrome", "chrome",
    "microsoft-edge-stable", "microsoft-edge", "msedge",
)  # fmt: skip
ON_MACOS = ("Google Chrome", "Chromium", "Microsoft Edge")
ON_WINDOWS = ("Google/Chrome/Application/chrome.exe", "Microsoft/Edge/Application/msedge.exe")
ARGUMENTS = ["--no-sandbox", "--disable-background-networking", "--disable-component-update", "--disable-sync"]
MISSING = (
    "The browser tests need Chromium, Chrome or Edge, and none is here or could be installed: install one, "
    "or set CHROMIUM to where it is."
)


class NoBrowser(Exception):
    """A sentence with the remedy."""


def launch(playwright: Playwright, *arguments: str, path: str | None = None) -> Browser:
    """The browser, started. Raises NoBrowser."""
    return playwright.chromium.launch(executable_path=path or find(playwright), args=[*ARGUMENTS, *arguments])


def find(playwright: Playwright) -> str:
    """Where the first browser is. Raises NoBrowser."""
    for path in _candidates(playwright):
        return path
    raise NoBrowser(MISSING)


def get() -> str:
    """Where a browser is that starts, which may be installed first. Raises NoBrowser."""
    if not (_playwright_runs() or (debian("libatomic1") and _playwright_runs())):  # a bare Debian lacks it
        raise NoBrowser("Playwright does not start here: `python -m playwright --version` says why.")
    with sync_playwright() as playwright:
        for path in _candidates(playwright):
            if _starts(playwright, path):
                return path
            say(f"{path} does not start.")
        if debian("chromium") and _starts(playwright, path := shutil.which("chromium") or "chromium"):
            return path
        say("Downloading Playwright's Chromium.")
        download = [sys.executable, "-m", "playwright", "install", "chromium"]
        subprocess.run(download, capture_output=True, check=False)  # its errors are pages long
        if _starts(playwright, path := playwright.chromium.executable_path):
            return path
    raise NoBrowser(MISSING)


def _playwright_runs() -> bool:
    return not subprocess.run(
        [sys.executable, "-m", "playwright", "--version"], capture_output=True, check=False
    ).returncode


def _candidates(playwright: Playwright) -> Iterator[str]:
    """Every browser that is there: CHROMIUM alone, or what is on the PATH, in the usual places, or Playwright's."""
    if chosen := os.environ.get("CHROMIUM"):
        if not (found := shutil.which(chosen)):
            raise NoBrowser(f"CHROMIUM is {chosen}, and that is no program.")
        yield found
        return
    for folder in os.get_exec_path():
        yield from filter(None, (shutil.which(name, path=folder) for name in NAMES))
    for place in (*_usual_places(), Path(playwright.chromium.executable_path)):
        if place.is_file():
            yield str(place)


def _usual_places() -> Iterator[Path]:
    for name in ON_MACOS:
        for folder in (Path("/Applications"), Path.home() / "Applications"):
            yield folder / f"{name}.app" / "Contents" / "MacOS" / name
    for variable in ("PROGRAMFILES", "PROGRAMFILES(X86)", "LOCALAPPDATA"):
        if folder := os.environ.get(variable):
            yield from (Path(folder) / name for name in ON_WINDOWS)


def _starts(playwright: Playwright, path: str) -> bool:
    try:
        launch(playwright, path=path).close()
    except Error:
        return False
    return True


if __name__ == "__main__":
    try:
        print(get())
    except NoBrowser as error:
        sys.exit(str(error))
