"""The page as Streamlit Community Cloud runs it: Python 3.11, ui/requirements.txt and nothing else, from the root."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
import venv
from itertools import chain
from typing import TYPE_CHECKING

import pytest

from tests.browser.conftest import ROOT, start_page, stop
from tests.browser.test_judging import resident_megabytes

if TYPE_CHECKING:
    from pathlib import Path

    from tests.browser.conftest import Visit

MEMORY = 690  # MB: what the smallest app on Community Cloud may take


def test_the_requirements_are_those_of_the_project() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = (project["optional-dependencies"][name] for name in ("ui", "backend", "embedded"))
    wanted = {*project["dependencies"], *chain(*extras)}
    lines = (ROOT / "ui" / "requirements.txt").read_text().splitlines()
    given = {line for line in lines if line and not line.startswith("#")}
    assert given == wanted
    assert not [line for line in given if re.search("tensorflow|keras", line)]
    assert all("==" in line or ("<" in line and ">=" in line) for line in given)


def test_the_example_of_the_secrets_is_valid_and_the_real_file_is_ignored() -> None:
    example = tomllib.loads((ROOT / ".streamlit" / "secrets.toml.example").read_text())
    assert set(example) == {"API_URL", "API_KEY"}
    assert ".streamlit/secrets.toml" in (ROOT / ".gitignore").read_text().splitlines()


@pytest.mark.slow
def test_a_clean_environment_runs_the_page_within_the_memory_there_is(visit: Visit, tmp_path: Path) -> None:
    """With no secrets, so with the embedded model; this project itself is not installed there."""
    assert sys.version_info[:2] == (3, 11), "Community Cloud's Python: run this test with it"
    venv.create(tmp_path / "venv", with_pip=True)
    python = str(tmp_path / "venv" / "bin" / "python")
    subprocess.check_call([python, "-m", "pip", "install", "-q", "-r", str(ROOT / "ui" / "requirements.txt")])
    process, url = start_page(python)
    try:
        visitor = visit(url)
        visitor.draw("8")
        visitor.submit("Read as 8:")
        assert resident_megabytes(process.pid) < MEMORY
    finally:
        stop(process)
