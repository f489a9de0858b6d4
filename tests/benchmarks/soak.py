"""Sixteen clients ask two APIs whose endpoint fails every twentieth call, while one API after the other is killed."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from statistics import median
from typing import TYPE_CHECKING

import requests

from backend import contract
from backend.preprocessing import normalise
from tests.benchmarks.drawings import drawings
from tests.contract.misbehaving import LinearModel, Runtime, cut, hang_up, refuse, say, wait, well
from tests.contract.process import Process

if TYPE_CHECKING:
    from tests.stand_in import Behaviour, Handler

CLIENTS = 16
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
LIFE = 10.0  # seconds between two kills


class Apis:
    """Two of them, relaying to one endpoint; each second kill is a SIGTERM."""

    def __init__(self, endpoint: Runtime) -> None:
        self.endpoint, self.kills = endpoint, 0
        self.running = [self.start(0), self.start(0)]
        self.urls = [api.url for api in self.running]

    def start(self, port: int) -> Process:
        return Process(
            port,
            SAGEMAKER_ENDPOINT_NAME="digits",
            AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME=self.endpoint.url,
            AWS_ACCESS_KEY_ID="test",
            AWS_SECRET_ACCESS_KEY="test",  # noqa: S106 - nobody's
            AWS_DEFAULT_REGION="us-east-1",
        )

    def kill_one(self) -> None:
        """The second, killed or told to end in turn, and started again; the memory of the first is watched."""
        old = self.running[1]
        if self.kills % 2:
            old.stop()
        else:
            old.kill()
        self.kills += 1
        self.running[1] = self.start(int(old.url.rpartition(":")[2]))

    def stop(self) -> None:
        for api in self.running:
            assert api.stop() == 0


class Soak:
    """What the clients do and count."""

    def __init__(self, urls: list[str], drawings: list[bytes]) -> None:
        self.urls, self.drawings = urls, drawings
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
        """One question, asked again while the model or an API is away; its outcome, and its last attempt's seconds."""
        junk = choose.random() < JUNK
        n = choose.randrange(len(self.drawings))
        data = self.drawings[n][:200] if junk else self.drawings[n]
        for attempt in range(8):
            started = time.monotonic()
            response = self.attempt(session, self.urls[(n + attempt) % 2], data)
            if response is not None and response.status_code not in RETRIED:
                break
        seconds = time.monotonic() - started
        if response is None:
            return "lost", seconds
        if junk:
            return "right" if response.status_code == 422 else "wrong", seconds
        return self.judge(response, n), seconds

    def attempt(self, session: requests.Session, url: str, data: bytes) -> requests.Response | None:
        """None: an API that is killed right now; the other one is asked."""
        try:
            response = session.post(url + contract.PREDICTIONS, data=data, timeout=25)
        except requests.ConnectionError:
            response = None
        if response is None or response.status_code in RETRIED:
            with self.lock:
                self.counts["asked again"] += 1
        return response

    def judge(self, response: requests.Response, n: int) -> str:
        if response.status_code != 200:
            return "lost"
        told = list(response.json()["probabilities"].values())
        return "right" if max(abs(a - b) for a, b in zip(told, self.truth[n], strict=True)) < 2e-6 else "wrong"


def faulty(handler: Handler, body: bytes) -> None:
    handler.server.requests.clear()
    chance = random.random()  # noqa: S311 - nor is which call fails
    behave = FAULTS[int(chance / FAULTY * len(FAULTS))] if chance < FAULTY else well
    behave(handler, body)


class Figures:
    """What a soak showed; memory in megabytes, of the API that lives on, after a quarter and at the end."""

    def __init__(self, soak: Soak, seconds: float, kills: int, memory: tuple[float, float]) -> None:
        self.counts, self.questions, self.kills = soak.counts, len(soak.spent), kills
        self.memory, self.seconds = memory, seconds
        spent = sorted(soak.spent)
        self.p50, self.p99 = 1000 * median(spent), 1000 * spent[int(len(spent) * 0.99)]

    def __str__(self) -> str:
        wrong, lost, again = (self.counts[name] for name in ("wrong", "lost", "asked again"))
        return (
            f"{CLIENTS} clients, {self.seconds:.0f} s, {self.kills} kills: {self.questions:,} questions, {wrong} "
            f"answered wrongly, {lost} lost, {again} asked again; p50 {self.p50:.0f} ms, p99 {self.p99:.0f} ms; memory "
            f"{self.memory[0]:.0f} to {self.memory[1]:.0f} MB"
        )


def run(seconds: float) -> Figures:
    """Sixteen clients for so long."""
    with Runtime() as endpoint, ThreadPoolExecutor(CLIENTS) as clients:
        endpoint.behave = faulty
        apis = Apis(endpoint)
        soak, started, early = Soak(apis.urls, [drawn.png for drawn in drawings(30)]), time.monotonic(), 0.0
        running = [clients.submit(soak.client, seed, started + seconds) for seed in range(CLIENTS)]
        while (left := started + seconds - time.monotonic()) > 0:
            time.sleep(min(left, LIFE))
            early = early or (apis.running[0].kernel("VmRSS") if left < seconds * 3 / 4 else 0.0)
            if left > 2 * LIFE:
                apis.kill_one()
        for each in running:
            each.result()
        memory = early, apis.running[0].kernel("VmRSS")
        apis.stop()
    return Figures(soak, seconds, apis.kills, memory)
