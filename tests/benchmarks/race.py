"""Latency, throughput and endurance over HTTP: every contender in turn, round by round, in the same minutes."""

from __future__ import annotations

import io
import math
import subprocess
import tempfile
import threading
import time
from functools import partial
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from backend.predictors import EmbeddedPredictor
from backend.preprocessing import normalise
from backend.settings import SHIPPED_MODEL
from tests.benchmarks.contenders import CONTENDERS, EMBEDDED, GRADIO, MODEL, RIVAL_PYTHON, RIVALS, Running
from tests.benchmarks.rivals.simple import Model
from tests.benchmarks.wire import Wire

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tests.benchmarks.drawings import Drawn

LOG = Path("build") / "bench.log"
BLOCK = 25  # drawings that one contender is asked about before the next has its turn


def percentiles(seconds: Sequence[float]) -> dict[str, float]:
    """Milliseconds: p50, p95, p99."""
    return {f"p{p}": round(1000 * float(np.percentile(seconds, p)), 3) for p in (50, 95, 99)}


def spread(values: Sequence[float]) -> dict[str, float]:
    """The median of several rounds, and the lowest and the highest."""
    return {"median": round(median(values), 3), "low": round(min(values), 3), "high": round(max(values), 3)}


def start(drawn: Sequence[Drawn], contenders: Sequence[Any] = CONTENDERS) -> list[Running]:
    """All of them, one after the other; none is left where one does not start."""
    LOG.parent.mkdir(exist_ok=True)
    running: list[Running] = []
    try:
        for contender in contenders:
            running.append(Running(contender, drawn[0].png, LOG))
    except BaseException:
        for each in running:
            each.stop()
        raise
    return running


def in_process() -> dict[str, Callable[[bytes], str]]:
    """The two without HTTP: the simple floor, and our own way of the same."""
    simple, ours = Model(MODEL), EmbeddedPredictor(SHIPPED_MODEL)

    def own(png: bytes) -> str:
        answers = ours.predict(normalise(png)[None])
        return answers.labels[int(answers.probabilities.argmax())]

    return {"the floor: no HTTP": lambda png: str(simple.digit(Image.open(io.BytesIO(png)))), "ours, no HTTP": own}


def latency(running: Sequence[Running], drawn: Sequence[Drawn], rounds: int) -> dict[str, dict[str, Any]]:
    """One client. name -> p50, p95, p99 of all, the spread of the rounds' p50, CPU ms a request, MB, how many right."""
    asks: dict[str, Callable[[bytes], str]] = in_process()
    for each in running:
        asks[each.contender.name] = partial(each.contender.ask, Wire(each.port))
    servers = {each.contender.name: each for each in running}
    for ask in asks.values():
        for picture in drawn[:BLOCK]:
            ask(picture.png)
    times: dict[str, list[list[float]]] = {name: [[] for _ in range(rounds)] for name in asks}
    cpu, right = dict.fromkeys(asks, 0.0), dict.fromkeys(asks, 0)
    for n in range(rounds):
        for block in range(0, len(drawn), BLOCK):
            for name, ask in asks.items():
                clock = servers[name].cpu if name in servers else time.process_time
                used = clock()
                right[name] += _block(ask, drawn[block : block + BLOCK], times[name][n])
                cpu[name] += clock() - used
    asked = rounds * len(drawn)
    return {
        name: {
            **percentiles([t for n in times[name] for t in n]),
            "p50_of_rounds": spread([1000 * median(n) for n in times[name]]),
            "cpu_ms": round(1000 * cpu[name] / asked, 2),
            "megabytes": round(servers[name].megabytes()) if name in servers else None,
            "start_s": round(servers[name].seconds, 2) if name in servers else None,
            "right": round(right[name] / asked, 4),
        }
        for name in asks
    }


def _block(ask: Callable[[bytes], str], drawn: Sequence[Drawn], times: list[float]) -> int:
    right = 0
    for picture in drawn:
        started = time.perf_counter()
        label = ask(picture.png)
        times.append(time.perf_counter() - started)
        right += label == picture.label
    return right


def gradio_client(running: Running, drawn: Sequence[Drawn]) -> dict[str, Any]:
    """Gradio through its own Python client."""
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / f"{n}.png" for n in range(len(drawn))]
        for path, picture in zip(paths, drawn, strict=True):
            path.write_bytes(picture.png)
        command = [str(RIVAL_PYTHON), str(RIVALS / "gradio_asks.py"), str(running.port), *map(str, paths)]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
    return percentiles([float(line) for line in done.stdout.split()])


def load(servers: Sequence[Running], drawn: Sequence[Drawn], clients: int, seconds: float) -> dict[str, Any]:
    """`clients` ask for `seconds`, spread evenly over `servers` -> requests a second, percentiles, errors."""
    times: list[float] = []
    errors: list[str] = []
    end = time.perf_counter() + seconds

    def client(n: int) -> None:
        running = servers[n % len(servers)]
        wire = Wire(running.port)
        while (started := time.perf_counter()) < end:
            try:
                running.contender.ask(wire, drawn[(n * 7 + len(times)) % len(drawn)].png)
                times.append(time.perf_counter() - started)
            except (OSError, ValueError, KeyError, IndexError) as error:
                errors.append(repr(error)[:100])
                wire.close()

    threads = [threading.Thread(target=client, args=(n,)) for n in range(clients)]
    started = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    rate = len(times) / (time.perf_counter() - started)
    return {"per_second": rate, **percentiles(times or [math.nan]), "errors": len(errors), "first_error": errors[:1]}


def throughput(running: Sequence[Running], drawn: Sequence[Drawn], seconds: float, rounds: int) -> dict[str, Any]:
    """8 and 32 clients; ours also with two workers. name -> clients -> requests a second, percentiles, errors."""
    second = Running(EMBEDDED, drawn[0].png, LOG)
    ours = next(each for each in running if each.contender is EMBEDDED)
    fields = {each.contender.name: [each] for each in running} | {"ours, embedded, two workers": [ours, second]}
    rates: dict[tuple[str, int], list[dict[str, Any]]] = {}
    try:
        for _ in range(rounds):
            for clients in (8, 32):
                for name, servers in fields.items():
                    rates.setdefault((name, clients), []).append(load(servers, drawn, clients, seconds))
    finally:
        second.stop()
    return {name: {str(clients): _merged(rates[name, clients]) for clients in (8, 32)} for name in fields}


def _merged(results: Sequence[dict[str, Any]]) -> dict[str, Any]:
    return {
        "per_second": spread([result["per_second"] for result in results]),
        **{p: round(median(result[p] for result in results), 2) for p in ("p50", "p95", "p99")},
        "errors": sum(result["errors"] for result in results),
        "first_error": next((result["first_error"] for result in results if result["errors"]), []),
    }


def soak(running: Sequence[Running], drawn: Sequence[Drawn], seconds: float) -> dict[str, Any]:
    """8 clients for a minute at ours: how far the slowest are from the middle."""
    ours = next(each for each in running if each.contender is EMBEDDED)
    before = ours.megabytes()
    result = load([ours], drawn, 8, seconds)
    return {
        **result,
        "p99_over_p50": round(result["p99"] / result["p50"], 2),
        "mb": [round(before), round(ours.megabytes())],
    }


def race(drawn: Sequence[Drawn], *, quick: bool) -> dict[str, Any]:
    """All of the above."""
    running = start(drawn)
    try:
        return {
            "latency": latency(running, drawn, 1 if quick else 5),
            "gradio_client": gradio_client(
                next(r for r in running if r.contender is GRADIO), drawn[: 10 if quick else 60]
            ),
            "throughput": throughput(running, drawn, 1 if quick else 2, 1 if quick else 5),
            "soak": soak(running, drawn, 3 if quick else 60),
        }
    finally:
        for each in running:
            each.stop()
