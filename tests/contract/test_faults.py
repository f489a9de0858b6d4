"""Each way in which the endpoint can fail, through real boto3, and the problem that it becomes."""

from __future__ import annotations

import json
import socket
import threading
import time
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import requests

from backend import predictors
from backend.app import create_app
from backend.contract import SIDE
from backend.preprocessing import normalise
from tests.contract.misbehaving import DRIPS, FLOODS, answer, cut, hang_up, predictions, refuse, say, wait, well
from tests.contract.process import Process

if TYPE_CHECKING:
    from flask import Flask
    from werkzeug.test import TestResponse

    from tests.contract.misbehaving import Runtime
    from tests.stand_in import Behaviour, Handler

PNG = {"content_type": "image/png"}

FAULTS = {
    "cold": (refuse(429, "ModelNotReadyException"), 503, "model-starting"),
    "throttled": (refuse(400, "ThrottlingException"), 503, "model-unavailable"),
    "no rights": (refuse(403, "AccessDeniedException"), 503, "model-unavailable"),
    "missing": (refuse(400, "ValidationError", "Endpoint digits of account 1 not found."), 503, "model-unavailable"),
    "unavailable": (refuse(503, "ServiceUnavailable"), 503, "model-unavailable"),
    "failing": (refuse(500, "InternalFailure"), 503, "model-unavailable"),
    "model error": (refuse(424, "ModelError"), 502, "bad-model-answer"),
    "not JSON": (say(b"<html>"), 502, "bad-model-answer"),
    "not UTF-8": (say(b"\xff\xfe"), 502, "bad-model-answer"),
    "deep JSON": (say(b"[" * 100_000), 502, "bad-model-answer"),
    "no predictions": (say(b'{"predictions": []}'), 502, "bad-model-answer"),
    "plain rows": (say(b'{"predictions": [[0.1, 0.9]]}'), 502, "bad-model-answer"),
    "an error in it": (say(b'{"error": "whatever"}'), 502, "bad-model-answer"),
    "an error that is a list": (answer(500, b"[1]"), 503, "model-unavailable"),
    "an error that is a word": (answer(500, b'"no"'), 503, "model-unavailable"),
    "a deep error": (answer(500, b"[" * 100_000), 503, "model-unavailable"),
    "an error that is no text": (answer(400, b"\xff\xfe"), 503, "model-unavailable"),
    "cut": (cut, 503, "model-unavailable"),
    "hung up": (hang_up, 503, "model-unavailable"),
}


@pytest.mark.parametrize(("behave", "status", "slug"), FAULTS.values(), ids=FAULTS)
def test_each_fault_is_its_problem(
    relay: Flask, runtime: Runtime, seven: bytes, behave: Behaviour, status: int, slug: str
) -> None:
    """And the next request, once the endpoint is well again, is answered."""
    runtime.behave = behave
    client = relay.test_client()
    response = client.post("/predictions", data=seven, **PNG)
    assert (response.status_code, response.json["type"]) == (status, f"/problems/{slug}")
    assert response.content_type == "application/problem+json"
    assert "digits" not in response.text, "the endpoint's own words stay inside"
    assert ("Retry-After" in response.headers) == (status == 503)
    runtime.behave = well
    assert client.post("/predictions", data=seven, **PNG).status_code == 200


@pytest.mark.parametrize(
    "change",
    [
        {"probabilities": [0.1] * 9},
        {"probabilities": [float("nan")] * 10},
        {"probabilities": "0.1"},
        {"score": None},
        {"score": [1.0, 1.0]},
        {"labels": None},
        {"threshold": "high"},
        {"name": 3},
    ],
    ids=str,
)
def test_an_answer_of_the_wrong_shape_is_502(
    relay: Flask, runtime: Runtime, seven: bytes, change: dict[str, object]
) -> None:
    rows = [row | change for row in predictions(normalise(seven)[None])]
    runtime.behave = say(json.dumps({"predictions": rows}).encode())
    assert relay.test_client().post("/predictions", data=seven, **PNG).status_code == 502


PLAIN = {"sagemaker_endpoint_name": "digits", "labels": "0,1,2,3,4,5,6,7,8,9"}


def plain(x: np.ndarray) -> list[list[float]]:
    return [row["probabilities"] for row in predictions(x)]


def test_plain_rows_of_probabilities_are_read_where_labels_are_set(runtime: Runtime, seven: bytes) -> None:
    """As any Keras softmax answers."""
    runtime.behave = say(json.dumps({"predictions": plain(normalise(seven)[None])}).encode())
    body = create_app(PLAIN).test_client().post("/predictions", data=seven, **PNG).json
    assert body["probabilities"] == pytest.approx(
        dict(zip("0123456789", plain(normalise(seven)[None])[0], strict=True)), abs=1e-5
    )
    assert body["label"] == max(body["probabilities"], key=body["probabilities"].get)
    assert body["rejection"] is None
    assert body["model"] == {"name": "digits", "version": "unversioned", "served_by": "sagemaker"}


def test_an_endpoint_that_describes_itself_needs_no_labels_and_keeps_its_own(runtime: Runtime, seven: bytes) -> None:
    client = create_app(PLAIN | {"labels": "a,b,c,d,e,f,g,h,i,j"}).test_client()
    assert set(client.post("/predictions", data=seven, **PNG).json["probabilities"]) == set("0123456789")


@pytest.mark.parametrize(
    "rows",
    [
        [],
        [[]],
        [[0.1] * 9],
        [[0.5, 0.5]],
        [[7.0] + [0.0] * 9],
        [[-1.0, 2.0] + [0.0] * 8],
        [[0.1] * 10] * 2,
        [0.1] * 10,
        [[[0.1] * 10]],
    ],
    ids=str,
)
def test_plain_rows_that_are_no_probabilities_of_the_labels_are_502(
    runtime: Runtime, seven: bytes, rows: list[object]
) -> None:
    runtime.behave = say(json.dumps({"predictions": rows}).encode())
    assert create_app(PLAIN).test_client().post("/predictions", data=seven, **PNG).status_code == 502


def test_too_few_answers_for_a_batch_are_502(relay: Flask, runtime: Runtime, seven: bytes) -> None:
    runtime.behave = say(json.dumps({"predictions": predictions(normalise(seven)[None])}).encode())
    assert post_batch(relay, [seven, seven]).status_code == 502


def post_batch(app: Flask, pictures: list[bytes]) -> TestResponse:
    data = {"image": [(BytesIO(picture), "drawing.png") for picture in pictures]}
    return app.test_client().post("/predictions/batch", data=data)


def test_a_slow_endpoint_is_504(runtime: Runtime, seven: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """At 0.2 s for each of two reads; the real limit of 5 s is checked below."""
    monkeypatch.setattr(predictors, "READ_TIMEOUT", 0.2)
    runtime.behave = wait(20)
    client = create_app({"sagemaker_endpoint_name": "digits"}).test_client()
    started = time.monotonic()
    response = client.post("/predictions", data=seven, **PNG)
    assert (response.status_code, response.json["type"]) == (504, "/problems/model-timeout")
    assert time.monotonic() - started < 10
    assert len(runtime.requests) == 2, "two attempts"


@pytest.mark.slow
def test_a_hanging_endpoint_is_504_within_the_real_budget(relay: Flask, runtime: Runtime, seven: bytes) -> None:
    runtime.behave = wait(30)
    started = time.monotonic()
    assert relay.test_client().post("/predictions", data=seven, **PNG).status_code == 504
    assert 9 < time.monotonic() - started < 25


@pytest.mark.parametrize("behave", DRIPS.values(), ids=DRIPS)
def test_a_dripping_endpoint_is_504(
    runtime: Runtime, seven: bytes, monkeypatch: pytest.MonkeyPatch, behave: Behaviour
) -> None:
    """No read ever times out, so the whole answer has a limit of its own; the next one is answered."""
    monkeypatch.setattr(predictors, "READ_TIMEOUT", 0.3)
    client = create_app({"sagemaker_endpoint_name": "digits"}).test_client()
    runtime.behave = behave
    started = time.monotonic()
    assert client.post("/predictions", data=seven, **PNG).status_code == 504
    assert time.monotonic() - started < 4
    runtime.behave = well
    assert client.post("/predictions", data=seven, **PNG).status_code == 200


@pytest.mark.parametrize("behave", FLOODS.values(), ids=FLOODS)
def test_an_endless_answer_is_not_kept_in_memory(
    relay: Flask, runtime: Runtime, seven: bytes, behave: Behaviour
) -> None:
    runtime.behave = behave
    client = relay.test_client()
    tracemalloc.start()
    response = client.post("/predictions", data=seven, **PNG)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert response.status_code in (502, 503), response.text
    assert peak < 50e6
    runtime.behave = well
    assert client.post("/predictions", data=seven, **PNG).status_code == 200


def test_no_connection_stays_open_to_a_dripping_endpoint(
    runtime: Runtime, seven: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(predictors, "READ_TIMEOUT", 0.3)
    client = create_app({"sagemaker_endpoint_name": "digits"}).test_client()
    runtime.behave = DRIPS["body"]
    client.post("/predictions", data=seven, **PNG)
    port = f":{runtime.server_port:04X} 01"  # to it, established
    for _ in range(100):
        if port not in Path("/proc/net/tcp").read_text(encoding="ascii"):
            break
        time.sleep(0.05)
    else:
        pytest.fail("still connected after 5 s")


@pytest.mark.slow
def test_a_dripping_endpoint_holds_neither_health_nor_the_end(aws: None, runtime: Runtime, seven: bytes) -> None:
    """Forty requests wait for it, more than it may hold; /health answers, and SIGTERM ends the process in seconds."""
    runtime.behave = DRIPS["body"]
    api = Process(SAGEMAKER_ENDPOINT_NAME="digits")
    with ThreadPoolExecutor(40) as clients:
        asked = [clients.submit(ask, api.url, seven) for _ in range(40)]
        time.sleep(1)
        started = time.monotonic()
        assert requests.get(f"{api.url}/health", timeout=5).status_code == 200
        assert time.monotonic() - started < 1
        assert sorted({each.result() for each in asked}) == [503, 504]
        runtime.behave = well
        assert ask(api.url, seven) == 200
        runtime.behave = DRIPS["body"]
        clients.submit(ask, api.url, seven)
        time.sleep(0.5)
        started = time.monotonic()
        api.stop()
        assert time.monotonic() - started < 8


def ask(url: str, picture: bytes) -> int:
    """The status; 0 where the API hangs up."""
    try:
        return requests.post(
            f"{url}/predictions", data=picture, headers={"Content-Type": "image/png"}, timeout=60
        ).status_code
    except requests.ConnectionError:
        return 0


def test_an_address_where_nobody_listens_is_503(aws: None, seven: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        monkeypatch.setenv("AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME", f"http://127.0.0.1:{free.getsockname()[1]}")
        client = create_app({"sagemaker_endpoint_name": "digits"}).test_client()
        assert client.post("/predictions", data=seven, **PNG).status_code == 503


def test_an_endpoint_that_takes_no_more_connections_is_504(
    aws: None, seven: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its queue holds one connection and is full: the kernel leaves the next one without an answer."""
    monkeypatch.setattr(predictors, "CONNECT_TIMEOUT", 0.2)
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full, socket.create_connection(full.getsockname()):
        monkeypatch.setenv("AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME", f"http://127.0.0.1:{full.getsockname()[1]}")
        client = create_app({"sagemaker_endpoint_name": "digits"}).test_client()
        assert client.post("/predictions", data=seven, **PNG).status_code == 504


def test_no_credentials_is_503(runtime: Runtime, seven: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nowhere")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nowhere")
    client = create_app({"sagemaker_endpoint_name": "digits"}).test_client()
    assert client.post("/predictions", data=seven, **PNG).status_code == 503


def test_all_waiting_together_stays_below_25_seconds(aws: None) -> None:
    config = predictors.sagemaker_runtime().meta.config
    longest_pause = 1  # s: botocore's standard mode waits up to 2**0 before the second attempt
    attempts = config.retries["total_max_attempts"]
    assert attempts * (config.connect_timeout + config.read_timeout) + longest_pause < 25


def test_the_endpoint_gets_instances_of_28_rows_of_28(relay: Flask, runtime: Runtime, seven: bytes) -> None:
    relay.test_client().post("/predictions", data=seven, headers={"X-Request-Id": "abc-1"}, **PNG)
    [(_, path, headers, body)] = runtime.requests
    assert path == "/endpoints/digits/invocations"
    assert headers["Content-Type"] == "application/json"
    assert headers["X-Amzn-SageMaker-Inference-Id"] == "abc-1"
    assert headers["X-Amzn-SageMaker-Custom-Attributes"] == "request-id=abc-1"
    instances = np.array(json.loads(body)["instances"])
    assert instances.shape == (1, SIDE, SIDE)
    assert (instances[0] == normalise(seven)).all()


def test_a_batch_is_one_call_of_the_endpoint(relay: Flask, runtime: Runtime, seven: bytes) -> None:
    response = post_batch(relay, 64 * [seven])
    assert response.status_code == 200
    assert len(response.json["results"]) == 64
    assert len(runtime.requests) == 1


def test_more_calls_than_may_wait_at_once_are_503_at_once(
    runtime: Runtime, seven: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(predictors, "CONNECTIONS", 1)
    client = create_app({"sagemaker_endpoint_name": "digits"}).test_client
    came, go_on = threading.Event(), threading.Event()

    def behave(handler: Handler, body: bytes) -> None:
        came.set()
        go_on.wait(4)
        well(handler, body)

    runtime.behave = behave
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(client().post, "/predictions", data=seven, **PNG)
        came.wait(4)
        assert client().post("/predictions", data=seven, **PNG).status_code == 503
        go_on.set()
        assert first.result().status_code == 200
    assert client().post("/predictions", data=seven, **PNG).status_code == 200, "the place is free again"


def test_connections_to_the_endpoint_are_used_again(relay: Flask, runtime: Runtime, seven: bytes) -> None:
    """Eight calls at once, twice: with TLS a new connection would cost each call two more round trips."""
    together, connections = threading.Barrier(8, timeout=4), set()

    def behave(handler: Handler, body: bytes) -> None:
        connections.add(handler.client_address)
        together.wait()
        well(handler, body)

    runtime.behave = behave
    with ThreadPoolExecutor(8) as pool:
        for _ in range(2):
            answers = [pool.submit(relay.test_client().post, "/predictions", data=seven, **PNG) for _ in range(8)]
            assert {each.result().status_code for each in answers} == {200}
    assert len(connections) == 8


def test_fallback_answers_while_the_endpoint_fails_and_lets_go_when_it_is_back(
    runtime: Runtime, seven: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three failures open the circuit: then the endpoint is not asked, until a pause is over."""
    monkeypatch.setattr("backend.fallback.PAUSE", 2)
    app = create_app({"sagemaker_endpoint_name": "digits", "fallback": "embedded"})
    client = app.test_client()

    def served_by() -> str:
        return client.post("/predictions", data=seven, **PNG).json["model"]["served_by"]

    assert served_by() == "sagemaker"
    runtime.behave = refuse(400, "ValidationError")
    asked = len(runtime.requests)
    assert [served_by() for _ in range(10)] == ["fallback"] * 10
    assert len(runtime.requests) == asked + 3
    runtime.behave = well
    assert served_by() == "fallback"
    time.sleep(2.1)
    assert served_by() == "sagemaker"
