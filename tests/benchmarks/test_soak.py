"""Sixteen clients for a minute, and an endpoint that fails every twentieth call: nothing wrong, nothing lost, no leak.

`make soak` runs it and prints its figures.
"""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from statistics import median
from typing import TYPE_CHECKING

import pytest
import requests

from backend import contract
from backend.preprocessing import normalise
from tests.contract.misbehaving import LinearModel, Runtime, cut, hang_up, refuse, say, wait, well
from tests.contract.process import Process

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conftest import Drawing
    from tests.stand_in import Behaviour, Handler

CLIENTS = 16
SECONDS = 60
FAULTS: list[Behaviour] = [
    refuse(429, "ModelNotReadyException"),
    refuse(400, "ThrottlingException"),
    refuse(503, "ServiceUnavailable"),
    refuse(424, "ModelError"),
    say(b'{"predictions": []}'),
    cut,
    hang_up,
    wait(0.5),
]
FAULTY = 0.05  # of the endpoint's calls
RETRIED = {502, 503, 504}
JUNK = 0.1  # of the requests are no picture, and must be told so


class Soak:
    """What the clients do and count."""

    def __init__(self, url: str, drawings: list[bytes]) -> None:
        self.url, self.drawings = url, drawings
        x = [normalise(drawing) for drawing in drawings]
        self.truth = [LinearModel().predict(each[None]).probabilities[0].round(6).tolist() for each in x]
        self.counts: Counter[str] = Counter()
        self.spent: list[float] = []
        self.lock = threading.Lock()

    def client(self, seed: int, until: float) -> None:
        choose = random.Random(seed)  # noqa: S311 - which drawing comes next is no secret
        with requests.Session() as session:
            session.headers["Content-Type"] = "image/png"
            while time.monotonic() < until:
                outcome, seconds = self.ask(session, choose)
                with self.lock:
                    self.counts[outcome] += 1
                    self.spent.append(seconds)

    def ask(self, session: requests.Session, choose: random.Random) -> tuple[str, float]:
        """One question, asked again while the model is away; its outcome, and the seconds of its last attempt."""
        junk = choose.random() < JUNK
        n = choose.randrange(len(self.drawings))
        for _ in range(8):
            started = time.monotonic()
            data = self.drawings[n][:200] if junk else self.drawings[n]
            response = session.post(self.url + contract.PREDICTIONS, data=data, timeout=25)
            seconds = time.monotonic() - started
            if response.status_code not in RETRIED:
                break
            with self.lock:
                self.counts["asked again"] += 1
        if junk:
            return "right" if response.status_code == 422 else "wrong", seconds
        return self.judge(response, n), seconds

    def judge(self, response: requests.Response, n: int) -> str:
        if response.status_code != 200:
            return "lost"
        told = list(response.json()["probabilities"].values())
        return "right" if max(abs(a - b) for a, b in zip(told, self.truth[n], strict=True)) < 2e-6 else "wrong"


def faulty(handler: Handler, body: bytes) -> None:
    chance = random.random()  # noqa: S311 - nor is which call fails
    behave = FAULTS[int(chance / FAULTY * len(FAULTS))] if chance < FAULTY else well
    behave(handler, body)


@pytest.fixture
def endpoint() -> Iterator[Runtime]:
    with Runtime() as runtime:
        runtime.behave = faulty
        yield runtime


@pytest.fixture
def api(endpoint: Runtime) -> Iterator[Process]:
    process = Process(
        SAGEMAKER_ENDPOINT_NAME="digits",
        AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME=endpoint.url,
        AWS_ACCESS_KEY_ID="test",
        AWS_SECRET_ACCESS_KEY="test",  # noqa: S106 - nobody's
        AWS_DEFAULT_REGION="us-east-1",
    )
    yield process
    assert process.stop() == 0


@pytest.mark.slow
def test_a_minute_of_16_clients_and_a_failing_endpoint(api: Process, endpoint: Runtime, drawing: Drawing) -> None:
    """Zero wrong, zero lost, and memory within 10 MB of what it was after the first quarter."""
    soak = Soak(api.url, [drawing(digit, style) for digit in "0123456789" for style in range(3)])
    until = time.monotonic() + SECONDS
    with ThreadPoolExecutor(CLIENTS) as clients:
        running = [clients.submit(soak.client, seed, until) for seed in range(CLIENTS)]
        time.sleep(SECONDS / 4)
        early = api.kernel("VmRSS")
        for each in running:
            each.result()
    late, spent = api.kernel("VmRSS"), sorted(soak.spent)
    print(
        f"\n{CLIENTS} clients, {SECONDS} s: {len(spent)} questions ({len(spent) / SECONDS:.0f}/s), "
        f"{dict(soak.counts)}, {len(endpoint.requests)} endpoint calls; p50 {1000 * median(spent):.0f} ms, "
        f"p99 {1000 * spent[int(len(spent) * 0.99)]:.0f} ms; memory {early:.0f} -> {late:.0f} MB"
    )
    assert soak.counts["wrong"] == 0
    assert soak.counts["lost"] == 0
    assert soak.counts["right"] == len(spent) > 20 * SECONDS
    assert late - early < 10
