"""What runs elsewhere (GitHub, pre-commit, Docker) is at least what their own linters accept."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
SCHEMA = "check-jsonschema --builtin-schema vendor."
LINTERS = (
    f"{SCHEMA}github-workflows .github/workflows/ci.yml .github/workflows/deploy.yml",
    f"{SCHEMA}dependabot .github/dependabot.yml",
    "zizmor --offline --no-progress --quiet .github",
    "pre-commit validate-config .pre-commit-config.yaml",
)


@pytest.mark.parametrize("command", LINTERS)
def test_the_linter_accepts_it(command: str) -> None:
    linter, *arguments = command.split()
    done = subprocess.run([BIN / linter, *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_linters_find_something_in_a_bad_workflow(tmp_path: Path) -> None:
    bad = tmp_path / "bad.yml"
    bad.write_text("on: push\njobs:\n  test:\n    steps:\n      - run: echo ${{ github.event.issue.title }}\n")
    for command in LINTERS[0], LINTERS[2]:
        linter, *arguments = command.split()
        run = [BIN / linter, *arguments[:-1], bad]
        assert subprocess.run(run, capture_output=True, check=False).returncode, linter


@pytest.mark.parametrize("folder", ["ui", "backend"])
def test_docker_is_sent_what_the_image_copies_and_no_secret(folder: str) -> None:
    sent = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    lines = (ROOT / folder / "Dockerfile").read_text(encoding="utf-8").splitlines()
    copied = [line.split()[1] for line in lines if line.startswith("COPY")]
    assert {"*", "**/secrets.toml"} <= set(sent)
    assert all(any(path == kept or path.startswith(f"{kept}/") for kept in _kept(sent)) for path in copied), copied


def _kept(sent: list[str]) -> list[str]:
    return [line[1:] for line in sent if line.startswith("!")]
