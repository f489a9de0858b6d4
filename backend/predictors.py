"""Who answers: a SageMaker endpoint through boto3, or the same weights inside this process through LiteRT.

ModelError                 the model gave no answer; the API turns each into its problem
 +- BadModelAnswer         it answered something that is no prediction
 +- ModelUnavailable       it refuses, fails, or is not there
 +- ModelStarting          a serverless endpoint is still loading it
 +- ModelTimeout           no answer within the time limits below
"""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import msgspec
import numpy as np

if TYPE_CHECKING:
    from pathlib import Path

    from mypy_boto3_sagemaker_runtime import SageMakerRuntimeClient
    from numpy.typing import NDArray

CONNECT_TIMEOUT = 1  # seconds
READ_TIMEOUT = 5  # seconds
ATTEMPTS = 2
TOTAL_TIMEOUT = 15  # seconds: (1 + 5) x 2 and the pause between; Lambda and API Gateway cut at 29
CONNECTIONS = 32


class ModelError(RuntimeError):
    """The model gave no answer; the message is for the log, never for the wire."""


class BadModelAnswer(ModelError):
    """An answer came, and it is not a prediction."""


class ModelUnavailable(ModelError):
    """The endpoint is missing, refuses, throttles or fails."""


class ModelStarting(ModelError):
    """The endpoint is loading the model: worth asking again in seconds."""


class ModelTimeout(ModelError):
    """No answer in time."""


@dataclass(frozen=True)
class Answers:
    """What a predictor says about n pictures: it describes itself, so that any model of 28x28 pictures can serve."""

    probabilities: NDArray[np.floating[Any]]  # (n, labels)
    scores: NDArray[np.floating[Any]]  # (n,): how sure it is that the picture is one of its labels
    labels: tuple[str, ...]
    threshold: float  # scores below it are rejected
    name: str
    version: str
    served_by: str


class Predictor(Protocol):
    """Answers a whole batch in one call."""

    def predict(self, x: NDArray[np.uint8], request_id: str = "") -> Answers:
        """(n, 28, 28) uint8 of `preprocessing.normalise` -> answers. Raises ModelError."""
        ...


class EmbeddedPredictor:
    """LiteRT in this process, one thread; callers take turns."""

    def __init__(self, folder: Path) -> None:
        from ai_edge_litert.interpreter import Interpreter

        card = json.loads((folder / "card.json").read_text(encoding="utf-8"))
        self._labels, self._threshold = tuple(card["labels"]), float(card["threshold"])
        self._name, self._version = card["name"], card["version"]
        self._interpreter = Interpreter(str(folder / "model.tflite"), num_threads=1)
        runner = self._interpreter.get_signature_runner("serving_default")
        self._input = next(iter(runner.get_input_details().values()))["index"]
        outputs = runner.get_output_details()
        self._probabilities, self._scores = outputs["probabilities"]["index"], outputs["score"]["index"]
        self._size, self._lock = 0, threading.Lock()

    def predict(self, x: NDArray[np.uint8], request_id: str = "") -> Answers:  # noqa: ARG002 - stays in this process
        """See Predictor."""
        with self._lock:
            self._resize(len(x))
            self._interpreter.set_tensor(self._input, x.astype(np.float32))
            self._interpreter.invoke()
            probabilities = self._interpreter.get_tensor(self._probabilities)
            scores = self._interpreter.get_tensor(self._scores).reshape(-1)
        about = (self._labels, self._threshold, self._name, self._version, "embedded")
        return checked(Answers(probabilities, scores, *about), len(x))

    def _resize(self, n: int) -> None:
        if n != self._size:
            self._interpreter.resize_tensor_input(self._input, [n, 28, 28])
            self._interpreter.allocate_tensors()
            self._size = n


class SageMakerPredictor:
    """One SageMaker endpoint; the client comes from outside, or is made with this file's time limits."""

    def __init__(self, endpoint_name: str, client: SageMakerRuntimeClient | None = None) -> None:
        self._endpoint_name = endpoint_name
        self._client = client or sagemaker_runtime()
        # boto3's limits are for each read: an answer that drips keeps within them for ever. Hence a limit on the whole.
        self._callers = ThreadPoolExecutor(CONNECTIONS, "invoke-endpoint")

    def predict(self, x: NDArray[np.uint8], request_id: str = "") -> Answers:
        """See Predictor."""
        payload = msgspec.json.encode({"instances": x.tolist()})
        call = self._callers.submit(self._invoke, payload, request_id)
        try:
            return read_answers(call.result(TOTAL_TIMEOUT), len(x))
        except TimeoutError:
            call.cancel()  # where it has not even begun
            raise ModelTimeout(f"{TOTAL_TIMEOUT} s in all") from None

    def _invoke(self, payload: bytes, request_id: str) -> bytes:
        from botocore.exceptions import (
            BotoCoreError,
            ClientError,
            ConnectTimeoutError,
            HTTPClientError,
            ReadTimeoutError,
        )

        attributes = {"InferenceId": request_id, "CustomAttributes": f"request-id={request_id}"} if request_id else {}
        try:
            answer = self._client.invoke_endpoint(
                EndpointName=self._endpoint_name,
                ContentType="application/json",
                Accept="application/json",
                Body=payload,
                **attributes,
            )
            return answer["Body"].read()
        except (ReadTimeoutError, ConnectTimeoutError) as error:
            raise ModelTimeout(type(error).__name__) from None
        except ClientError as error:
            raise _from_client_error(error.response["Error"].get("Code", "")) from None
        except (HTTPClientError, BotoCoreError) as error:
            raise ModelUnavailable(type(error).__name__) from None


def sagemaker_runtime() -> SageMakerRuntimeClient:
    """A client whose waiting is bounded: at most (1 + 5) x 2 seconds and the pause between."""
    import boto3
    from botocore.config import Config

    client: SageMakerRuntimeClient = boto3.Session().client(
        "sagemaker-runtime",
        config=Config(
            connect_timeout=CONNECT_TIMEOUT,
            read_timeout=READ_TIMEOUT,
            retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
            max_pool_connections=CONNECTIONS,
            tcp_keepalive=True,
        ),
    )
    return client


def _from_client_error(code: str) -> ModelError:
    if code == "ModelNotReadyException":
        return ModelStarting(code)
    if code == "ModelError":
        return BadModelAnswer(code)
    return ModelUnavailable(code)


class Row(msgspec.Struct):
    """One prediction of the endpoint, which describes itself in each."""

    probabilities: list[float]
    score: float
    threshold: float
    labels: list[str]
    name: str
    version: str


class Rows(msgspec.Struct):
    """TensorFlow Serving's answer."""

    predictions: list[Row]


def read_answers(body: bytes, n: int) -> Answers:
    """TensorFlow Serving's JSON for n instances -> answers. Raises BadModelAnswer."""
    try:
        rows = msgspec.json.decode(body, type=Rows).predictions
        first = rows[0]
        probabilities = np.array([row.probabilities for row in rows])  # ValueError where the rows differ in length
    except (msgspec.MsgspecError, ValueError, IndexError, RecursionError) as error:
        raise BadModelAnswer(f"{type(error).__name__} in {len(body)} bytes") from None
    scores = np.array([row.score for row in rows])
    about = (tuple(first.labels), first.threshold, first.name, first.version, "sagemaker")
    return checked(Answers(probabilities, scores, *about), n)


def checked(answers: Answers, n: int) -> Answers:
    """`answers`, if they are n rows of finite numbers, one for each label. Raises BadModelAnswer."""
    shape = answers.probabilities.shape
    if shape != (n, len(answers.labels)) or answers.scores.shape != (n,):
        raise BadModelAnswer(f"shape {shape} for {n} pictures and {len(answers.labels)} labels")
    if not (np.isfinite(answers.probabilities).all() and np.isfinite(answers.scores).all()):
        raise BadModelAnswer("not finite")
    return answers
