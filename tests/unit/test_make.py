"""The commands: what they say of a port, a Python, a browser or a word that will not do."""

from __future__ import annotations

import ast
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from ui import make, serve

ROOT = Path(__file__).parents[2]


def python(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """A fresh Python in the repository."""
    place = {**os.environ, **environment}
    return subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, env=place, capture_output=True, text=True, check=False
    )


def test_an_old_python_can_read_the_commands() -> None:
    """Else it could not say which one is needed: macOS brings 3.9, Debian 10 3.7."""
    tree = ast.parse(Path(make.__file__).read_text(encoding="utf-8"), feature_version=(3, 8))
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    imported |= {str(node.module).partition(".")[0] for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert imported <= sys.stdlib_module_names


def test_no_target_lists_them_and_an_unknown_one_is_wrong_usage() -> None:
    assert python("-m", "ui.make").returncode == 0
    wrong = python("-m", "ui.make", "rum")
    assert wrong.returncode == 2
    assert all(f"\n{name} " in wrong.stdout for name in make.COMMANDS)


def test_what_needs_nothing_installed_anew_asks_no_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second `make run` starts at once, offline too."""
    project = tmp_path / "pyproject.toml"
    project.write_text("")
    monkeypatch.setattr(make, "ROOT", tmp_path)
    monkeypatch.setattr(make, "VENV", tmp_path)
    monkeypatch.setattr(make, "PROJECT", project)
    monkeypatch.setattr(make, "PYTHON", Path(sys.executable))
    asked: list[list[str]] = []
    monkeypatch.setattr(make.subprocess, "run", lambda command, **_: asked.append(command) or Done())  # type: ignore[attr-defined]
    make.install(["run"])
    assert any("pip" in command for command in asked)
    asked.clear()
    make.install(["run"])
    assert asked == []
    project.write_text("[project]")
    make.install(["run"])
    assert any("pip" in command for command in asked)


class Done:
    returncode = 0


def test_a_taken_port_gives_the_next_and_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        other = serve.free_port(str(port))
    assert other > port
    assert capsys.readouterr().err == f"Port {port} is taken: the page is on http://localhost:{other}.\n"


@pytest.mark.parametrize("wanted", ["", "http", "0", "65536", "-1", "8501 "])
def test_a_port_that_is_none_is_a_sentence(wanted: str) -> None:
    with pytest.raises(SystemExit, match="must be a number from 1 to 65535"):
        serve.free_port(wanted)


def test_a_python_that_is_too_old_or_broken_does_not_fit(tmp_path: Path) -> None:
    old = tmp_path / "python3.13"
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o755)
    assert not make._fits(str(old))
    assert not make._fits(str(tmp_path / "nowhere"))
    old.write_text("#!/bin/sh\nexit 0\n")
    assert make._fits(str(old))


@pytest.mark.parametrize("command", ["-m tests.browser.chromium", "-m pytest tests/browser/test_docs.py"])
def test_no_browser_is_one_sentence_before_any_test(command: str) -> None:
    done = python(*command.split(), CHROMIUM="/nowhere/chrome")
    assert done.returncode == 1
    assert "CHROMIUM is /nowhere/chrome, and that is no program." in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert "passed" not in done.stdout


def test_a_browser_that_does_not_start_is_passed_over(tmp_path: Path) -> None:
    """Such as Ubuntu's chromium-browser, which only says that a snap is needed."""
    (tmp_path / "chromium").write_text("#!/bin/sh\nexit 1\n")
    (tmp_path / "chromium").chmod(0o755)
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    done = python("-m", "tests.browser.chromium", PATH=path, CHROMIUM="")  # `make test` names the one that it found
    assert done.returncode == 0, done.stderr
    assert "chromium does not start." in done.stderr
    assert Path(done.stdout.strip()).is_file()
