"""API Gateway answers before the function is asked: the client gives each the same meaning as the API's own problem."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from backend.deploy import errors
from tests.stand_in import StandIn
from ui import client as module
from ui.client import ApiError, Client

if TYPE_CHECKING:
    from tests.stand_in import Handler

MEANS = {
    "INVALID_API_KEY": module.KeyRejected,
    "MISSING_AUTHENTICATION_TOKEN": module.SwitchedOff,
    "ACCESS_DENIED": module.KeyRejected,
    "REQUEST_TOO_LARGE": module.TooLarge,
    "THROTTLED": module.RateLimited,
    "QUOTA_EXCEEDED": module.RateLimited,
    "INTEGRATION_TIMEOUT": module.ModelFailed,
    "INTEGRATION_FAILURE": module.ModelFailed,
    "DEFAULT_5XX": module.ServerFailed,
    "DEFAULT_4XX": module.BadPicture,
}
ITS_OWN_WORDS = {403: module.KeyRejected, 413: module.TooLarge, 429: module.RateLimited, 504: module.ModelFailed}


def played(kind: str) -> StandIn:
    """API Gateway with the response that a deploy writes for this kind of refusal."""
    problem, detail = errors.ANSWERS[kind]
    answer = errors.answer(kind, problem, detail, cors=False)
    prefix = "gatewayresponse.header."
    headers = {name.removeprefix(prefix): text.strip("'") for name, text in answer["responseParameters"].items()}
    body = answer["responseTemplates"]["application/json"].replace("$context.requestId", "abc-123").encode()

    def behave(handler: Handler, _: bytes) -> None:
        handler.send(
            int(answer["statusCode"]), body, **{name.replace("-", "_"): text for name, text in headers.items()}
        )

    return StandIn(behave)


def test_every_kind_has_its_meaning() -> None:
    assert MEANS.keys() == errors.ANSWERS.keys()


@pytest.mark.parametrize("kind", MEANS)
def test_what_api_gateway_refuses_is_what_the_api_would_have_said(kind: str, seven: bytes) -> None:
    problem, detail = errors.ANSWERS[kind]
    with played(kind) as server, pytest.raises(ApiError) as raised:
        Client(server.url, "key", retries=0).predict(seven)
    assert type(raised.value) is MEANS[kind]
    assert str(raised.value) == detail
    said = raised.value.problem
    assert said is not None
    assert (said.type, said.status, said.request_id) == (f"/problems/{problem.slug}", problem.status, "abc-123")
    waits = errors.RETRY_AFTER.get(kind)
    assert raised.value.retry_after == (float(waits.strip("'")) if waits else None)


@pytest.mark.parametrize("status", ITS_OWN_WORDS)
def test_api_gateways_own_words_mean_the_same(status: int, seven: bytes) -> None:
    """As it answers where no deploy of ours has written its responses."""
    refused = StandIn(lambda handler, _: handler.send(status, {"message": "Forbidden"}))
    with refused as server, pytest.raises(ITS_OWN_WORDS[status], match=f"The API answered {status}"):
        Client(server.url, "key", retries=0).predict(seven)
