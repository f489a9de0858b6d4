"""Who answers: a SageMaker endpoint through boto3, or the same weights inside this process through LiteRT.

ModelError                 the model gave no answer; the API turns each into its problem
 +- BadModelAnswer         it answered something that is no prediction
 +- ModelUnavailable       it refuses, fails, or is not there
 +- ModelStarting          a serverless endpoint is still loading it
 +- ModelTimeout           no answer within the time limits below
"""

from __future__ import annotations

import contextlib
import logging
import threading
from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING, Any, Protocol

import msgspec
import numpy as np

from backend import artifact

if TYPE_CHECKING:
    from pathlib import Path

    from botocore.response import StreamingBody
    from mypy_boto3_sagemaker_runtime import SageMakerRuntimeClient
    from numpy.typing import NDArray

    from backend.artifact import Artifact

log = logging.getLogger(__name__)

LOOK_EVERY = 1.0  # seconds between two looks whether the model's files were replaced
CONNECT_TIMEOUT = 1  # seconds
READ_TIMEOUT = 5  # seconds for a whole answer, see `bounded`
ATTEMPTS = 2  # so 13 seconds at most, with a pause of up to 1 between; Lambda and API Gateway cut at 29
MAX_ANSWER_BYTES = 6 * 1024 * 1024  # what SageMaker lets through; 64 pictures of ten labels are 20 kB
ROUNDING = 0.01  # of 1: how far probabilities may be from it together
CONNECTIONS = 32  # calls at once; the next is refused, so that a slow endpoint cannot take every thread of the server


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
    """LiteRT in this process, one thread; callers take turns. A replaced model is taken up while others ask."""

    def __init__(self, folder: Path) -> None:
        """Raises ArtifactError, ImportError."""
        self._folder, self._lock = folder, threading.Lock()
        self._model = LiteModel(artifact.read(folder))
        self._state, self._look_at = artifact.state(folder), monotonic() + LOOK_EVERY

    def predict(self, x: NDArray[np.uint8], request_id: str = "") -> Answers:  # noqa: ARG002 - stays in this process
        """See Predictor."""
        with self._lock:
            if monotonic() >= self._look_at:
                self._look_at = monotonic() + LOOK_EVERY
                self._look()
            return self._model.predict(x)

    def _look(self) -> None:
        """Take the new model, if there is one that is whole; otherwise the old one goes on."""
        with contextlib.suppress(OSError):  # between two files' replacement one may be away: look again later
            state = artifact.state(self._folder)
            if state == self._state:
                return
            try:
                new = artifact.read(self._folder)
                if not artifact.settled(new, state):
                    return
                self._model = LiteModel(new)
            except artifact.ArtifactError as error:
                log.warning("%s The model of before goes on.", error)
            self._state = state


class LiteModel:
    """A loaded model.tflite; not for two threads at once."""

    def __init__(self, files: Artifact) -> None:
        """Load it and ask it once. Raises ArtifactError, ImportError."""
        self._card, self._size = files.card, 0
        try:
            self._load(files.content)
            self.predict(np.zeros((1, 28, 28), np.uint8))
        except (ValueError, RuntimeError, LookupError, ModelError) as error:
            reason = str(error).partition("\n")[0]
            raise artifact.ArtifactError(f"{files.path} cannot be used with its card: {reason}.") from None

    def _load(self, content: bytes) -> None:
        from ai_edge_litert.interpreter import Interpreter

        self._interpreter = Interpreter(model_content=content, num_threads=1)
        runner = self._interpreter.get_signature_runner("serving_default")
        self._input = next(iter(runner.get_input_details().values()))["index"]
        outputs = runner.get_output_details()
        self._probabilities, self._scores = outputs["probabilities"]["index"], outputs["score"]["index"]

    def predict(self, x: NDArray[np.uint8]) -> Answers:
        """(n, 28, 28) uint8 -> answers. Raises BadModelAnswer."""
        self._resize(len(x))
        self._interpreter.set_tensor(self._input, x.astype(np.float32))
        self._interpreter.invoke()
        probabilities = self._interpreter.get_tensor(self._probabilities)
        scores = self._interpreter.get_tensor(self._scores).reshape(-1)
        about = (tuple(self._card.labels), self._card.threshold, self._card.name, self._card.version, "embedded")
        return checked(Answers(probabilities, scores, *about), len(x))

    def _resize(self, n: int) -> None:
        if n != self._size:
            self._interpreter.resize_tensor_input(self._input, [n, 28, 28])
            self._interpreter.allocate_tensors()
            self._size = n


class SageMakerPredictor:
    """One SageMaker endpoint; the client comes from outside, or is made with this file's time limits."""

    def __init__(
        self, endpoint_name: str, client: SageMakerRuntimeClient | None = None, labels: tuple[str, ...] = ()
    ) -> None:
        """`labels`: what its probabilities are of, where it answers plain rows. Raises SettingsError."""
        self._endpoint_name, self._labels = endpoint_name, labels
        self._client = client or sagemaker_runtime()
        self._free = threading.BoundedSemaphore(CONNECTIONS)

    def predict(self, x: NDArray[np.uint8], request_id: str = "") -> Answers:
        """See Predictor."""
        payload = msgspec.json.encode({"instances": x.tolist()})
        if not self._free.acquire(blocking=False):
            raise ModelUnavailable(f"{CONNECTIONS} calls are waiting already")
        try:
            body = self._invoke(payload, request_id)
            if self._labels and (plain := read_plain(body)) is not None:
                about = (self._labels, 0.0, self._endpoint_name, "unversioned", "sagemaker")
                return checked(Answers(plain, plain.max(axis=1, initial=0), *about), len(x))
            return read_answers(body, len(x))
        finally:
            self._free.release()

    def _invoke(self, payload: bytes, request_id: str) -> bytes:
        attributes = {"InferenceId": request_id, "CustomAttributes": f"request-id={request_id}"} if request_id else {}
        try:
            answer = self._client.invoke_endpoint(
                EndpointName=self._endpoint_name,
                ContentType="application/json",
                Accept="application/json",
                Body=payload,
                **attributes,
            )
            return _read(answer["Body"])
        except Exception as error:  # noqa: BLE001 - botocore parses what comes: a list as an error is an AttributeError
            raise _translate(error) from None


def _read(body: StreamingBody) -> bytes:
    """The whole of it; what is left of one too large is not waited for. Raises BadModelAnswer, botocore's errors."""
    with contextlib.closing(body):
        data = body.read(MAX_ANSWER_BYTES + 1)
        if len(data) > MAX_ANSWER_BYTES:
            raise BadModelAnswer(f"over {MAX_ANSWER_BYTES} bytes")
        body.read(1)  # at the end botocore checks that all of it came
        return data


def sagemaker_runtime(attempts: int = ATTEMPTS) -> SageMakerRuntimeClient:
    """A client whose waiting is bounded: (1 + 5) x `attempts` seconds and the pause between. Raises SettingsError."""
    from backend.bounded import make_client

    client: SageMakerRuntimeClient = make_client(
        "sagemaker-runtime",
        connect_timeout=CONNECT_TIMEOUT,
        read_timeout=READ_TIMEOUT,
        retries={"mode": "standard", "total_max_attempts": attempts},
        max_pool_connections=CONNECTIONS,
        tcp_keepalive=True,
        parameter_validation=False,  # of what `_invoke` writes itself
    )
    return client


def _translate(error: Exception) -> ModelError:
    """What boto3 and urllib3 raise -> ours."""
    import urllib3
    from botocore.exceptions import ClientError, ConnectTimeoutError, ReadTimeoutError

    if isinstance(error, ModelError):
        return error
    if isinstance(error, ClientError):
        code = error.response["Error"].get("Code", "")
        kinds = {"ModelNotReadyException": ModelStarting, "ModelError": BadModelAnswer}
        return kinds.get(code, ModelUnavailable)(code)
    late = isinstance(error, (ConnectTimeoutError, ReadTimeoutError, urllib3.exceptions.ReadTimeoutError))
    return (ModelTimeout if late else ModelUnavailable)(type(error).__name__)


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


class PlainRows(msgspec.Struct):
    """The same of a model with one output, which says nothing of itself."""

    predictions: list[list[float]]


ROWS, PLAIN_ROWS = msgspec.json.Decoder(Rows), msgspec.json.Decoder(PlainRows)  # once: see backend.intake.read_json


def read_answers(body: bytes, n: int) -> Answers:
    """TensorFlow Serving's JSON for n instances -> answers. Raises BadModelAnswer."""
    try:
        rows = ROWS.decode(body).predictions
        first = rows[0]
        probabilities = np.array([row.probabilities for row in rows])  # ValueError where the rows differ in length
    except (msgspec.MsgspecError, ValueError, IndexError, RecursionError) as error:
        raise BadModelAnswer(f"{type(error).__name__} in {len(body)} bytes") from None
    scores = np.array([row.score for row in rows])
    about = (tuple(first.labels), first.threshold, first.name, first.version, "sagemaker")
    return checked(Answers(probabilities, scores, *about), n)


def read_plain(body: bytes) -> NDArray[np.float64] | None:
    """{"predictions": [[0.1, 0.9], ...]}, as any softmax answers -> (n, labels); None for anything else."""
    try:
        rows = np.array(PLAIN_ROWS.decode(body).predictions)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
    if rows.ndim != 2 or not (np.abs(rows.sum(axis=1) - 1) < ROUNDING).all() or rows.min(initial=0) < -ROUNDING:
        raise BadModelAnswer("its rows are no probabilities")
    return rows


def checked(answers: Answers, n: int) -> Answers:
    """`answers`, if they are n rows of finite numbers, one for each label. Raises BadModelAnswer."""
    shape = answers.probabilities.shape
    if shape != (n, len(answers.labels)) or answers.scores.shape != (n,):
        raise BadModelAnswer(f"shape {shape} for {n} pictures and {len(answers.labels)} labels")
    if not (np.isfinite(answers.probabilities).all() and np.isfinite(answers.scores).all()):
        raise BadModelAnswer("not finite")
    return answers
