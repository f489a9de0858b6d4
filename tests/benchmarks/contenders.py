"""Who is measured: how each server is started, asked and read. Each answers the same drawings with the same weights."""

from __future__ import annotations

import base64
import json
import os
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from backend.settings import SHIPPED_MODEL
from tests.benchmarks.wire import Wire, form, get, post

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parents[2]
RIVALS = Path(__file__).parent / "rivals"
RIVAL_PYTHON = ROOT / "build" / "rivals" / "bin" / "python"
MODEL = str(SHIPPED_MODEL / "model.tflite")
KERAS_MODEL = ROOT / "build" / "rivals" / "model.keras"
START = 120  # seconds to the first answer

Ask = "Callable[[Wire, bytes], str]"


@dataclass
class Contender:
    """One way to get a drawing read. `command` and `environment` may hold {port}; `needs` is started before it."""

    name: str
    command: list[str]
    ask: Callable[[Wire, bytes], str]
    environment: dict[str, str] = field(default_factory=dict)
    needs: Contender | None = None


class Running:
    """A started contender; `seconds` and `cpu` are what it took to the first answer."""

    def __init__(self, contender: Contender, png: bytes, log: Path) -> None:
        self.contender, self.needs = contender, contender.needs and Running(contender.needs, png, log)
        self.port = free_port()
        environment = {**os.environ, **{k: self._filled(v) for k, v in contender.environment.items()}}
        started = time.perf_counter()
        with log.open("ab") as sink:
            self._process = subprocess.Popen(
                [self._filled(part) for part in contender.command], cwd=ROOT, env=environment, stdout=sink, stderr=sink
            )
        self.tree = psutil.Process(self._process.pid)
        try:
            self._wait(png)
        except BaseException:
            self.stop()
            raise
        self.seconds, self.cpu_to_start = time.perf_counter() - started, self.cpu()

    def _filled(self, text: str) -> str:
        return text.format(port=self.port, needed=self.needs.port if self.needs else "")

    def _wait(self, png: bytes) -> None:
        end = time.monotonic() + START
        while True:
            try:
                self.contender.ask(Wire(self.port), png)
                return
            except (OSError, KeyError, ValueError):
                if time.monotonic() > end or self._process.poll() is not None:
                    raise RuntimeError(
                        f"{self.contender.name} gave no answer; see its log in build/bench.log"
                    ) from None
                time.sleep(0.01)

    def cpu(self) -> float:
        """Seconds of processor used so far, children included; what it `needs` is not."""
        return sum(sum(process.cpu_times()[:2]) for process in self._processes())

    def megabytes(self) -> float:
        """Resident memory, children included."""
        return sum(process.memory_info().rss for process in self._processes()) / 1e6

    def _processes(self) -> list[psutil.Process]:
        return [self.tree, *self.tree.children(recursive=True)]

    def stop(self) -> None:
        """End it, and what it needs."""
        for process in reversed(self._processes()):
            process.kill()
        self._process.wait()
        if self.needs:
            self.needs.stop()


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


def ask_ours(wire: Wire, png: bytes) -> str:
    status, body = wire.exchange(post("/predictions", png, "image/png"))
    if status != 200:
        raise ValueError(f"{status}: {body[:200]!r}")
    return json.loads(body)["label"] or "rejected"


def ask_form(wire: Wire, png: bytes) -> str:
    return str(json.loads(wire.exchange(post("/predict", *form(png, "file")))[1])["digit"])


def ask_raw(wire: Wire, png: bytes) -> str:
    return str(json.loads(wire.exchange(post("/predict", png, "image/png"))[1])["digit"])


def ask_json(wire: Wire, png: bytes) -> str:
    body = json.dumps({"image": base64.b64encode(png).decode()}).encode()
    return str(json.loads(wire.exchange(post("/predict", body, "application/json"))[1])["digit"])


def ask_gradio(wire: Wire, png: bytes) -> str:
    """Its documented API takes two exchanges: hand in, then fetch the event."""
    url = "data:image/png;base64," + base64.b64encode(png).decode()
    body = json.dumps({"data": [{"url": url}]}).encode()
    event = json.loads(wire.exchange(post("/gradio_api/call/predict", body, "application/json"))[1])["event_id"]
    _, answer = wire.exchange(get(f"/gradio_api/call/predict/{event}"))
    return answer.split(b'"label": "')[1][:1].decode()


def ask_endpoint(wire: Wire, _: bytes) -> str:
    """Whether the local endpoint is up; nothing else asks it directly."""
    status, _body = wire.exchange(get("/ping"))
    return str(status)


def _server(*more: str) -> list[str]:
    return [sys.executable, "-m", "backend.server", "--port", "{port}", *more]


def _rival(script: str, model: str | Path) -> list[str]:
    return [str(RIVAL_PYTHON), str(RIVALS / script), str(model), "{port}"]


BENTOML = [
    *(str(RIVAL_PYTHON), "-m", "bentoml", "serve", "bentoml_app:Digits", "--quiet"),
    *("--working-dir", str(RIVALS), "--host", "127.0.0.1", "--port", "{port}"),
]
ENDPOINT = Contender("local endpoint", [sys.executable, "-m", "training.serve", "--port", "{port}"], ask_endpoint)
RELAY = {
    "SAGEMAKER_ENDPOINT_NAME": "digits",
    "AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME": "http://127.0.0.1:{needed}",
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_DEFAULT_REGION": "us-east-1",
}
EMBEDDED = Contender("ours, embedded", _server(), ask_ours)
RELAYED = Contender("ours, relayed by boto3", _server(), ask_ours, RELAY, ENDPOINT)
GRADIO = Contender(
    "Gradio, its HTTP API", _rival("gradio_app.py", MODEL), ask_gradio, {"GRADIO_ANALYTICS_ENABLED": "0"}
)
FLASK_KERAS = Contender("Flask + keras.predict", _rival("flask_tutorial.py", KERAS_MODEL), ask_form)
CONTENDERS = [
    EMBEDDED,
    RELAYED,
    Contender("FastAPI + LiteRT, by an expert", _rival("fastapi_expert.py", MODEL), ask_raw),
    Contender("LitServe + LiteRT", _rival("litserve_app.py", MODEL), ask_json),
    Contender("BentoML + LiteRT", BENTOML, ask_form, {"MODEL": MODEL, "BENTOML_DO_NOT_TRACK": "True"}),
    Contender(
        "Ray Serve + LiteRT",
        _rival("ray_app.py", MODEL),
        ask_raw,
        {"RAY_USAGE_STATS_ENABLED": "0", "RAY_AUTH_MODE": "disabled"},
    ),
    GRADIO,
    Contender("FastAPI + keras.predict", _rival("fastapi_tutorial.py", KERAS_MODEL), ask_form),
    FLASK_KERAS,
]
