"""Answers that no API of this project gives: each is malformed, whatever it breaks."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from backend.contract import Prediction
from tests.unit.test_client import CARD, PREDICTION
from ui import wire
from ui.wire import Malformed

PNG = base64.b64encode(wire.PNG_HEAD + bytes(20)).decode()
WRONG: dict[str, Any] = {
    "label of another list": {"label": "8"},
    "label a number": {"label": 7},
    "label empty": {"label": "", "probabilities": {"": 1.0}},
    "label missing though nothing was rejected": {"label": None},
    "label though it was rejected": {"rejection": {"reason": "not_a_digit", "score": 0.1}},
    "half a character": {"label": "\ud800", "probabilities": {"\ud800": 1.0}},
    "a bell": {"label": "\x07", "probabilities": {"\x07": 1.0}},
    "a label without end": {"label": "7" * 300, "probabilities": {"7" * 300: 1.0}},
    "confidence NaN": {"confidence": float("nan")},
    "confidence 1e999": {"confidence": float("inf")},
    "confidence over 1": {"confidence": 90.0},
    "confidence below 0": {"confidence": -0.1},
    "confidence of 400 digits": {"confidence": 10**400},
    "confidence null": {"confidence": None},
    "confidence a list": {"confidence": [0.9]},
    "probabilities a list": {"probabilities": [0.9, 0.1]},
    "no probabilities": {"probabilities": {}},
    "a probability of null": {"probabilities": {"7": None}},
    "a probability NaN": {"probabilities": {"7": float("nan")}},
    "a million labels": {"probabilities": {"7": 0.9} | {str(n): 0.0 for n in range(2000)}},
    "rejection true": {"label": None, "rejection": True},
    "rejection without a score": {"label": None, "rejection": {"reason": "not_a_digit"}},
    "rejection with a list": {"label": None, "rejection": {"reason": ["x"], "score": 0.1}},
    "model null": {"model": None},
    "model a list": {"model": []},
    "model's name a number": {"model": {"name": 1, "version": "1", "served_by": "x"}},
    "model's name without end": {"model": {"name": "x" * 10_000, "version": "1", "served_by": "x"}},
    "timing a list": {"timing_ms": [1]},
    "timing text": {"timing_ms": {"total": "soon"}},
    "timing infinite": {"timing_ms": {"total": float("inf")}},
    "request id null": {"request_id": None},
    "image a number": {"image": 5},
    "image not base64": {"image": "?"},
    "image of 50,000x50,000": {"image": base64.b64encode(wire.PNG_HEAD[:16] + b"\0\0\xc3\x50" * 2).decode()},
    "explanation a list": {"image": PNG, "explanation": ["x"]},
    "ink no picture": {"ink": "AAAA"},
    "ink of 113x28": {"ink": base64.b64encode(wire.PNG_HEAD[:16] + b"\0\0\0\x71\0\0\0\x1c").decode()},
    "ink of 0x28": {"ink": base64.b64encode(wire.PNG_HEAD[:16] + b"\0\0\0\0\0\0\0\x1c").decode()},
}


@pytest.mark.parametrize("change", WRONG.values(), ids=WRONG)
def test_a_prediction_with_a_wrong_member_is_malformed(change: dict[str, Any]) -> None:
    wire.prediction(PREDICTION)
    with pytest.raises(Malformed):
        wire.prediction(wire.parse(json.dumps(PREDICTION | change).encode()))


@pytest.mark.parametrize("member", PREDICTION)
def test_a_prediction_without_one_of_its_members_is_malformed(member: str) -> None:
    with pytest.raises(Malformed):
        wire.prediction({name: value for name, value in PREDICTION.items() if name != member})


def _batch(body: Any, n: int = 0) -> Any:
    return wire.batch(body, n, "prediction", wire.prediction)


@pytest.mark.parametrize("body", [None, [], "text", 7, True])
def test_what_is_no_object_is_malformed(body: Any) -> None:
    for check in (wire.prediction, wire.problem, wire.feedback_id, wire.readiness, _batch):
        with pytest.raises(Malformed):
            check(body)


@pytest.mark.parametrize("body", [b"", b"<h1>", b"\xff\xfe\xfa", b"[" * 100_000, b"9" * 5000, b'{"a":'], ids=repr)
def test_what_is_no_json_is_malformed(body: bytes) -> None:
    with pytest.raises(Malformed):
        wire.parse(body)


def test_unknown_members_are_ignored_and_pictures_of_28x28_pass() -> None:
    answer = wire.prediction(PREDICTION | {"new": 1, "image": PNG, "explanation": PNG, "ink": PNG})
    assert answer.image == PNG
    assert isinstance(answer, Prediction)


@pytest.mark.parametrize("results", [None, {}, [], [{}], [None, None], [{"prediction": {}}] * 2, [{"problem": 5}] * 2])
def test_a_batch_of_anything_else_is_malformed(results: Any) -> None:
    with pytest.raises(Malformed):
        _batch({"results": results}, 2)


PROBLEM = {"type": "/problems/x", "title": "t", "status": 422, "detail": "d", "request_id": "r"}


@pytest.mark.parametrize(
    "change", [{"type": 5}, {"status": "422"}, {"status": [1]}, {"status": True}, {"detail": None}]
)
def test_a_problem_with_a_wrong_member_is_malformed(change: dict[str, Any]) -> None:
    with pytest.raises(Malformed):
        wire.problem(PROBLEM | change)


def test_a_problems_sentence_cannot_steer_a_terminal_and_has_an_end() -> None:
    detail = wire.problem(PROBLEM | {"detail": "\x1b]0;owned\x07" + 10_000 * "x"}).detail
    assert detail.startswith(" ]0;owned x")
    assert len(detail) == 1000


@pytest.mark.parametrize("given", [7, "", "../predictions", "a" * 200, "a/b", "a?b", "ü"])
def test_an_id_that_is_no_part_of_an_address_is_malformed(given: Any) -> None:
    with pytest.raises(Malformed):
        wire.feedback_id({"id": given})


@pytest.mark.parametrize(
    "change",
    [
        {"name": ""},
        {"name": "\x07"},
        {"version": 7},
        {"deployed": "yes"},
        {"labels": []},
        {"labels": [7]},
        {"threshold": float("nan")},
        {"network": 5},
        {"parameters": "many"},
        {"parameters": True},
        {"bytes": -1},
        {"sources": None},
        {"sources": [1]},
        {"metrics": {"test": "good"}},
        {"metrics": {"x" * 300: 1.0}},
        {"date": ["today"]},
    ],
    ids=str,
)
def test_a_models_card_with_a_wrong_member_is_malformed(change: dict[str, Any]) -> None:
    wire.models({"models": [CARD]})
    with pytest.raises(Malformed):
        wire.models({"models": [CARD | change]})


@pytest.mark.parametrize("body", [[], None, {}, {"models": 5}, {"models": [5]}, {"models": [{"name": "digits"}]}])
def test_a_list_of_models_that_is_none_is_malformed(body: Any) -> None:
    with pytest.raises(Malformed):
        wire.models(body)


LEARNING: dict[str, Any] = {
    **{"version": "2026.11.7", "date": "2026-11-27", "learnt": 83, "instead_of": "2026.11.6"},
    **{"reads": 0.94, "read": 0.61, "judged_on": 36},
}
USE = {"version": "2026.11.7", "date": "2026-11-27", "how": "learnt"}


def test_what_was_learnt_is_read_and_what_is_new_is_passed_over() -> None:
    assert wire.learning(LEARNING | {"new": 1}).learnt == 83
    assert wire.use({"used": USE}).how == "learnt"
    assert wire.use({"used": None}) is None


@pytest.mark.parametrize(
    "change",
    [{"learnt": -1}, {"learnt": True}, {"learnt": 1.5}, {"judged_on": 10**400}, {"reads": 1.1}, {"read": float("nan")},
     {"version": 5}, {"version": "\x07"}, {"date": None}, {"instead_of": ["x"]}],
)  # fmt: skip
def test_learning_with_a_wrong_member_is_malformed(change: dict[str, Any]) -> None:
    with pytest.raises(Malformed):
        wire.learning(LEARNING | change)


@pytest.mark.parametrize(
    "body", [[], None, {"used": 1}, {"used": [1]}, {"used": USE | {"how": 1}}, {"used": {"how": "x"}}]
)
def test_a_use_with_a_wrong_member_is_malformed(body: Any) -> None:
    with pytest.raises(Malformed):
        wire.use(body)
