"""Where one request's time goes: a clock around each stage of a live server, each less what runs inside it."""

from __future__ import annotations

import os
import threading
import time
from collections import defaultdict
from contextlib import ExitStack
from statistics import median
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from botocore.httpsession import URLLib3Session
from waitress.task import WSGITask

from backend import app as api
from backend import canvas, predictions, predictors, preprocessing
from backend.server import Server
from tests.benchmarks.contenders import ENDPOINT, RELAY, Running, ask_ours
from tests.benchmarks.race import LOG
from tests.benchmarks.wire import Wire

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tests.benchmarks.drawings import Drawn

REST = "network, client, reading and parsing HTTP"
DECODE, SCALE = "decode the canvas' PNG to its ink", "centre and scale to 28x28"  # their sum has a target
Stage = tuple[str, Any, str]  # row, owner, function
ARRIVAL: list[Stage] = [
    ("waitress: worker, response", WSGITask, "service"),
    ("Flask: routing, hooks", api.Flask, "wsgi_app"),
    ("the view", api, "predict_one"),
    ("read the body", api, "read_picture"),
    (DECODE, canvas, "read_ink"),
    (SCALE, preprocessing, "_centre"),
]
ANSWER: list[Stage] = [
    ("make the answer", predictions, "_prediction"),
    ("encode the answer", api, "answer"),
]
STAGES: dict[str, list[Stage]] = {  # table -> its rows, outermost first
    "embedded": [*ARRIVAL, ("infer (LiteRT)", predictors.EmbeddedPredictor, "predict"), *ANSWER],
    "relayed": [
        *ARRIVAL,
        ("payload, hand over to a caller thread", predictors.SageMakerPredictor, "predict"),
        ("boto3: build and sign", predictors.SageMakerPredictor, "_invoke"),
        ("send, wait, receive", URLLib3Session, "send"),
        ("read the endpoint's answer", predictors, "read_answers"),
        *ANSWER,
    ],
}


class Clocks:
    """Exclusive seconds by stage; one request at a time, so stages of other threads nest in the one that waits."""

    def __init__(self) -> None:
        self.seconds: dict[str, list[float]] = defaultdict(list)
        self._open: list[float] = []  # seconds spent in stages inside, for each open stage
        self._lock = threading.Lock()

    def around(self, row: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """`function`, timed."""

        def timed(*args: Any, **more: Any) -> Any:
            self._open.append(0.0)
            started = time.perf_counter()
            try:
                return function(*args, **more)
            finally:
                spent = time.perf_counter() - started
                self.seconds[row].append(spent - self._open.pop())
                if self._open:
                    self._open[-1] += spent

        return timed


def _timed_server(clocks: Clocks, rows: Sequence[Stage], stack: ExitStack) -> Server:
    for row, owner, name in rows:
        stack.enter_context(patch.object(owner, name, clocks.around(row, getattr(owner, name))))
    server = Server(api.create_app())
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    stack.callback(thread.join, 5)
    stack.callback(server.stop)
    return server


def breakdown(drawn: Sequence[Drawn], table: str, environment: dict[str, str], times: int) -> dict[str, Any]:
    """Row -> its median milliseconds scaled so that the rows add up to the median total; and that total."""
    clocks, totals = Clocks(), []
    with ExitStack() as stack:
        stack.enter_context(patch.dict(os.environ, environment))
        server = _timed_server(clocks, STAGES[table], stack)
        wire = Wire(server.effective_port)
        for n in range(times + 20):
            if n == 20:  # warm
                clocks.seconds.clear()
            started = time.perf_counter()
            ask_ours(wire, drawn[n % len(drawn)].png)
            spent = time.perf_counter() - started
            totals += [spent] if n >= 20 else []
        time.sleep(0.2)  # the last request's outermost stage ends after its answer is out
        wire.close()
    rows = {row: 1000 * sum(clocks.seconds[row]) / times for row, _, _ in STAGES[table]}
    mean = 1000 * sum(totals) / times
    rows = {REST: max(0.0, mean - sum(rows.values())), **rows}
    scale = 1000 * median(totals) / sum(rows.values())  # means add up, the median is what is told
    return {
        "total_ms": round(1000 * median(totals), 3),
        "rows": {row: round(ms * scale, 3) for row, ms in rows.items()},
    }


def stages(drawn: Sequence[Drawn], *, quick: bool) -> dict[str, Any]:
    """Both ways to the model."""
    times = 40 if quick else 600
    result = {"embedded": breakdown(drawn, "embedded", {}, times)}
    endpoint = Running(ENDPOINT, drawn[0].png, LOG)
    try:
        environment = {name: text.format(needed=endpoint.port) for name, text in RELAY.items()}
        result["relayed"] = breakdown(drawn, "relayed", environment, times)
    finally:
        endpoint.stop()
    return result
