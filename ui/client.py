"""The typed client of the API, for the page and for people's own scripts: `Client(url).predict("drawing.png").label`.

ApiError                 whatever kept an answer away; str() is a sentence
 +- Unreachable          nobody answers at this address
 +- TimedOut             connected, but no answer in time
 +- NotUnderstood        an answer that is not this API's
 +- BadPicture           400 413 415 422: another picture may work
 |   +- BlankSheet       there is nothing drawn
 +- KeyRejected          401 403: the API key is missing or wrong
 +- RateLimited          429: wait `retry_after` seconds
 +- ModelStarting        503: the model is being loaded; wait `retry_after` seconds
 +- ModelFailed          502 503 504: the model is away, slow or answers nonsense
 +- SwitchedOff          404 405: this API does not offer that
 +- ServerFailed         any other refusal
"""

from __future__ import annotations

import json
import runpy
from base64 import b64encode
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, runtime_checkable

import requests
from requests.adapters import HTTPAdapter
from urllib3 import Retry

from backend import contract
from backend.contract import BatchPrediction, Prediction, ProblemDetails

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator

TIMEOUT = (2.0, 28.0)  # seconds to connect, and between bytes: the API answers within 25, API Gateway cuts at 29
LONGEST_WAIT = 20  # seconds: a longer Retry-After is not slept through
BATCH_BYTES = contract.MAX_BODY_BYTES * 7 // 10  # base64 adds a third, JSON a little

T = TypeVar("T")


@runtime_checkable
class PillowImage(Protocol):
    """What `PIL.Image.Image` offers, so that Pillow need not be installed here."""

    def save(self, fp: BytesIO, format: str) -> None:  # noqa: A002 - Pillow's own name
        """Encode."""


Picture = str | Path | bytes | PillowImage | Any  # the last: a NumPy array, uint8, (h, w) or (h, w, 3 or 4)


class ApiError(Exception):
    """No answer. `problem` is what the API said, if it did; `retry_after` the seconds that it asked to wait."""

    def __init__(self, sentence: str, problem: ProblemDetails | None = None, retry_after: float | None = None) -> None:
        super().__init__(sentence)
        self.problem, self.retry_after = problem, retry_after


class Unreachable(ApiError):
    """Nobody answers at the API's address, or the line broke."""


class TimedOut(ApiError):
    """Connected, but no answer in time."""


class NotUnderstood(ApiError):
    """An answer that is not this API's."""


class BadPicture(ApiError):
    """The API cannot use this picture; another may work."""


class BlankSheet(BadPicture):
    """There is nothing drawn."""


class KeyRejected(ApiError):
    """The API key is missing or wrong."""


class RateLimited(ApiError):
    """Too many requests."""


class ModelStarting(ApiError):
    """The model is being loaded."""


class ModelFailed(ApiError):
    """The model is away, slow or answers nonsense."""


class SwitchedOff(ApiError):
    """This API does not offer that."""


class ServerFailed(ApiError):
    """Any other refusal."""


BY_SLUG: dict[str, type[ApiError]] = {
    contract.BLANK_IMAGE.slug: BlankSheet,
    contract.MODEL_STARTING.slug: ModelStarting,
}
# API Gateway refuses in its own words (403 for a bad key, 413, 429, 504), so the status must do for those.
BY_STATUS: dict[int, type[ApiError]] = {
    400: BadPicture,
    401: KeyRejected,
    403: KeyRejected,
    404: SwitchedOff,
    405: SwitchedOff,
    413: BadPicture,
    415: BadPicture,
    422: BadPicture,
    429: RateLimited,
    502: ModelFailed,
    503: ModelFailed,
    504: ModelFailed,
}


class Client:
    """Asks one API. Retries, with back-off and jitter, only what is safe: refused connections, 429 and 503."""

    def __init__(
        self, url: str, api_key: str | None = None, *, timeout: tuple[float, float] = TIMEOUT, retries: int = 3
    ) -> None:
        self.url = url.rstrip("/")
        self._timeout = timeout
        self._session = requests.Session()
        self._session.headers["User-Agent"] = "fullstack-model"
        if api_key:
            self._session.headers[contract.API_KEY_HEADER] = api_key
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, HTTPAdapter(pool_maxsize=32, max_retries=_retry(retries)))

    def predict(self, picture: Picture, *, include: Collection[str] = ()) -> Prediction:
        """A file's path, its bytes, a PIL image or a NumPy array -> the answer. Raises ApiError, OSError.

        `include`: "image" adds the 28x28 that the model saw, "explanation" what mattered in it.
        """
        data = encode(picture)
        query = {"include": ",".join(include)} if include else None
        reply = self._send("POST", contract.PREDICTIONS, data=data, params=query, headers=_media_type(data))
        return _read(reply, Prediction.from_json)

    def predict_batch(self, pictures: Iterable[Picture]) -> Iterator[Prediction | ApiError]:
        """Any number of pictures -> an answer or an error for each, in order; 64 at a time are held in memory.

        Raises ApiError where a whole request failed, OSError where a file cannot be read.
        """
        for group in _groups(encode(picture) for picture in pictures):
            body = {"images": [b64encode(data).decode() for data in group]}
            batch = _read(self._send("POST", contract.BATCH, json=body), BatchPrediction.from_json)
            if len(batch.results) != len(group):
                raise NotUnderstood(f"The API gave {len(batch.results)} answers to {len(group)} pictures.")
            for result in batch.results:
                yield result.prediction or _error(0, result.problem, "", None)

    def ready(self) -> bool:
        """Whether the API and its model answer right now; never raises ApiError."""
        try:
            return self._send("GET", contract.READY).ok
        except ApiError:
            return False

    def send_feedback(self, picture: bytes, label: str, prediction: Prediction) -> str:
        """Give a drawing and its right label away, with consent -> the id to take it back by. Raises ApiError."""
        image = b64encode(picture).decode()
        body = {"image": image, "label": label, "prediction": prediction.to_json(), "consent": True}
        return _read(self._send("POST", contract.FEEDBACK, json=body), lambda answer: str(answer["id"]))

    def delete_feedback(self, feedback_id: str) -> None:
        """Take a drawing back. Raises ApiError."""
        self._send("DELETE", f"{contract.FEEDBACK}/{feedback_id}")

    def collects_feedback(self) -> bool:
        """Whether this API keeps drawings for training. Raises ApiError when it cannot be asked."""
        try:
            return self._send("OPTIONS", contract.FEEDBACK).ok
        except SwitchedOff:
            return False

    def _send(self, method: str, path: str, **request: Any) -> requests.Response:
        """One exchange. Raises ApiError: requests' own exceptions end here."""
        try:
            reply = self._session.request(method, self.url + path, timeout=self._timeout, **request)
        except requests.Timeout:
            raise TimedOut(f"The API at {self.url} did not answer in time.") from None
        except requests.RequestException as error:
            raise Unreachable(f"The API at {self.url} cannot be reached ({type(error).__name__}).") from None
        if reply.ok:
            return reply
        raise _error(reply.status_code, _problem(reply), reply.reason, reply.headers.get("Retry-After"))


def encode(picture: Picture) -> bytes:
    """A path, bytes, a PIL image or a NumPy array -> an encoded picture. Raises OSError."""
    if isinstance(picture, bytes):
        return picture
    if isinstance(picture, str | Path):
        return Path(picture).read_bytes()
    if hasattr(picture, "__array_interface__") and not isinstance(picture, PillowImage):
        from PIL import Image  # only who has arrays needs Pillow

        picture = Image.fromarray(picture)
    buffer = BytesIO()
    picture.save(buffer, format="PNG")
    return buffer.getvalue()


def _media_type(data: bytes) -> dict[str, str]:
    """By the first bytes; anything unknown goes as PNG, and the API says what it is not."""
    for signature, name in ((b"\xff\xd8", "jpeg"), (b"GIF8", "gif"), (b"RIFF", "webp")):
        if data.startswith(signature):
            return {"Content-Type": f"image/{name}"}
    return {"Content-Type": "image/png"}


def _retry(retries: int) -> Retry:
    """POST is safe to repeat: a prediction changes nothing. A read is not repeated: it has cost its time already."""
    return Retry(
        total=retries,
        connect=retries,
        read=False,  # not 0, which would turn a time-out into a broken line
        other=0,
        status=retries,
        status_forcelist=(429, 503),
        allowed_methods=None,
        raise_on_status=False,
        backoff_factor=0.2,  # 0, 0.4, 0.8 seconds, each plus up to the jitter
        backoff_jitter=0.2,
        retry_after_max=LONGEST_WAIT,
    )


def _groups(pictures: Iterable[bytes]) -> Iterator[list[bytes]]:
    """Pictures -> groups that one batch request may hold."""
    group: list[bytes] = []
    for data in pictures:
        if group and (len(group) == contract.MAX_BATCH or sum(map(len, [*group, data])) > BATCH_BYTES):
            yield group
            group = []
        group.append(data)
    if group:
        yield group


def _read(reply: requests.Response, parse: Callable[[Any], T]) -> T:
    try:
        return parse(reply.json())
    except (ValueError, KeyError, TypeError, AttributeError):
        raise NotUnderstood("What answers at this address is not this API, or another version of it.") from None


def _problem(reply: requests.Response) -> ProblemDetails | None:
    """The refusal's body, where it is this API's own."""
    try:
        body = json.loads(reply.content)
        return ProblemDetails(**{name: body[name] for name in ProblemDetails.__annotations__})
    except (ValueError, KeyError, TypeError):
        return None


def _error(status: int, problem: ProblemDetails | None, reason: str, retry_after: str | None) -> ApiError:
    """A refusal -> its exception."""
    status = problem.status if problem else status
    slug = problem.type.rpartition("/")[2] if problem else ""
    kind = BY_SLUG.get(slug) or BY_STATUS.get(status, ServerFailed)
    sentence = problem.detail if problem else f"The API answered {status} {reason}.".strip()
    seconds = float(retry_after) if retry_after and retry_after.isdigit() else None
    return kind(sentence, problem, seconds)


if __name__ == "__main__":  # `python -m ui.client` is `python -m ui`
    runpy.run_module("ui", run_name="__main__")
