"""Ten known drawings, one of each digit, sent to a live endpoint and to a live API: each must be read rightly.

The endpoint must also answer in time, and as the same weights answer here (LiteRT, the release's model.tflite).
trial.png holds the drawings side by side as the model sees them: pen strokes, normalised, ink 255.
"""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from io import BytesIO
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from PIL import Image

from backend.contract import API_KEY_HEADER, PREDICTIONS, READY, REQUEST_ID_HEADER, SIDE
from backend.deploy.refusals import StageError, code_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

KNOWN = Path(__file__).with_name("trial.png")
API_SECONDS = 180  # a new API key is known everywhere within a minute, a serverless endpoint starts in two
READY_SECONDS = 180  # a serverless container pulls its image once; ModelNotReadyException until then
REQUEST_ID = "trial"  # of every question asked here, so that none counts as somebody's
NOT_READY = ("ModelNotReadyException", "ServiceUnavailable", "ThrottlingException")
TOLERANCE = 0.001  # of a probability; SavedModel and LiteRT agree within 2e-6


class Send(Protocol):
    """Asks an API: GET without a body, POST with one."""

    def __call__(self, path: str, body: bytes | None = None) -> tuple[int, bytes]:
        """The status and the body of the answer."""


class TrialError(StageError):
    """The endpoint or the API answers wrongly, slowly or not at all."""


def drawings() -> NDArray[np.uint8]:
    """The known drawings of 0 to 9 in order, (10, 28, 28)."""
    with Image.open(KNOWN) as image:
        return np.asarray(image).reshape(SIDE, -1, SIDE).transpose(1, 0, 2)


def expected(folder: Path, x: NDArray[np.uint8]) -> NDArray[np.float32]:
    """What the release's model.tflite says: probabilities (n, labels)."""
    from ai_edge_litert.interpreter import Interpreter  # 20 ms, and only a deploy needs it

    interpreter = Interpreter(str(folder / "model.tflite"), num_threads=1)
    interpreter.resize_tensor_input(interpreter.get_input_details()[0]["index"], x.shape)
    run = interpreter.get_signature_runner("serving_default")
    answers: NDArray[np.float32] = run(image=x.astype(np.float32))["probabilities"]
    return answers


def try_endpoint(runtime: Any, endpoint: str, folder: Path, max_ms: float) -> str:
    """Send the known drawings one by one; returns the times in words. Raises TrialError at the first wrong one."""
    card = json.loads((folder / "card.json").read_text())
    x = drawings()
    truth = expected(folder, x)
    started = time.perf_counter()
    _ask(runtime, endpoint, x[0], patience=READY_SECONDS)
    cold, times = time.perf_counter() - started, []
    for digit, (picture, probabilities) in enumerate(zip(x, truth, strict=True)):
        started = time.perf_counter()
        answer = _ask(runtime, endpoint, picture, patience=10)
        times.append(1000 * (time.perf_counter() - started))
        _compare(answer, probabilities, card, str(digit))
    if median(times) > max_ms:
        raise TrialError(f"The endpoint answers in {median(times):.0f} ms, slower than the {max_ms:.0f} ms allowed.")
    return f"read {len(x)} known drawings rightly, first after {cold:.1f} s, then in {median(times):.0f} ms"


def _ask(runtime: Any, endpoint: str, picture: NDArray[np.uint8], patience: float) -> dict[str, Any]:
    body = json.dumps({"instances": [picture.tolist()]})
    send = _until_ready(runtime.invoke_endpoint, patience)
    response = send(EndpointName=endpoint, ContentType="application/json", Body=body)
    try:
        answer: dict[str, Any] = json.loads(response["Body"].read())["predictions"][0]
    except (ValueError, KeyError, IndexError, TypeError):
        raise TrialError("The endpoint's answer is not {'predictions': [...]}.") from None
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
                    raise TrialError(f"The endpoint does not answer: {error}") from None
                if code_of(error) not in NOT_READY:
                    raise
                time.sleep(1)

    return send


def _compare(answer: dict[str, Any], truth: NDArray[np.float32], card: dict[str, Any], digit: str) -> None:
    """Same version, same probabilities and, where the labels are digits, the digit that was drawn."""
    said = np.asarray(answer.get("probabilities"), np.float32)
    if answer.get("version") != card["version"]:
        raise TrialError(f"The endpoint serves version {answer.get('version')}, not {card['version']}.")
    if said.shape != truth.shape:
        raise TrialError(f"The endpoint gives {said.size} probabilities where the model has {truth.size} labels.")
    if np.abs(said - truth).max() > TOLERANCE:
        raise TrialError(f"The endpoint's answer differs from the model's own by {np.abs(said - truth).max():.3f}.")
    label = card["labels"][int(said.argmax())]
    if digit in card["labels"] and label != digit:
        raise TrialError(f"The endpoint reads a known {digit} as {label}.")


def try_api(url: str, key: str, served_by: str = "embedded") -> str:
    """Try the API at this address; see `try_sent`."""
    return try_sent(url, Https(url, key), served_by)


def try_sent(where: str, send: Send, served_by: str, version: str = "") -> str:
    """Wait until the API is ready, then send it the known drawings; returns what it said. Raises TrialError.

    `served_by` must have answered, and where it is given this `version`: a fallback that stands in for an endpoint
    hides that it cannot be asked.
    """
    end = time.monotonic() + API_SECONDS
    while (status := send(READY)[0]) != 200:
        if time.monotonic() > end:
            raise TrialError(f"{where}{READY} still answers {status} after {API_SECONDS} s.")
        time.sleep(3)
    for digit, picture in enumerate(drawings()):
        while _stood_in(answer := send(PREDICTIONS, _png(picture)), served_by, version):
            if time.monotonic() > end:
                raise TrialError(
                    f"{where}{PREDICTIONS} still answers by its fallback or another release: "
                    "the endpoint cannot be asked."
                )
            time.sleep(3)
        status, body = answer
        if status != 200 or json.loads(body).get("label") != str(digit):
            said = body.decode(errors="replace")[:200]
            raise TrialError(f"{where}{PREDICTIONS} answers {status} to a drawn {digit}: {said}")
    return "the API reads ten known drawings rightly"


def _stood_in(answer: tuple[int, bytes], served_by: str, version: str) -> bool:
    status, body = answer
    if status != 200:
        return False
    model = json.loads(body)["model"]
    return model["served_by"] != served_by or bool(version and model["version"] != version)


class Https:
    """Asks a deployed API with its key: a `Send`."""

    def __init__(self, url: str, key: str) -> None:
        self.url = url
        self.headers = {API_KEY_HEADER: key, "Content-Type": "image/png", REQUEST_ID_HEADER: REQUEST_ID}

    def __call__(self, path: str, body: bytes | None = None) -> tuple[int, bytes]:
        """The status and the body of the answer; 0 where there is none."""
        asked = urllib.request.Request(self.url + path, body, self.headers)  # noqa: S310 - https
        try:
            with urllib.request.urlopen(asked, timeout=30) as answer:  # noqa: S310 - https
                return int(answer.status), answer.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read()
        except OSError:
            return 0, b""


def _png(picture: NDArray[np.uint8]) -> bytes:
    buffer = BytesIO()
    Image.fromarray(picture).save(buffer, "PNG")
    return buffer.getvalue()
