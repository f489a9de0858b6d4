"""Two predictors as one: the endpoint while it answers, the embedded model while it does not."""

from __future__ import annotations

import logging
import threading
from dataclasses import replace
from time import monotonic
from typing import TYPE_CHECKING

from backend.predictors import ModelError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from backend.predictors import Answers, Predictor

log = logging.getLogger(__name__)

FAILURES = 3  # in a row open the circuit: the endpoint is not asked any more
PAUSE = 10.0  # seconds until one request tries the endpoint again


class Circuit:
    """Closed while calls succeed; after FAILURES in a row it opens, and one call every PAUSE seconds tries again."""

    def __init__(self) -> None:
        self._failures, self._try_at = 0, 0.0
        self._lock = threading.Lock()

    def may_try(self) -> bool:
        """Whether to make the call; its outcome is told by `failed` or `succeeded`."""
        with self._lock:
            if self._failures < FAILURES:
                return True
            if monotonic() < self._try_at:
                return False
            self._try_at = monotonic() + PAUSE  # this request tries; the others go on without
            return True

    def failed(self) -> None:
        """One more failure in a row."""
        with self._lock:
            self._failures += 1
            self._try_at = monotonic() + PAUSE

    def succeeded(self) -> None:
        """The row of failures has ended."""
        self._failures = 0


class FallbackPredictor:
    """Asks `first`; answers with `second` when that fails, without asking while the circuit is open.

    Written here because pybreaker 1.4 holds one lock during the call: 8 parallel calls of 0.2 s took 1.6 s.
    """

    def __init__(self, first: Predictor, second: Predictor) -> None:
        self._first, self._second, self._circuit = first, second, Circuit()

    def predict(self, x: NDArray[np.uint8], request_id: str = "") -> Answers:
        """See Predictor."""
        if self._circuit.may_try():
            try:
                answers = self._first.predict(x, request_id)
            except ModelError as error:
                self._circuit.failed()
                log.warning("%s (%s): answering with the embedded model", type(error).__name__, error)
            else:
                self._circuit.succeeded()
                return answers
        return replace(self._second.predict(x, request_id), served_by="fallback")
