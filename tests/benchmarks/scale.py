"""More at once: 1, 8 and 64 pictures a request, ten thousand files through the shell command, one worker and two."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.benchmarks.contenders import EMBEDDED, Running
from tests.benchmarks.race import LOG, load, spread
from tests.benchmarks.wire import Wire, post

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.benchmarks.drawings import Drawn


def batches(running: Running, drawn: Sequence[Drawn], rounds: int) -> dict[str, Any]:
    """Milliseconds a picture by pictures a request, interleaved; "single" is POST /predictions."""
    wire = Wire(running.port)
    messages = {"single": post("/predictions", drawn[0].png, "image/png")}
    for size in (1, 8, 64):
        images = [base64.b64encode(drawn[n % len(drawn)].png).decode() for n in range(size)]
        messages[str(size)] = post("/predictions/batch", json.dumps({"images": images}).encode(), "application/json")
    times: dict[str, list[float]] = {name: [] for name in messages}
    for _ in range(rounds):
        for name, message in messages.items():
            started = time.perf_counter()
            status, body = wire.exchange(message)
            times[name].append(1000 * (time.perf_counter() - started) / (1 if name == "single" else int(name)))
            assert status == 200, body[:200]
    per_image = {name: spread(values) for name, values in times.items()}
    return {
        "ms_per_image": per_image,
        "64_over_single": round(_middle(per_image, "64") / _middle(per_image, "single"), 3),
    }


def _middle(spreads: dict[str, dict[str, float]], name: str) -> float:
    return spreads[name]["median"]


def folder(running: Running, drawn: Sequence[Drawn], count: int) -> dict[str, Any]:
    """`count` files through `python -m ui.client FOLDER`, start to exit."""
    with tempfile.TemporaryDirectory() as root:
        for n in range(count):
            (Path(root) / f"{n:05}.png").write_bytes(drawn[n % len(drawn)].png)
        command = [sys.executable, "-m", "ui.client", root, "--url", f"http://127.0.0.1:{running.port}", "--csv"]
        started, used = time.perf_counter(), running.cpu()
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        seconds = time.perf_counter() - started
    lines = done.stdout.splitlines()[1:]
    assert len(lines) == count, done.stderr[-300:]
    right = sum(line.split(",")[1] == drawn[int(Path(line.split(",")[0]).stem) % len(drawn)].label for line in lines)
    return {
        "pictures": count,
        "seconds": round(seconds, 2),
        "per_second": round(count / seconds),
        "server_cpu_ms_each": round(1000 * (running.cpu() - used) / count, 3),
        "right": round(right / count, 4),
    }


def workers(first: Running, drawn: Sequence[Drawn], seconds: float, rounds: int) -> dict[str, Any]:
    """Requests a second of 8 clients at one worker process and at two."""
    second = Running(EMBEDDED, drawn[0].png, LOG)
    rates: dict[str, list[float]] = {"1": [], "2": []}
    try:
        for _ in range(rounds):
            rates["1"].append(load([first], drawn, 8, seconds)["per_second"])
            rates["2"].append(load([first, second], drawn, 8, seconds)["per_second"])
    finally:
        second.stop()
    return {name: spread(values) for name, values in rates.items()}


def scale(drawn: Sequence[Drawn], *, quick: bool) -> dict[str, Any]:
    """All three."""
    running = Running(EMBEDDED, drawn[0].png, LOG)
    try:
        return {
            "batches": batches(running, drawn, 5 if quick else 60),
            "folder": folder(running, drawn, 200 if quick else 10_000),
            "workers": workers(running, drawn, 1 if quick else 4, 1 if quick else 3),
        }
    finally:
        running.stop()
