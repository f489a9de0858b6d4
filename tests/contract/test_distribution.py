"""What other people install: the wheel and the sdist, and that each extra has wheels wherever it is claimed."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import requests

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
PYTHONS = ("3.11", "3.12", "3.13", "3.14")
PLATFORMS = ("x86_64-manylinux_2_28", "aarch64-manylinux_2_28", "aarch64-apple-darwin", "x86_64-pc-windows-msvc")
LICENCES = "MIT;BSD;Apache;Python Software Foundation;PSF;ISC;MPL;Mozilla Public License;HPND;CMU;Zlib;Unlicense;Zope"
BIN = "Scripts" if os.name == "nt" else "bin"
PURE = "placebo"  # zappa's, of Python alone; its releases that zappa takes are sdists


def uv(*arguments: str | Path, **options: str) -> str:
    command = [sys.executable, "-m", "uv", *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, env=os.environ | options)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with wheel and sdist, made without a network."""
    folder = tmp_path_factory.mktemp("built")
    uv("build", "--quiet", "--no-build-isolation", "--out-dir", folder, PYTHONPATH="")
    return folder


def test_the_wheel_has_all_that_serves_and_deploys_and_nothing_else(built: Path) -> None:
    with zipfile.ZipFile(next(built.glob("*.whl"))) as wheel:
        names = {name for name in wheel.namelist() if ".dist-info/" not in name}
    packages = ("ui", "backend", "training")
    code = {str(file.relative_to(ROOT).as_posix()) for package in packages for file in (ROOT / package).rglob("*.py")}
    assert code <= names
    assert {name.partition("/")[0] for name in names} == set(packages)
    data = ("backend/templates/docs.html", "backend/deploy/prices.json", "backend/deploy/policies/function.json")
    model = ("training/artifacts/digits/model.tflite", "training/artifacts/digits/card.json")
    models = {f"training/artifacts/{folder.name}/model.tflite" for folder in (ROOT / "training/artifacts").iterdir()}
    page = {f"ui/{file.name}" for kind in ("css", "js", "svg") for file in (ROOT / "ui").glob(f"*.{kind}")}
    assert {*data, *model, *models, *page, "ui/.streamlit/config.toml"} <= names


def test_the_sdist_has_tests_and_commands_and_no_secret(built: Path) -> None:
    with tarfile.open(next(built.glob("*.tar.gz"))) as sdist:
        names = {name.partition("/")[2] for name in sdist.getnames()}
    assert {"Makefile", "zappa_settings.json", "tests/strokes.json", "ui/Dockerfile", "CHANGELOG.md"} <= names
    assert not [name for name in names if name.endswith(("secrets.toml", ".pyc"))]


@contextmanager
def started(*command: str | Path, folder: Path) -> Iterator[None]:
    process = subprocess.Popen(command, cwd=folder, env=os.environ | {"PYTHONPATH": ""}, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.terminate()
        process.wait(30)


def awaited(url: str) -> requests.Response:
    session = requests.Session()
    retry = requests.adapters.Retry(total=9, backoff_factor=0.25)  # 64 seconds
    session.mount("http://", requests.adapters.HTTPAdapter(max_retries=retry))
    return session.get(url, timeout=30)


def free_port() -> str:
    with socket.create_server(("127.0.0.1", 0)) as door:
        return str(door.getsockname()[1])


@pytest.fixture(params=["highest", "lowest-direct"])
def installed(built: Path, tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """The commands of a fresh environment outside the repository: the wheel with what the page needs, new or old."""
    place, resolution = tmp_path / "else where" / "venv", ("--resolution", request.param)
    uv("venv", "--quiet", "--python", sys.executable, place)
    wheel = f"{next(built.glob('*.whl'))}[ui,backend,embedded]"
    uv("pip", "install", "--quiet", *resolution, "--python", place, wheel)
    return place / BIN


@pytest.mark.slow
def test_the_wheel_serves_asks_and_answers(installed: Path, tmp_path: Path, seven: bytes) -> None:
    (tmp_path / "7.png").write_bytes(seven)
    port = free_port()
    with started(installed / "serve-digits", "--port", port, folder=tmp_path):
        awaited(f"http://127.0.0.1:{port}/ready")
        ask = [installed / "read-digits", "--url", f"http://127.0.0.1:{port}", "7.png"]
        assert subprocess.check_output(ask, cwd=tmp_path, text=True).startswith("7.png: 7 (")
    with started(installed / "draw-a-digit", "--server.port", port, "--server.headless", "true", folder=tmp_path):
        assert awaited(f"http://localhost:{port}/_stcore/health").text == "ok"


@pytest.mark.slow
@pytest.mark.parametrize("command", ["serve-digits", "draw-a-digit"])
def test_a_command_whose_extra_is_missing_says_so(built: Path, tmp_path: Path, command: str) -> None:
    uv("venv", "--quiet", "--python", sys.executable, tmp_path / "venv")
    uv("pip", "install", "--quiet", "--python", tmp_path / "venv", next(built.glob("*.whl")))
    done = subprocess.run(
        [tmp_path / "venv" / BIN / command], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "pip install 'fullstack-model[" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_everything_that_is_installed_with_it_may_be_passed_on(installed: Path) -> None:
    """`pip-licenses` lists each package's licence; none asks for more than a notice or its own source."""
    python = installed / ("python.exe" if os.name == "nt" else "python")
    command = [sys.executable, "-m", "piplicenses", f"--python={python}", "--partial-match", "--allow-only", LICENCES]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_python_that_is_claimed_is_resolved_here() -> None:
    claimed = {line.rpartition(" ")[2] for line in PROJECT["classifiers"] if "Python :: 3." in line}
    assert claimed == set(PYTHONS)
    assert PROJECT["requires-python"] == ">=3.11,<3.15"


@pytest.mark.slow
@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize("platform", PLATFORMS)
def test_every_extra_has_wheels(platform: str, python: str) -> None:
    """All extras together, which is more than each by itself."""
    wheels = ("--only-binary", ":all:", "--no-binary", PURE)
    place = ("--python-platform", platform, "--python-version", python)
    found = uv("pip", "compile", "--quiet", *wheels, *place, "--all-extras", "pyproject.toml")
    assert "\nai-edge-litert==" in found


@pytest.mark.slow
def test_the_lowest_releases_that_are_allowed_go_together() -> None:
    lowest = uv("pip", "compile", "--quiet", "--resolution", "lowest-direct", "--all-extras", "pyproject.toml")
    assert "\nflask==3.1.0" in lowest
