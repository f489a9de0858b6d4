"""The API's container image, without Docker: what its Dockerfile copies, started as it says, answers."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

import requests

from tests.contract.process import Process

if TYPE_CHECKING:
    import pytest

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "backend/Dockerfile").read_text(encoding="utf-8")


def test_what_the_image_holds_is_all_that_the_api_needs(
    tmp_path: Path, seven: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    for source, target in re.findall(r"^COPY (\S+) (\S+)$", DOCKERFILE, re.MULTILINE):
        copy = shutil.copytree if (ROOT / source).is_dir() else shutil.copy
        (tmp_path / target).parent.mkdir(parents=True, exist_ok=True)
        copy(ROOT / source, tmp_path / target)
    monkeypatch.chdir(tmp_path)
    api = Process(PYTHONPATH=str(tmp_path))
    answer = requests.post(f"{api.url}/predictions", data=seven, timeout=30).json()
    assert answer["label"] == "7"
    assert api.stop() == 0


def test_the_image_installs_what_the_project_says() -> None:
    """The line that reads the extras, run as it stands."""
    [line] = re.findall(r"^RUN (python -c .*) > requirements.txt", DOCKERFILE, re.MULTILINE)
    command = [sys.executable, *shlex.split(line)[1:]]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    assert ran.stdout.splitlines() == extras["backend"] + extras["embedded"]


def test_the_command_of_the_image_is_the_servers() -> None:
    assert 'CMD ["python", "-m", "backend.server", "--host=0.0.0.0", "--port=8000"]' in DOCKERFILE
