"""Whether the model answers: asked for all who want to know, by one at a time, and known for some seconds."""

from __future__ import annotations

import threading
from time import monotonic
from typing import TYPE_CHECKING

import numpy as np

from backend.contract import SIDE
from backend.predictors import ModelError, ModelStarting

if TYPE_CHECKING:
    from backend.predictors import Answers, Predictor

KNOWN_FOR = 5.0  # seconds: GET /ready is open to all, and each question to the endpoint is paid for
FAILED_FOR = 2.0  # seconds
PATIENCE = 1.0  # seconds to wait for another's first question: with more, a slow endpoint would take every thread


class Probe:
    """Asks a predictor about a picture of a one."""

    def __init__(self, predictor: Predictor) -> None:
        self._predictor = predictor
        self._known: Answers | ModelError | None = None
        self._until = 0.0
        self._asking = threading.Lock()

    def ask(self, request_id: str) -> Answers:
        """What the model said a moment ago, or says now. Raises ModelError."""
        if monotonic() >= self._until and self._asking.acquire(timeout=0 if self._known else PATIENCE):
            try:
                if monotonic() >= self._until:
                    self._refresh(request_id)
            finally:
                self._asking.release()
        if self._known is None:
            raise ModelStarting("asked for the first time at this moment")
        if isinstance(self._known, ModelError):
            raise type(self._known)(*self._known.args)  # anew: an exception raised again and again grows its traceback
        return self._known

    def _refresh(self, request_id: str) -> None:
        picture = np.zeros((1, SIDE, SIDE), np.uint8)
        picture[:, 4:24, 13:15] = 255
        try:
            self._known = self._predictor.predict(picture, request_id)
            self._until = monotonic() + KNOWN_FOR
        except ModelError as error:
            self._known = type(error)(*error.args)
            self._until = monotonic() + FAILED_FOR
