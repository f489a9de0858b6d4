"""The client against a server of canned answers: what is retried, and what each refusal becomes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

from backend import contract
from backend.contract import Prediction
from tests.stand_in import StandIn
from ui import client as module
from ui.client import ApiError, Client

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.stand_in import Handler

PREDICTION: dict[str, Any] = {
    "label": "7",
    "confidence": 0.9,
    "probabilities": {"7": 0.9, "1": 0.1},
    "rejection": None,
    "model": {"name": "digits", "version": "1", "served_by": "embedded"},
    "request_id": "r",
    "timing_ms": {"total": 1.0},
}

NUMBER: dict[str, Any] = PREDICTION | {"number": "7", "digits": [], "alternatives": []}

CARD: dict[str, Any] = {
    "name": "digits",
    "version": "1",
    "served_by": "sagemaker",
    "deployed": True,
    "labels": ["0", "1"],
    "threshold": 0.1,
    "network": None,
    "parameters": None,
    "bytes": 1000,
    "date": "2026-11-27",
    "sources": ["MNIST"],
    "metrics": {"test": 0.99},
}


class Canned(StandIn):
    """Answers with `script`'s (status, headers, body, seconds to wait) one by one, the last of them for ever."""

    def __init__(self) -> None:
        self.script: list[tuple[int, dict[str, str], object, float]] = []
        super().__init__(self._next)

    def _next(self, handler: Handler, _: bytes) -> None:
        status, headers, body, seconds = self.script.pop(0) if self.script[1:] else self.script[0]
        time.sleep(seconds)
        handler.send(status, body, **headers)

    def answer(self, status: int, body: object, *, seconds: float = 0, **headers: str) -> None:
        self.script.append((status, headers, body, seconds))

    def refuse(self, problem: contract.Problem, **headers: str) -> None:
        details = contract.ProblemDetails(f"/problems/{problem.slug}", problem.title, problem.status, "In words.", "r")
        self.answer(problem.status, vars(details), **headers)


@pytest.fixture
def server() -> Iterator[Canned]:
    with Canned() as canned:
        yield canned


def test_an_answer_becomes_a_prediction(server: Canned) -> None:
    server.answer(200, PREDICTION)
    prediction = Client(server.url, "key").predict(b"\xff\xd8 a JPEG", include=("image", "explanation"))
    assert (prediction.label, prediction.confidence) == ("7", 0.9)
    method, path, headers, body = server.requests[0]
    assert (method, path) == ("POST", "/predictions?include=image%2Cexplanation")
    assert headers["User-Agent"] == "fullstack-model"
    assert (headers["Content-Type"], headers["X-Api-Key"], body) == ("image/jpeg", "key", b"\xff\xd8 a JPEG")


EXCEPTIONS: dict[contract.Problem, type[ApiError]] = {
    contract.MALFORMED: module.BadPicture,
    contract.UNAUTHORIZED: module.KeyRejected,
    contract.NOT_FOUND: module.SwitchedOff,
    contract.UNKNOWN_MODEL: module.UnknownModel,
    contract.METHOD_NOT_ALLOWED: module.SwitchedOff,
    contract.TOO_LARGE: module.TooLarge,
    contract.UNSUPPORTED_MEDIA: module.BadPicture,
    contract.UNREADABLE_IMAGE: module.BadPicture,
    contract.BLANK_IMAGE: module.BlankSheet,
    contract.RATE_LIMITED: module.RateLimited,
    contract.INTERNAL: module.ServerFailed,
    contract.BAD_MODEL_ANSWER: module.ModelFailed,
    contract.MODEL_UNAVAILABLE: module.ModelFailed,
    contract.MODEL_STARTING: module.ModelStarting,
    contract.FEEDBACK_UNAVAILABLE: module.ModelFailed,
    contract.MODEL_TIMEOUT: module.ModelFailed,
    contract.FEEDBACK_FULL: module.SwitchedOff,
}


@pytest.mark.parametrize("problem", contract.PROBLEMS, ids=lambda problem: problem.slug)
def test_every_problem_of_the_contract_has_its_exception(server: Canned, problem: contract.Problem) -> None:
    server.refuse(problem)
    with pytest.raises(EXCEPTIONS[problem], match="In words") as raised:
        Client(server.url, retries=0).predict(b"x")
    assert raised.value.problem is not None
    assert raised.value.problem.status == problem.status


@pytest.mark.parametrize(
    ("status", "kind", "sentence"),
    [
        (403, module.KeyRejected, "The API answered 403 Forbidden."),
        (429, module.RateLimited, "The API answered 429 Too Many Requests."),
        (504, module.ModelFailed, "The API answered 504 Gateway Timeout."),
        (599, module.ServerFailed, "The API answered 599."),
    ],
)
def test_api_gateway_s_own_refusals_are_understood(
    server: Canned, status: int, kind: type[ApiError], sentence: str
) -> None:
    server.answer(status, {"message": "Forbidden"})
    with pytest.raises(kind) as raised:
        Client(server.url, retries=0).predict(b"x")
    assert str(raised.value) == sentence


def test_the_answer_s_own_status_counts_and_not_the_one_in_its_body(server: Canned) -> None:
    server.answer(
        422, {"type": "/problems/new", "title": "New", "status": 504, "detail": "In words.", "request_id": "r"}
    )
    with pytest.raises(module.BadPicture, match="In words"):
        Client(server.url, retries=0).predict(b"x")


@pytest.mark.parametrize("body", [b"<h1>router</h1>", b"[]", b'{"label": "7"}', b'"text"', b"null"])
def test_a_foreign_answer_is_not_understood(server: Canned, body: bytes) -> None:
    server.answer(200, body)
    with pytest.raises(module.NotUnderstood):
        Client(server.url).predict(b"x")


def test_429_and_503_are_retried_after_the_time_they_ask_for(server: Canned) -> None:
    server.refuse(contract.RATE_LIMITED, Retry_After="1")
    server.refuse(contract.MODEL_UNAVAILABLE)
    server.answer(200, PREDICTION)
    started = time.monotonic()
    assert Client(server.url).predict(b"x").label == "7"
    assert time.monotonic() - started >= 1
    assert len(server.requests) == 3


@pytest.mark.parametrize("problem", [contract.INTERNAL, contract.MODEL_TIMEOUT, contract.BLANK_IMAGE])
def test_what_would_only_fail_again_is_not_retried(server: Canned, problem: contract.Problem) -> None:
    server.refuse(problem)
    with pytest.raises(ApiError):
        Client(server.url).predict(b"x")
    assert len(server.requests) == 1


def test_a_slow_answer_times_out_and_is_not_asked_again(server: Canned) -> None:
    server.answer(200, PREDICTION, seconds=0.5)
    with pytest.raises(module.TimedOut):
        Client(server.url, timeout=(1, 0.1)).predict(b"x")
    assert len(server.requests) == 1


def test_an_absent_api_is_unreachable() -> None:
    with pytest.raises(module.Unreachable):
        Client("http://127.0.0.1:9", retries=1).predict(b"x")


def test_the_pause_that_the_api_asks_for_reaches_the_caller(server: Canned) -> None:
    server.refuse(contract.MODEL_STARTING, Retry_After="7")
    with pytest.raises(module.ModelStarting) as raised:
        Client(server.url, retries=0).predict(b"x")
    assert raised.value.retry_after == 7


def test_a_pause_that_is_no_number_is_left_to_the_caller(server: Canned) -> None:
    for given in ("soon", "-1"):
        server.script.clear()
        server.refuse(contract.MODEL_STARTING, Retry_After=given)
        with pytest.raises(module.ModelStarting) as raised:
            Client(server.url, retries=0).predict(b"x")
        assert raised.value.retry_after is None


def test_a_pause_that_is_too_long_is_not_slept_through(server: Canned, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LONGEST_WAIT", 0.1)
    server.refuse(contract.RATE_LIMITED, Retry_After="30")
    started = time.monotonic()
    with pytest.raises(module.RateLimited):
        Client(server.url, retries=1).predict(b"x")
    assert time.monotonic() - started < 5


@pytest.mark.parametrize(
    ("start", "kind"),
    [(b"\x89PNG", "png"), (b"\xff\xd8\xff", "jpeg"), (b"GIF89a", "gif"), (b"RIFF....WEBP", "webp"), (b"else", "png")],
)
def test_a_picture_is_sent_as_what_it_is(server: Canned, start: bytes, kind: str) -> None:
    server.answer(200, PREDICTION)
    Client(server.url).predict(start)
    assert server.requests[0].headers["Content-Type"] == f"image/{kind}"


def test_whether_the_model_answers_is_asked_of_ready(server: Canned) -> None:
    server.answer(200, b"")
    server.refuse(contract.MODEL_STARTING)
    client = Client(server.url, retries=0)
    assert [client.ready(), client.ready()] == [True, False]
    assert {f"{each.method} {each.path}" for each in server.requests} == {"GET /ready"}


def test_which_model_answers_is_told_by_ready(server: Canned) -> None:
    model = {"name": "digits", "version": "7", "served_by": "embedded"}
    server.answer(200, {"status": "ready", "model": model | {"new": 1}})
    server.answer(200, {"status": "ready", "model": model | {"name": 7}})
    assert Client(server.url).model() == contract.Model(**model)
    with pytest.raises(module.NotUnderstood):
        Client(server.url).model()


def test_the_model_that_is_asked_for_is_named_in_the_query(server: Canned) -> None:
    server.answer(200, PREDICTION)
    server.answer(200, {"results": 2 * [{"prediction": PREDICTION}], "request_id": "r", "timing_ms": {}})
    Client(server.url).predict(b"x", include=("image",), model="mlp")
    list(Client(server.url).predict_batch([b"x", b"y"], model="mlp"))
    asked = ["/predictions?include=image&model=mlp", "/predictions/batch?model=mlp"]
    assert [each.path for each in server.requests] == asked


def test_the_models_are_listed(server: Canned) -> None:
    server.answer(200, {"models": [CARD, CARD | {"new": "member"}]})
    first, second = Client(server.url).models()
    assert first == second == contract.ModelCard(**CARD)
    assert server.requests[0].path == "/models"


def test_a_batch_holds_as_many_pictures_as_one_request_may(server: Canned) -> None:
    """2.9 MB of pictures, which are 3.9 MB in base64: two of 1.4 MB, and the third goes alone."""
    server.answer(200, {"results": 2 * [{"prediction": PREDICTION}], "request_id": "r", "timing_ms": {}})
    server.answer(200, PREDICTION)
    half = bytes(module.BATCH_BYTES // 2)
    assert len(list(Client(server.url).predict_batch([half, half, half]))) == 3
    assert [each.path for each in server.requests] == ["/predictions/batch", "/predictions"]


def test_a_failure_is_a_sentence_that_names_the_address(server: Canned) -> None:
    server.answer(200, b"<h1>router</h1>")
    with pytest.raises(module.NotUnderstood, match=r"^What answers at this address is not this API"):
        Client(server.url).predict(b"x")
    with pytest.raises(module.Unreachable, match=r"^The API at http://127\.0\.0\.1:9 cannot be reached\.$"):
        Client("http://127.0.0.1:9", retries=0).predict(b"x")


@pytest.mark.parametrize(("options", "asked_again"), [({}, 3), ({"retries": 0}, 0), ({"retries": 1}, 1)])
def test_where_nobody_listens_the_client_asks_again(
    options: dict[str, int], asked_again: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []
    monkeypatch.setattr(module, "sleep", pauses.append)
    with pytest.raises(module.Unreachable):
        Client("http://127.0.0.1:9", **options).predict(b"x")
    fifths = [int(5 * pause) for pause in pauses]
    assert fifths == [1, 2, 4][:asked_again], "0.2, 0.4 and 0.8 s, each and up to 0.2 s more"


def test_feedback_is_given_with_consent_and_deleted_by_its_id(server: Canned) -> None:
    server.answer(201, {"id": "abc"})
    server.answer(204, b"")
    client = Client(server.url)
    assert client.send_feedback(b"x", "7", Prediction.from_json(PREDICTION)) == "abc"
    client.delete_feedback("a/c")
    given, deleted = server.requests
    assert (given.method, given.path) == ("POST", "/feedback")
    assert json.loads(given.body) == {"image": "eA==", "label": "7", "consent": True, "prediction": PREDICTION}
    assert (deleted.method, deleted.path) == ("DELETE", "/feedback/a%2Fc")


def test_whether_feedback_is_collected_is_asked_of_the_api(server: Canned) -> None:
    server.answer(200, b"")
    server.refuse(contract.NOT_FOUND)
    server.refuse(contract.METHOD_NOT_ALLOWED)
    server.refuse(contract.INTERNAL)
    client = Client(server.url)
    assert [client.collects_feedback() for _ in range(3)] == [True, False, False]
    with pytest.raises(module.ServerFailed):
        client.collects_feedback()
    assert {f"{each.method} {each.path}" for each in server.requests} == {"OPTIONS /feedback"}


def test_a_batch_is_sent_64_at_a_time_and_read_as_it_is_needed(server: Canned) -> None:
    results = [{"prediction": PREDICTION}] * 64
    server.answer(200, {"results": results, "request_id": "r", "timing_ms": {}})
    taken = []

    def pictures() -> Iterator[bytes]:
        for number in range(200):
            taken.append(number)
            yield b"x"

    answers = Client(server.url).predict_batch(pictures())
    next(answers)
    assert len(taken) <= 65
    assert len(json.loads(server.requests[0][3])["images"]) == 64


def test_what_is_too_large_for_a_batch_goes_alone_and_in_its_place(server: Canned) -> None:
    """3.5 MB are 4.7 MB in base64, over the limit of a request, but fit as they are."""
    for results in (2, 0, 1):
        several = {"results": [{"prediction": PREDICTION}] * results, "request_id": "r", "timing_ms": {}}
        server.answer(200, several if results > 1 else PREDICTION)
    pictures = [b"x", b"x", bytes(3_500_000), b"x"]
    assert [answer.label for answer in Client(server.url).predict_batch(pictures)] == ["7"] * 4  # type: ignore[union-attr]
    assert [path for _, path, *_ in server.requests] == ["/predictions/batch", "/predictions", "/predictions"]
    assert all(len(body) <= contract.MAX_BODY_BYTES for *_, body in server.requests)


@pytest.mark.parametrize("ask", [Client.predict_batch, Client.read_numbers])
def test_many_pictures_are_one_request_and_what_is_too_large_for_it_is_asked_alone(server: Canned, ask: Any) -> None:
    kind = "prediction" if ask is Client.predict_batch else "number"
    problem = {"type": "/problems/x", "title": "t", "detail": "d", "request_id": "r"}
    large, broken = problem | {"status": 413}, problem | {"status": 422}
    answer = PREDICTION if kind == "prediction" else NUMBER
    results = [{kind: answer}, {"problem": large}, {"problem": broken}]
    server.answer(200, {"results": results, "request_id": "r", "timing_ms": {}})
    server.answer(200, answer)
    first, second, third = ask(Client(server.url), [b"x", b"y", b"z"])
    assert first == second
    assert type(third) is module.BadPicture
    whole, alone = server.requests
    assert (whole.path, alone.path) == (f"/{kind}s/batch", f"/{kind}s")
    assert alone.body == b"y"


def test_a_batch_that_is_refused_as_a_whole_is_asked_one_by_one(server: Canned) -> None:
    server.refuse(contract.TOO_LARGE)
    server.answer(200, PREDICTION)
    server.refuse(contract.INTERNAL)
    server.answer(200, PREDICTION)
    answers = list(Client(server.url).predict_batch([b"x"] * 3))
    assert [type(answer).__name__ for answer in answers] == ["Prediction", "ServerFailed", "Prediction"]


def test_an_api_that_fails_for_every_picture_has_failed(server: Canned) -> None:
    server.refuse(contract.INTERNAL)
    with pytest.raises(module.ServerFailed):
        list(Client(server.url).predict_batch([b"x"] * 3))


def test_what_cannot_be_sent_is_an_error_in_its_place(server: Canned, tmp_path: Path) -> None:
    server.answer(200, {"results": [{"prediction": PREDICTION}] * 2, "request_id": "r", "timing_ms": {}})
    (tmp_path / "dangling.png").symlink_to("nowhere.png")
    os.mkfifo(tmp_path / "pipe.png")
    pictures = [
        b"x",
        tmp_path / "dangling.png",
        tmp_path / "pipe.png",
        tmp_path,
        b"8BPS layers",
        bytes(5_000_000),
        b"x",
    ]
    first, *errors, last = Client(server.url).predict_batch(pictures)
    assert (first, last) == (Prediction.from_json(PREDICTION),) * 2
    assert [type(error).__name__ for error in errors] == ["BadPicture"] * 4 + ["TooLarge"]
    assert all(str(error).endswith(".") for error in errors)


def test_a_batch_with_too_few_answers_is_not_understood(server: Canned) -> None:
    server.answer(200, {"results": [], "request_id": "r", "timing_ms": {}})
    with pytest.raises(module.NotUnderstood):
        list(Client(server.url).predict_batch([b"x"] * 2))


def test_importing_the_client_loads_no_flask_boto3_or_numpy() -> None:
    code = "import sys, ui.client; print(*sorted({'flask', 'boto3', 'numpy', 'PIL', 'streamlit'} & sys.modules.keys()))"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).split() == []


def test_each_of_a_clients_users_is_named_to_the_api_and_the_client_itself_names_nobody(server: Canned) -> None:
    server.answer(200, PREDICTION)
    client = Client(server.url, "key")
    for each in (client.for_caller("anna"), client.for_caller("bert"), client):
        each.predict(b"\x89PNG\r\n\x1a\n")
    assert [request.headers.get("X-Caller-Id") for request in server.requests] == ["anna", "bert", None]
    assert {request.headers["Content-Type"] for request in server.requests} == {"image/png"}
