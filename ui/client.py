"""The typed client of the API, for the page and for people's own scripts: `Client(url).predict("drawing.png").label`.

ApiError                 whatever kept an answer away; str() is a sentence
 +- Unreachable          nobody answers at this address
 +- TimedOut             connected, but no answer in time
 +- NotUnderstood        an answer that is not this API's
 +- BadSetting           an address, a key or a certificate that cannot be used: nothing changes by itself
 +- BadPicture           400 413 415 422: another picture may work
 |   +- BlankSheet       there is nothing drawn
 |   +- TooLarge         413: too many bytes or pixels
 +- KeyRejected          401 403: the API key is missing or wrong
 +- RateLimited          429: wait `retry_after` seconds
 +- ModelStarting        503: the model is being loaded; wait `retry_after` seconds
 +- ModelFailed          502 503 504: the model is away, slow or answers nonsense
 +- UnknownModel         404: no model of the name that was asked for; the sentence names those there are
 +- SwitchedOff          404 405 507: this API does not offer that, or no more
 +- ServerFailed         any other refusal
"""

from __future__ import annotations

import http.client
import runpy
from base64 import b64encode
from copy import copy
from dataclasses import dataclass
from itertools import count
from random import uniform
from time import sleep
from typing import TYPE_CHECKING, Any, Generic, TypeVar
from urllib.parse import quote

import requests
from requests.exceptions import InvalidHeader, InvalidSchema, InvalidURL, SSLError

from backend import contract
from backend.contract import Learning, Model, ModelCard, Number, Prediction, ProblemDetails, Use
from ui import formats, wire
from ui.exchange import Exchange, Garbled, Reply, Unusable, checked_header, was_connected
from ui.pictures import NotAPicture, Picture, TooManyBytes, encode

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

    Strokes = Sequence[Sequence[tuple[float, float]]]

TIMEOUT = (2.0, 28.0)  # seconds to connect, and for an answer: the API answers within 25, API Gateway cuts at 29
LONGEST_WAIT = 20  # seconds: a longer Retry-After is not slept through
BATCH_BYTES = contract.MAX_BODY_BYTES * 7 // 10  # base64 adds a third, JSON a little
FOREIGN = "What answers at this address is not this API, or another version of it."

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class ApiError(Exception):
    """No answer. `problem` is what the API said, if it did; `retry_after` the seconds that it asked to wait.

    `passing`: nobody listened, or 429 or 503, so that asking again is safe and may help.
    """

    passing = False

    def __init__(self, sentence: str, problem: ProblemDetails | None = None, retry_after: float | None = None) -> None:
        super().__init__(sentence)
        self.problem, self.retry_after = problem, retry_after


class Unreachable(ApiError):
    """Nobody answers at the API's address, or the line broke."""


class TimedOut(ApiError):
    """Connected, but no answer in time."""


class NotUnderstood(ApiError):
    """An answer that is not this API's."""


class BadSetting(ApiError):
    """The API's address, the key or a certificate cannot be used."""


class BadPicture(ApiError):
    """The API cannot use this picture; another may work."""


class BlankSheet(BadPicture):
    """There is nothing drawn."""


class TooLarge(BadPicture):
    """Too many bytes or pixels."""


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


class UnknownModel(ApiError):
    """There is no model of this name."""


class ServerFailed(ApiError):
    """Any other refusal."""


BY_SLUG: dict[str, type[ApiError]] = {
    contract.BLANK_IMAGE.slug: BlankSheet,
    contract.MODEL_STARTING.slug: ModelStarting,
    contract.UNKNOWN_MODEL.slug: UnknownModel,
}
# API Gateway refuses in its own words (403 for a bad key, 413, 429, 504), so the status must do for those.
BY_STATUS: dict[int, type[ApiError]] = {
    400: BadPicture,
    401: KeyRejected,
    403: KeyRejected,
    404: SwitchedOff,
    405: SwitchedOff,
    413: TooLarge,
    415: BadPicture,
    422: BadPicture,
    429: RateLimited,
    502: ModelFailed,
    503: ModelFailed,
    504: ModelFailed,
    507: SwitchedOff,
}
# The first that fits; SSLError and the Invalid... are RequestException, and that is OSError, as a missing CA bundle is.
FAILURES: dict[type[Exception], tuple[type[ApiError], str]] = {
    requests.Timeout: (TimedOut, "The API at {url} did not answer in time."),
    Garbled: (NotUnderstood, FOREIGN),
    SSLError: (
        BadSetting,
        "The certificate of {url} is not trusted. REQUESTS_CA_BUNDLE names a file of those that are.",
    ),
    InvalidURL: (BadSetting, "The API at {url} cannot be asked: {reason}."),
    InvalidSchema: (BadSetting, "The API at {url} cannot be asked: {reason}."),
    InvalidHeader: (BadSetting, "The API at {url} cannot be asked: the key cannot be a header."),
    requests.RequestException: (Unreachable, "The API at {url} cannot be reached."),
    OSError: (BadSetting, "The API at {url} cannot be asked: {reason}."),
}


@dataclass(frozen=True)
class Question(Generic[T_co]):
    """What is asked about a picture: where, where about up to 64, and how to read an answer (there, a `member`).

    `strokes`: what a single picture was drawn by, where that is known.
    """

    path: str
    batch: str
    query: dict[str, str]
    read: Callable[[Any], T_co]
    member: str
    strokes: Strokes = ()


def _predictions(model: str, include: Collection[str] = ()) -> Question[Prediction]:
    query = {"include": ",".join(include)} if include else {}
    query |= {"model": model} if model else {}
    return Question(contract.PREDICTIONS, contract.BATCH, query, wire.prediction, "prediction")


def _numbers(allow: Collection[str], strokes: Strokes = ()) -> Question[Number]:
    query = {"allow": ",".join(allow)} if allow else {}
    few = strokes if len(strokes) <= contract.MAX_STROKES else ()  # the picture says it all, if less plainly
    thin = [stroke[:: -(-len(stroke) // contract.MAX_POINTS)] for stroke in few if stroke]
    return Question(contract.NUMBERS, contract.NUMBERS_BATCH, query, wire.number, "number", thin)


class Client:
    """Asks one API. Asks again, with back-off and jitter, only where nobody listened and after 429 and 503.

    `timeout`: seconds to connect, and for an answer. Raises BadSetting for an address or a key that cannot be used.
    """

    def __init__(
        self, url: str, api_key: str | None = None, *, timeout: tuple[float, float] = TIMEOUT, retries: int = 3
    ) -> None:
        headers = {"User-Agent": "fullstack-model"} | ({contract.API_KEY_HEADER: api_key} if api_key else {})
        try:
            self._exchange = Exchange(url, headers, timeout)
        except Unusable as error:
            raise BadSetting(str(error)) from None
        self.url, self._retries = self._exchange.url, retries
        self._caller: dict[str, str] = {}

    def for_caller(self, name: str) -> Client:
        """The same client, asking for one of its own users: any random name, by which the API keeps nothing.

        While a new model is tried on some callers, each user gets the same one each time.
        """
        theirs = copy(self)
        theirs._caller = {contract.CALLER_HEADER: checked_header(contract.CALLER_HEADER, name)}
        return theirs

    def predict(self, picture: Picture, *, include: Collection[str] = (), model: str = "") -> Prediction:
        """A path, bytes, an open file, a PIL image or an array -> the answer. Raises ApiError; OSError for a path.

        `include`: "image" adds the 28x28 that the model saw, "explanation" what mattered in it. `model`: the name of
        one of `models`, the deployed one if empty.
        """
        return self._ask_about(_encoded(picture), _predictions(model, include))

    def models(self) -> list[ModelCard]:
        """The models that this API serves, the deployed one first. Raises ApiError."""
        return _read(self._send("GET", contract.MODELS), wire.models)

    def predict_batch(self, pictures: Iterable[Picture], *, model: str = "") -> Iterator[Prediction | ApiError]:
        """Any number of pictures -> an answer or an error for each, in order; 64 at a time are held in memory.

        A picture that cannot be sent, read or understood is an error in its place. Raises ApiError where no picture
        would get an answer: an API that is away, or a wrong key.
        """
        return self._ask_about_each(pictures, _predictions(model))

    def read_number(self, picture: Picture, *, allow: Collection[str] = (), strokes: Strokes = ()) -> Number:
        """A picture, as `predict` takes it -> the whole number on it. Raises ApiError; OSError for a path.

        `allow`: "sign" and "point" read -12.5 too, which is rejected without. `strokes`: of a drawing, each stroke's
        points, x and y in the picture's pixels; they part digits that touch.
        """
        return self._ask_about(_encoded(picture), _numbers(allow, strokes))

    def read_numbers(self, pictures: Iterable[Picture], *, allow: Collection[str] = ()) -> Iterator[Number | ApiError]:
        """Any number of pictures -> a number or an error for each, as `predict_batch` gives predictions."""
        return self._ask_about_each(pictures, _numbers(allow))

    def ready(self) -> bool:
        """Whether the API and its model answer right now; never raises ApiError."""
        try:
            self._send("GET", contract.READY)
        except ApiError:
            return False
        return True

    def model(self) -> Model:
        """Which model answers right now. Raises ApiError."""
        return _read(self._send("GET", contract.READY), wire.readiness)

    def send_feedback(self, picture: bytes, label: str, prediction: Prediction) -> str:
        """Give a drawing and its right label away, with consent -> the id to take it back by. Raises ApiError."""
        image = b64encode(picture).decode()
        body = {"image": image, "label": label, "prediction": prediction.to_json(), "consent": True}
        return _read(self._send("POST", contract.FEEDBACK, json=body), wire.feedback_id)

    def delete_feedback(self, feedback_id: str) -> None:
        """Take a drawing back. Raises ApiError."""
        self._send("DELETE", f"{contract.FEEDBACK}/{quote(feedback_id, safe='')}")

    def learning(self) -> Learning:
        """What the model learnt from the drawings that were given. Raises ApiError."""
        return _read(self._send("GET", contract.FEEDBACK), wire.learning)

    def use_of(self, feedback_id: str) -> Use | None:
        """What a given drawing was used for, None before it is. Raises ApiError."""
        return _read(self._send("GET", f"{contract.FEEDBACK}/{quote(feedback_id, safe='')}"), wire.use)

    def collects_feedback(self) -> bool:
        """Whether this API keeps drawings for training. Raises ApiError when it cannot be asked."""
        try:
            self._send("OPTIONS", contract.FEEDBACK)
        except SwitchedOff:
            return False
        return True

    def _ask_about(self, data: bytes, question: Question[T]) -> T:
        body: dict[str, Any] = {"data": data, "headers": _media_type(data)}
        if question.strokes and len(data) <= BATCH_BYTES:
            body = {"json": {"image": b64encode(data).decode(), "strokes": question.strokes}}
        reply = self._send("POST", question.path, params=question.query, **body)
        return _read(reply, question.read)

    def _ask_about_each(self, pictures: Iterable[Picture], question: Question[T]) -> Iterator[T | ApiError]:
        for group in _groups(map(_encoded_or_error, pictures)):
            answers = iter(self._together([data for data in group if isinstance(data, bytes)], question))
            yield from (next(answers) if isinstance(each, bytes) else each for each in group)

    def _together(self, group: list[bytes], question: Question[T]) -> list[T | ApiError]:
        """A group in one request. Raises ApiError where that would be the answer to each."""
        if len(group) < 2:
            return self._one_by_one(group, question)
        body = {"images": [b64encode(data).decode() for data in group]}
        try:
            reply = self._send("POST", question.batch, json=body, params=question.query)
        except (BadPicture, ServerFailed):  # one picture may have cost the others their answers
            return self._one_by_one(group, question)
        results = _read(reply, lambda answer: wire.batch(answer, len(group), question.member, question.read))
        return [self._final(data, result, question) for data, result in zip(group, results, strict=True)]

    def _final(self, data: bytes, result: T | ProblemDetails, question: Question[T]) -> T | ApiError:
        """A picture's answer or error; alone it may have more pixels than what a batch had left for it."""
        if not isinstance(result, ProblemDetails):
            return result
        refusal = _refusal(result)
        return self._alone(data, question) if isinstance(refusal, TooLarge) else refusal

    def _one_by_one(self, group: list[bytes], question: Question[T]) -> list[T | ApiError]:
        answers = [self._alone(data, question) for data in group]
        failed = [answer for answer in answers if isinstance(answer, ServerFailed)]
        if failed and len(failed) == len(answers):
            raise failed[0]
        return answers

    def _alone(self, data: bytes, question: Question[T]) -> T | ApiError:
        try:
            return self._ask_about(data, question)
        except (BadPicture, ServerFailed) as error:
            return error

    def _send(self, method: str, path: str, **request: Any) -> Reply:
        """Ask, and again where that is safe: a prediction changes nothing. Raises ApiError."""
        for tries in count():
            try:
                return self._ask(method, path, **request)
            except ApiError as error:
                jitter = uniform(0, 0.2)  # noqa: S311 - no secret
                pause = 0.2 * 2**tries + jitter if error.retry_after is None else error.retry_after
                if not error.passing or tries >= self._retries or pause > LONGEST_WAIT:
                    raise
                sleep(pause)
        raise AssertionError  # count() does not end

    def _ask(self, method: str, path: str, **request: Any) -> Reply:
        """One exchange. Raises ApiError: the exceptions of requests end here."""
        headers = self._caller | request.pop("headers", {})
        try:
            reply = self._exchange.ask(method, path, headers=headers, **request)
        except (requests.RequestException, OSError) as error:
            raise _failure(error, self.url) from None
        if 200 <= reply.status < 300:
            return reply
        if 300 <= reply.status < 400:
            where = wire.clean(reply.headers.get("Location", "nowhere"))
            raise NotUnderstood(f"The address {self.url} leads on to {where}: set that as the API's, without {path}.")
        raise _refused(reply)


def _encoded(picture: Picture) -> bytes:
    """Raises BadPicture, OSError."""
    try:
        data = encode(picture)
    except TooManyBytes as error:
        raise TooLarge(str(error)) from None
    except NotAPicture as error:
        raise BadPicture(str(error)) from None
    if advice := formats.remedy(data):
        raise BadPicture(advice)
    return data


def _encoded_or_error(picture: Picture) -> bytes | BadPicture:
    try:
        return _encoded(picture)
    except BadPicture as error:
        return error
    except OSError as error:  # a dangling link, a folder without the right to read it
        return BadPicture(f"The file cannot be read: {error.strerror or type(error).__name__}.")


def _media_type(data: bytes) -> dict[str, str]:
    """By the first bytes; anything unknown goes as PNG, and the API says what it is not."""
    found = formats.recognise(data)
    return {"Content-Type": found.media_type if found else "image/png"}


def _groups(pictures: Iterable[bytes | BadPicture]) -> Iterator[list[bytes | BadPicture]]:
    """Pictures -> groups that one batch request may hold, some of them empty; what is too large for JSON is alone."""
    group: list[bytes | BadPicture] = []
    size = 0
    for picture in pictures:
        length = len(picture) if isinstance(picture, bytes) else 0
        if len(group) == contract.MAX_BATCH or size + length > BATCH_BYTES:
            yield group
            group, size = [], 0
        group.append(picture)
        size += length
    yield group


def _read(reply: Reply, check: Callable[[Any], T]) -> T:
    try:
        return check(wire.parse(reply.body))
    except wire.Malformed:
        raise NotUnderstood(FOREIGN) from None


def _failure(error: Exception, url: str) -> ApiError:
    """An exchange that came to nothing -> its exception."""
    for kind, (ours, sentence) in FAILURES.items():
        if isinstance(error, kind):
            failure = ours(sentence.format(url=url, reason=wire.clean(str(error))))
            failure.passing = isinstance(error, requests.ConnectionError) and not was_connected(error)
            return failure
    raise error


def _refused(reply: Reply) -> ApiError:
    """A refusal -> its exception."""
    try:
        error = _refusal(wire.problem(wire.parse(reply.body)), reply.status)
    except wire.Malformed:  # API Gateway's or a proxy's own
        phrase = http.client.responses.get(reply.status, "")
        error = BY_STATUS.get(reply.status, ServerFailed)(f"The API answered {reply.status} {phrase}".strip() + ".")
    error.retry_after = reply.retry_after
    error.passing = reply.status in (429, 503)
    return error


def _refusal(problem: ProblemDetails, status: int = 0) -> ApiError:
    kind = BY_SLUG.get(problem.type.rpartition("/")[2]) or BY_STATUS.get(status or problem.status, ServerFailed)
    return kind(problem.detail, problem)


if __name__ == "__main__":  # `python -m ui.client` is `python -m ui`
    runpy.run_module("ui", run_name="__main__")
