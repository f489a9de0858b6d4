"""JSON that claims to be the API's -> the contract's classes, each member checked: what passes, the page can show."""

from __future__ import annotations

import json
import re
from base64 import b64decode
from dataclasses import fields
from math import isfinite
from typing import TYPE_CHECKING, Any, TypeVar

from backend import contract
from backend.contract import (
    Learning,
    Model,
    ModelCard,
    ModelList,
    Number,
    NumberLine,
    Prediction,
    ProblemDetails,
    Use,
)

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")
MOST = 1e15  # no number is larger, or none
FITTING: dict[Any, tuple[type, ...]] = {"int": (int,), "float": (int, float)}  # a member's type -> JSON's
MOST_LABELS = 1000  # each is a bar on the page
MOST_CHARACTERS = 200  # of a name; a problem's sentence may have five times as many
PNG_HEAD = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + 2 * contract.SIDE.to_bytes(4, "big")
FEEDBACK_ID = re.compile(r"[A-Za-z0-9_-]{1,128}")
UNSAFE = re.compile(r"[^\x20-\x7e\xa0-\ud7ff\ue000-\U0010ffff]+")  # controls, and halves of a character


class Malformed(ValueError):
    """Not what the contract says."""


def parse(body: bytes) -> Any:
    """JSON of any kind. Raises Malformed."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Malformed from error


def prediction(body: Any) -> Prediction:
    """One answer. Raises Malformed."""
    try:
        answer = Prediction.from_json(body)
        _check(answer)
    except (KeyError, TypeError, AttributeError, ValueError, OverflowError) as error:
        raise Malformed from error
    return answer


def number(body: Any) -> Number:
    """One answer of POST /numbers. Raises Malformed."""
    try:
        answer = Number.from_json(body)
        _check_number(answer)
    except (KeyError, TypeError, AttributeError, ValueError, OverflowError) as error:
        raise Malformed from error
    return answer


def models(body: Any) -> list[ModelCard]:
    """The answer of GET /models. Raises Malformed."""
    try:
        cards = ModelList.from_json(body).models
        for card in cards:
            _check_card(card)
    except (KeyError, TypeError, AttributeError, ValueError, OverflowError) as error:
        raise Malformed from error
    return cards


def batch(body: Any, n: int, member: str, read: Callable[[Any], T]) -> list[T | ProblemDetails]:
    """The answers to n pictures, each in `member` of its result. Raises Malformed."""
    results = body.get("results") if isinstance(body, dict) else None
    if not isinstance(results, list) or len(results) != n:
        raise Malformed
    if not all(isinstance(result, dict) for result in results):
        raise Malformed
    return [read(each[member]) if each.get(member) else problem(each.get("problem")) for each in results]


def problem(body: Any) -> ProblemDetails:
    """A refusal, its sentences cleaned for a terminal. Raises Malformed."""
    names = ("type", "title", "detail", "request_id")
    if not isinstance(body, dict) or not all(isinstance(body.get(name), str) for name in names):
        raise Malformed
    if type(body.get("status")) is not int:
        raise Malformed
    return ProblemDetails(status=body["status"], **{name: clean(body[name]) for name in names})


def feedback_id(body: Any) -> str:
    """The receipt's id, fit to be part of an address. Raises Malformed."""
    given = body.get("id") if isinstance(body, dict) else None
    if not isinstance(given, str) or not FEEDBACK_ID.fullmatch(given):
        raise Malformed
    return given


def readiness(body: Any) -> Model:
    """The model that GET /ready tells of. Raises Malformed."""
    try:
        model = Model(*(body["model"][name] for name in ("name", "version", "served_by")))
    except (KeyError, TypeError) as error:
        raise Malformed from error
    if not all(map(_is_name, vars(model).values())):
        raise Malformed
    return model


def learning(body: Any) -> Learning:
    """What was learnt. Raises Malformed."""
    told = _members(Learning, body)
    if min(told.learnt, told.judged_on) < 0 or not all(0 <= share <= 1 for share in (told.reads, told.read)):
        raise Malformed
    return told


def use(body: Any) -> Use | None:
    """What a kept drawing was used for. Raises Malformed."""
    if not isinstance(body, dict):
        raise Malformed
    return _members(Use, body["used"]) if body.get("used") else None


def _members(kind: type[T], body: Any) -> T:
    """A flat class of the contract's from an object; unknown members are ignored. Raises Malformed."""
    if not isinstance(body, dict):
        raise Malformed
    given = {}
    for field in fields(kind):  # type: ignore[arg-type]  # each is a dataclass
        value = body.get(field.name)
        fits = _is_name(value) if field.type == "str" else _fits(value, field.type)
        if not fits:
            raise Malformed
        given[field.name] = value
    return kind(**given)


def clean(text: str) -> str:
    """A stranger's sentence, without what steers a terminal, and not without end."""
    return UNSAFE.sub(" ", text)[: 5 * MOST_CHARACTERS]


def _check(answer: Prediction) -> None:
    """Raises ValueError, or TypeError where a member is of another kind."""
    labels, model = answer.probabilities, answer.model
    ok = 0 < len(labels) <= MOST_LABELS and all(0 <= p <= 1.0001 for p in [answer.confidence, *labels.values()])
    ok &= "" not in labels
    ok &= (answer.label is None) == (answer.rejection is not None)
    ok &= answer.label is None or answer.label in labels
    ok &= answer.rejection is None or isfinite(answer.rejection.score)
    ok &= all(isfinite(ms) for ms in answer.timing_ms.values())
    names = [*labels, *answer.timing_ms, model.name, model.version, model.served_by, answer.request_id]
    names += [answer.rejection.reason, answer.rejection.ask or ""] if answer.rejection else []
    ok &= all(map(_is_name, names))
    ok &= all(_is_picture(picture) for picture in (answer.image, answer.explanation) if picture is not None)
    ok &= answer.ink is None or _is_ink(answer.ink)
    if not ok:
        raise Malformed


def _check_card(card: ModelCard) -> None:
    """Raises ValueError, or TypeError where a member is of another kind."""
    ok = 0 < len(card.labels) <= MOST_LABELS and card.name != "" and type(card.deployed) is bool
    facts = (fact for fact in (card.network, card.date) if fact is not None)
    ok &= all(map(_is_name, [card.name, card.version, card.served_by, *card.labels, *card.metrics, *facts]))
    ok &= all(n is None or (type(n) is int and n >= 0) for n in (card.parameters, card.bytes))
    ok &= all(isfinite(share) for share in [card.threshold, *card.metrics.values()])
    ok &= all(isinstance(source, str) for source in card.sources)
    if not ok:
        raise Malformed


def _check_number(answer: Number) -> None:
    """Raises ValueError, or TypeError where a member is of another kind."""
    lines: list[Number | NumberLine] = [answer, *(answer.lines or ())]
    digits = [digit for line in lines for digit in line.digits]
    names = [answer.model.name, answer.model.version, answer.model.served_by, answer.request_id, *answer.timing_ms]
    names += [text for digit in digits for text in (digit.label, *digit.probabilities)]
    names += [line.rejection.reason for line in lines if line.rejection]
    names += [each.number for line in lines for each in line.alternatives]
    names += [part for line in lines if line.number is not None for part in line.number.split("\n")]
    shares = [line.confidence for line in lines] + [each.confidence for line in lines for each in line.alternatives]
    shares += [p for digit in digits for p in (digit.confidence, *digit.probabilities.values())]
    ok = all(map(_is_name, names)) and all(0 <= share <= 1.0001 for share in shares)
    ok &= all((line.number is None) == (line.rejection is not None) for line in lines)
    ok &= all(len(digit.box) == 4 and all(type(edge) is int for edge in digit.box) for digit in digits)
    ok &= all(isfinite(ms) for ms in answer.timing_ms.values())
    ok &= all(isfinite(line.rejection.score) for line in lines if line.rejection)
    if not ok:
        raise Malformed


def _fits(value: Any, kind: Any) -> bool:
    """Whether a member is a number of this type, and none that no answer has."""
    return type(value) in FITTING[kind] and bool(abs(value) < MOST)


def _is_name(text: Any) -> bool:
    return isinstance(text, str) and len(text) <= MOST_CHARACTERS and not UNSAFE.search(text)


def _is_picture(text: str) -> bool:
    """Whether it is the head of a PNG of 28x28 in base64."""
    return b64decode(text, validate=True).startswith(PNG_HEAD)


def _is_ink(text: str) -> bool:
    """Whether it is the head of a PNG of INK_SIDE at most in base64."""
    head = b64decode(text, validate=True)[:24]
    sides = (int.from_bytes(head[16:20], "big"), int.from_bytes(head[20:], "big"))
    return head[:16] == PNG_HEAD[:16] and all(0 < side <= contract.INK_SIDE for side in sides)
