"""A stage with a candidate beside its endpoint, through real boto3: whom each is asked for, and how often."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from backend.app import create_app
from backend.canary import is_chosen
from tests.contract.misbehaving import refuse, well

if TYPE_CHECKING:
    from flask.testing import FlaskClient

    from tests.contract.misbehaving import Runtime
    from tests.stand_in import Handler

CALLERS = [f"{n}" for n in range(40)]


def stage(**more: str) -> FlaskClient:
    return create_app({"sagemaker_endpoint_name": "stable", "canary": "candidate"} | more).test_client()


def read(api: FlaskClient, picture: bytes, caller: str = "a") -> str:
    """Who served it."""
    answer = api.post("/predictions", data=picture, content_type="image/png", headers={"X-Caller-Id": caller})
    assert answer.status_code == 200, answer.data
    return str(answer.json["model"]["served_by"])


def asked(runtime: Runtime) -> Counter[str]:
    """Endpoint -> how many requests came for it."""
    return Counter(request.path.split("/")[2] for request in runtime.requests)


def fail_for(runtime: Runtime, *endpoints: str) -> None:
    def behave(handler: Handler, body: bytes) -> None:
        failing = handler.path.split("/")[2] in endpoints
        (refuse(503, "ServiceUnavailable") if failing else well)(handler, body)

    runtime.behave = behave


@pytest.mark.parametrize("share", [10, 50])
def test_its_share_of_the_callers_is_answered_by_the_candidates_endpoint(
    runtime: Runtime, seven: bytes, share: int
) -> None:
    api = stage(canary_share=str(share))
    for caller in CALLERS:
        read(api, seven, caller)
    chosen = sum(is_chosen(f" {caller}", share / 100) for caller in CALLERS)
    assert asked(runtime) == {"candidate": chosen, "stable": len(CALLERS) - chosen}


def test_a_shadow_asks_both_endpoints_for_each_picture(runtime: Runtime, seven: bytes) -> None:
    api = stage(canary_shadow="1")
    assert {read(api, seven, caller) for caller in CALLERS[:4]} == {"sagemaker"}
    assert asked(runtime) == {"candidate": 4, "stable": 4}


def test_a_candidate_that_fails_is_asked_once_so_that_the_stable_endpoint_still_has_its_time(
    runtime: Runtime, seven: bytes
) -> None:
    fail_for(runtime, "candidate")
    assert read(stage(canary_share="100"), seven) == "sagemaker"
    assert asked(runtime) == {"candidate": 1, "stable": 1}


def test_where_both_endpoints_fail_the_embedded_model_answers(runtime: Runtime, seven: bytes) -> None:
    fail_for(runtime, "candidate", "stable")
    assert read(stage(canary_share="100", fallback="embedded"), seven) == "fallback"


@pytest.mark.parametrize("share", ["0", "100"])
def test_plain_rows_of_either_endpoint_are_read_by_the_labels_of_the_settings(
    runtime: Runtime, seven: bytes, share: str
) -> None:
    rows = json.dumps({"predictions": [[0.1, 0.9]]}).encode()
    runtime.behave = lambda handler, _: handler.send(200, rows)
    api = stage(canary_share=share, labels="no,yes")
    answer = api.post("/predictions", data=seven, content_type="image/png")
    assert (answer.json["label"], answer.json["probabilities"]) == ("yes", {"no": 0.1, "yes": 0.9})
