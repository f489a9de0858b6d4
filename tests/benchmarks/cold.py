"""Cold starts: the packaged function under the real awslambdaric beside a hello-world on Zappa; the page's server."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import zipfile
from statistics import median
from typing import TYPE_CHECKING, Any

import psutil

from backend.deploy import options, package
from backend.deploy.options import Options
from backend.deploy.stage import ROOT, Stage
from tests.benchmarks.contenders import free_port
from tests.benchmarks.race import spread
from tests.benchmarks.wire import Wire, get, post
from tests.cloud.runtime_api import Function
from tests.contract.misbehaving import Runtime

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tests.benchmarks.drawings import Drawn

HELLO = """from flask import Flask

app = Flask(__name__)


@app.post("/predictions")
def hello():
    return {"hello": "world"}
"""
BUILD = ROOT / package.BUILD


class Here:
    """As much of a boto3 session as packaging asks for."""

    region_name = "us-east-1"


def _settings(mode: str) -> dict[str, Any]:
    os.environ.setdefault("AWS_DEFAULT_REGION", "us-east-1")
    return options.settings(Stage("dev", Here(), _account="123456789012"), Options(mode=mode))


def _ours(mode: str) -> Path:
    return package.package(package.build(mode, embedded=mode == "embedded"), _settings(mode), "dev")


def _hello() -> Path:
    """The same Zappa, the same settings, Flask alone."""
    folder = BUILD / "hello"
    package._build_runtime(folder / "runtime", ["durationpy", "flask>=3.1,<4"])
    (folder / "app" / "backend").mkdir(parents=True, exist_ok=True)
    (folder / "app" / "backend" / "wsgi.py").write_text(HELLO)
    package.compile_all(folder / "app")
    return package.package(folder, _settings("sagemaker"), "dev")


def runtime_client(python: str) -> Path:
    """awslambdaric for Lambda's Python."""
    tree = BUILD / "awslambdaric"
    if not tree.is_dir():
        command = [python, "-m", "pip", "install", "--quiet", f"--target={tree}", "awslambdaric>=4,<5", "boto3"]
        subprocess.run(command, check=True)
    return tree


def one_start(unpacked: Path, python: str, tree: Path, environment: dict[str, str], png: bytes) -> dict[str, float]:
    """Start, first answer, a hundred more -> seconds of wall clock and CPU, megabytes."""
    started = time.perf_counter()
    function = Function(unpacked, python, tree, {"INSTANTIATE_LAMBDA_HANDLER_ON_IMPORT": "true", **environment})
    process = psutil.Process(function.process.pid)
    try:
        _predict(function, png)
        wall, cpu = time.perf_counter() - started, sum(process.cpu_times()[:2])
        for _ in range(100):
            _predict(function, png)
        warm = (sum(process.cpu_times()[:2]) - cpu) / 100
        return {"wall_s": wall, "cpu_s": cpu, "warm_cpu_ms": 1000 * warm, "megabytes": process.memory_info().rss / 1e6}
    finally:
        function.stop()


def _predict(function: Function, png: bytes) -> None:
    answer = function.request("POST", "/predictions", png, {"Content-Type": "image/png"})
    assert answer.status == 200, answer.body


def functions(png: bytes, rounds: int) -> dict[str, Any]:
    """mode -> cold start in turns, zip and unpacked megabytes; and CPU against hello-world."""
    python = package.lambda_python()
    if not python:
        return {"skipped": f"there is no Python {package.PYTHON} here"}
    tree = runtime_client(python)
    zips = {"hello": _hello(), "sagemaker": _ours("sagemaker"), "embedded": _ours("embedded")}
    for mode, path in zips.items():
        with zipfile.ZipFile(path) as archive:
            archive.extractall(BUILD / "unpacked" / mode)
    starts: dict[str, list[dict[str, float]]] = {mode: [] for mode in zips}
    with Runtime() as endpoint:  # stands in for SageMaker: only the function's own time counts
        asked = {"AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME": endpoint.url}
        environments: dict[str, dict[str, str]] = {"hello": {}} | {
            mode: _settings(mode)["dev"]["aws_environment_variables"] | asked
            for mode in ("sagemaker", "embedded")  # as deployed: logs and metrics are on
        }
        for _ in range(rounds):
            for mode, environment in environments.items():
                starts[mode].append(one_start(BUILD / "unpacked" / mode, python, tree, environment, png))
    result = {
        mode: {name: spread([start[name] for start in starts[mode]]) for name in starts[mode][0]}
        | {"zip_mb": round(zips[mode].stat().st_size / 1e6, 1)}
        for mode in zips
    }
    hello = median(start["cpu_s"] for start in starts["hello"])
    return result | {
        f"{mode}_over_hello": round(median(s["cpu_s"] for s in starts[mode]) / hello, 2)
        for mode in ("sagemaker", "embedded")
    }


def local(png: bytes, rounds: int) -> dict[str, Any]:
    """What the API alone takes from the command to the first answer, and the page to being healthy."""
    page, api = [], []
    streamlit = ["-m", "streamlit", "run", "ui/app.py", "--server.headless=true", "--server.port"]
    for _ in range(rounds):
        api.append(_seconds(["-m", "backend.server", "--port"], post("/predictions", png, "image/png")))
        page.append(_seconds(streamlit, get("/_stcore/health")))
    return {"api_first_answer_s": spread(api), "page_healthy_s": spread(page)}


def _seconds(arguments: Sequence[str], message: bytes) -> float:
    port, quiet = free_port(), subprocess.DEVNULL
    started = time.perf_counter()
    process = subprocess.Popen([sys.executable, *arguments, str(port)], cwd=ROOT, stdout=quiet, stderr=quiet)
    try:
        while not _answered(port, message):
            assert time.perf_counter() - started < 120, "no answer in two minutes"
            time.sleep(0.01)
        return time.perf_counter() - started
    finally:
        process.kill()
        process.wait()


def _answered(port: int, message: bytes) -> bool:
    try:
        return Wire(port).exchange(message)[0] == 200
    except OSError:
        return False


def cold(drawn: Sequence[Drawn], *, quick: bool) -> dict[str, Any]:
    """Lambda's cold start and this machine's."""
    png, rounds = drawn[0].png, 1 if quick else 7
    return {"lambda": functions(png, rounds), "local": local(png, 1 if quick else 5)}
