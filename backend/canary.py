"""Two releases behind one API: a share of the callers is answered by the candidate, or both are asked and compared.

The candidate never costs an answer: where it fails, the stable release answers. What it did stands in the request's
log line, by which `python -m backend.deploy canary` judges it.
"""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as Late
from hashlib import sha256
from time import perf_counter
from typing import TYPE_CHECKING

from flask import current_app, g, request

from backend import contract
from backend.fallback import Circuit
from backend.keys import client_address, is_guarded
from backend.predictors import ModelError

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

    from backend.predictors import Answers, Predictor

log = logging.getLogger(__name__)

COMPARED = (contract.PREDICTIONS, contract.BATCH)  # a shadow is asked for these; a number's rows are cuts, not pictures
WORKERS = 8  # shadow calls at once
PATIENCE = 6.0  # seconds that an answer waits for its shadow: one attempt of the candidate's client


def is_chosen(caller: str, share: float) -> bool:
    """Whether the caller is among this share (0 to 1): the same each time, and still when the share grows."""
    return int.from_bytes(sha256(caller.encode()).digest()[:8]) < share * 2**64


def caller() -> str:
    """Who asks: the key, and with it the user whom the client names, or its address."""
    address = client_address(current_app.config["TRUSTED_PROXIES"])
    return f"{request.headers.get(contract.API_KEY_HEADER, '')} {request.headers.get(contract.CALLER_HEADER, address)}"


class CanaryPredictor:
    """`candidate` answers `share` (0 to 1) of the callers; with `shadow` both are asked and `stable` answers all."""

    def __init__(self, stable: Predictor, candidate: Predictor, share: float, *, shadow: bool = False) -> None:
        self._stable, self._candidate, self._share = stable, candidate, share
        self._circuit = Circuit()
        self._pool = ThreadPoolExecutor(WORKERS, "shadow") if shadow else None

    def predict(self, x: NDArray[np.uint8], request_id: str = "") -> Answers:
        """See Predictor."""
        if not is_guarded(request.path, request.method):  # GET /ready is about the release that everybody has
            return self._stable.predict(x, request_id)
        if self._pool:
            return self._both(self._pool, x, request_id) if request.path in COMPARED else self._old(x, request_id)
        if not is_chosen(caller(), self._share):
            g.canary = {"asked": "stable"}
            return self._old(x, request_id)
        g.canary = {"asked": "candidate"}
        if not self._circuit.may_try():
            g.canary = {"asked": "nobody"}  # neither release's figure: the caller was to have the other
            return self._old(x, request_id)
        try:
            return self._new(x, request_id)
        except ModelError as error:
            g.canary["failed"] = type(error).__name__
            return self._old(x, request_id)

    def _old(self, x: NDArray[np.uint8], request_id: str) -> Answers:
        return self._stable.predict(x, request_id)

    def _new(self, x: NDArray[np.uint8], request_id: str) -> Answers:
        """What the candidate says. Raises ModelError, and asks it less while it only fails."""
        try:
            answers = self._candidate.predict(x, request_id)
        except ModelError as error:
            self._circuit.failed()
            log.warning("%s (%s) of the candidate: the stable release answers", type(error).__name__, error)
            raise
        self._circuit.succeeded()
        return answers

    def _both(self, pool: ThreadPoolExecutor, x: NDArray[np.uint8], request_id: str) -> Answers:
        """Ask both at the same time; Lambda runs nothing after its answer, so this waits for the slower."""
        if not self._circuit.may_try():
            return self._old(x, request_id)
        g.canary = {"asked": "both"}
        shadow = pool.submit(_timed, self._new, x, request_id)
        answers = self._old(x, request_id)
        try:
            other, ms = shadow.result(timeout=PATIENCE)
        except (ModelError, Late) as error:
            g.canary["failed"] = type(error).__name__
            return answers
        shown = len(x) if request.path == contract.BATCH else 1  # after the first come covered copies of it
        mine, theirs = (_labels(each)[:shown] for each in (answers, other))
        same = sum(one == two for one, two in zip(mine, theirs, strict=True))
        g.canary |= {"answers": shown, "same": same, "rejections": theirs.count(""), "ms": round(ms, 3)}
        return answers


def _timed(ask: Callable[..., Answers], x: NDArray[np.uint8], request_id: str) -> tuple[Answers, float]:
    """An answer and how many milliseconds it took."""
    started = perf_counter()
    answers = ask(x, request_id)
    return answers, 1000 * (perf_counter() - started)


def _labels(answers: Answers) -> list[str]:
    """Each row's label, empty where it is rejected."""
    best = answers.probabilities.argmax(axis=1)
    accepted = answers.scores >= answers.threshold
    return [answers.labels[i] if sure else "" for i, sure in zip(best, accepted, strict=True)]
