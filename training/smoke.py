"""Ask a live endpoint for ten known drawings: each must be read rightly, in time, and as the same weights read it here.

The drawings are pen strokes; what the same weights say is computed with LiteRT from the release's model.tflite.
"""

from __future__ import annotations

import json
import time
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np

from backend.preprocessing import normalise_image
from backend.stage import StageError, code_of
from training.data.doodles import arc, line
from training.data.strokes import draw, fit

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

KNOWN = {  # y goes down; any unit
    "0": [arc(0, 0, 5, -90, 270, flat=1.4)],
    "1": [line((0, 3), (3, 0), (3, 12))],
    "2": [np.concatenate([arc(4, 4, 4, 180, 400), line((7, 7), (0, 14), (8, 14))])],
    "3": [np.concatenate([arc(4, 4, 4, 200, 450), arc(4, 12, 4, -90, 160)])],
    "4": [line((5, 0), (0, 8), (9, 8)), line((7, 4), (7, 14))],
    "5": [np.concatenate([line((7, 0), (1, 0), (0, 6)), arc(3.5, 9.5, 4.5, -140, 150)])],
    "6": [np.concatenate([line((6, 0), (2, 4), (0, 9)), arc(4, 10, 4, 180, 540)])],
    "7": [line((0, 0), (8, 0), (3, 14))],
    "8": [np.concatenate([arc(4, 4, 4, 90, -270), arc(4, 12, 4, -90, 270)])],
    "9": [np.concatenate([arc(4, 4, 4, 0, -360), line((8, 4), (7, 14))])],
}
READY_SECONDS = 180  # a serverless container pulls its image once; ModelNotReadyException until then
NOT_READY = ("ModelNotReadyException", "ServiceUnavailable", "ThrottlingException")
TOLERANCE = 0.001  # of a probability; SavedModel and LiteRT agree within 2e-6


class SmokeError(StageError):
    """The endpoint answers wrongly, slowly or not at all."""


def drawings() -> NDArray[np.uint8]:
    """The known drawings as the model sees them, (10, 28, 28)."""
    return np.stack([normalise_image(draw(fit(strokes, 200), 16)) for strokes in KNOWN.values()])


def expected(folder: Path, x: NDArray[np.uint8]) -> NDArray[np.float32]:
    """What the release's model.tflite says: probabilities (n, labels)."""
    from ai_edge_litert.interpreter import Interpreter  # 20 ms, and only a deploy needs it

    interpreter = Interpreter(str(folder / "model.tflite"), num_threads=1)
    interpreter.resize_tensor_input(interpreter.get_input_details()[0]["index"], x.shape)
    run = interpreter.get_signature_runner("serving_default")
    answers: NDArray[np.float32] = run(image=x.astype(np.float32))["probabilities"]
    return answers


def check(runtime: Any, endpoint: str, folder: Path, max_ms: float) -> str:
    """Send the known drawings one by one; returns the times in words. Raises SmokeError at the first wrong one."""
    card = json.loads((folder / "card.json").read_text())
    x = drawings()
    truth = expected(folder, x)
    started = time.perf_counter()
    _ask(runtime, endpoint, x[0], patience=READY_SECONDS)
    cold, times = time.perf_counter() - started, []
    for picture, probabilities, digit in zip(x, truth, KNOWN, strict=True):
        started = time.perf_counter()
        answer = _ask(runtime, endpoint, picture, patience=10)
        times.append(1000 * (time.perf_counter() - started))
        _compare(answer, probabilities, card, digit)
    if median(times) > max_ms:
        raise SmokeError(f"The endpoint answers in {median(times):.0f} ms, slower than the {max_ms:.0f} ms allowed.")
    return f"read {len(x)} known drawings rightly, first after {cold:.1f} s, then in {median(times):.0f} ms"


def _ask(runtime: Any, endpoint: str, picture: NDArray[np.uint8], patience: float) -> dict[str, Any]:
    body = json.dumps({"instances": [picture.tolist()]})
    send = _until_ready(runtime.invoke_endpoint, patience)
    response = send(EndpointName=endpoint, ContentType="application/json", Body=body)
    try:
        answer: dict[str, Any] = json.loads(response["Body"].read())["predictions"][0]
    except (ValueError, KeyError, IndexError, TypeError):
        raise SmokeError("The endpoint's answer is not {'predictions': [...]}.") from None
    return answer


def _until_ready(call: Callable[..., Any], patience: float) -> Callable[..., Any]:
    """botocore does not try again while a serverless model starts, so this does, for `patience` seconds."""

    def send(**arguments: Any) -> Any:
        end = time.monotonic() + patience
        while True:
            try:
                return call(**arguments)
            except Exception as error:
                if code_of(error) in ("ModelError", "ReadTimeoutError") or time.monotonic() > end:
                    raise SmokeError(f"The endpoint does not answer: {error}") from None
                if code_of(error) not in NOT_READY:
                    raise
                time.sleep(1)

    return send


def _compare(answer: dict[str, Any], truth: NDArray[np.float32], card: dict[str, Any], digit: str) -> None:
    """Same version, same probabilities and, where the labels are digits, the digit that was drawn."""
    said = np.asarray(answer.get("probabilities"), np.float32)
    if answer.get("version") != card["version"]:
        raise SmokeError(f"The endpoint serves version {answer.get('version')}, not {card['version']}.")
    if said.shape != truth.shape:
        raise SmokeError(f"The endpoint gives {said.size} probabilities where the model has {truth.size} labels.")
    if np.abs(said - truth).max() > TOLERANCE:
        raise SmokeError(f"The endpoint's answer differs from the model's own by {np.abs(said - truth).max():.3f}.")
    label = card["labels"][int(said.argmax())]
    if digit in card["labels"] and label != digit:
        raise SmokeError(f"The endpoint reads a known {digit} as {label}.")
