"""What is written about each request, and what never is."""

from __future__ import annotations

import base64
import json
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import pytest

from backend.app import create_app

if TYPE_CHECKING:
    from collections.abc import Callable

    from flask import Flask

    from backend.predictors import EmbeddedPredictor

PNG = {"content_type": "image/png"}


@pytest.fixture
def lines(capsys: pytest.CaptureFixture[str]) -> Callable[[], list[dict[str, Any]]]:
    return lambda: [json.loads(line) for line in capsys.readouterr().out.splitlines()]


@pytest.fixture
def logged(embedded: EmbeddedPredictor) -> Flask:
    return create_app({"log": "1"}, embedded)


def test_nothing_is_written_unless_asked(app: Flask, seven: bytes, capsys: pytest.CaptureFixture[str]) -> None:
    app.test_client().post("/predictions", data=seven, **PNG)
    assert capsys.readouterr() == ("", "")


def test_an_answer_is_one_line(logged: Flask, seven: bytes, lines: Callable[[], list[dict[str, Any]]]) -> None:
    response = logged.test_client().post("/predictions", data=seven, headers={"X-Request-Id": "a1"}, **PNG)
    [line] = lines()
    assert line["request_id"] == "a1"
    assert (line["method"], line["route"], line["status"]) == ("POST", "/predictions", 200)
    assert (line["label"], line["confidence"]) == ("7", response.json["confidence"])
    assert line["served_by"] == "embedded"
    assert line["model"].startswith("digits ")
    assert (line["bytes_in"], line["bytes_out"]) == (len(seven), len(response.data))
    assert line["ms"] >= line["timing_ms"]["total"] > 0
    assert 0 < line["ink"] < 0.5


def test_a_problem_is_one_line(logged: Flask, lines: Callable[[], list[dict[str, Any]]]) -> None:
    logged.test_client().post("/predictions", data=b"nothing", **PNG)
    logged.test_client().get("/no/such/place?key=secret")
    first, second = lines()
    assert (first["status"], first["problem"]) == (415, "unsupported-media-type")
    assert (second["status"], second["route"]) == (404, None)
    assert "secret" not in json.dumps(second)


def test_neither_picture_nor_key_is_written(
    embedded: EmbeddedPredictor, seven: bytes, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    key = "an-api-key-that-is-secret"
    app = create_app({"log": "1", "metrics": "Test", "api_keys": sha256(key.encode()).hexdigest()}, embedded)
    picture = base64.b64encode(seven).decode()
    app.test_client().post("/predictions", json={"image": picture}, headers={"X-Api-Key": key})
    app.test_client().post("/predictions", json={"image": picture[:-7] + "#"}, headers={"X-Api-Key": key})
    written = "".join(capfd.readouterr()) + caplog.text
    assert '"status":200' in written
    assert '"status":400' in written
    assert key not in written
    assert not any(picture[i : i + 12] in written for i in range(len(picture) - 12))


def test_a_bug_is_500_and_the_log_names_the_place_alone(seven: bytes, caplog: pytest.LogCaptureFixture) -> None:
    class Broken:
        def predict(self, x: object, request_id: str = "") -> None:
            raise LookupError(f"secret {x}")

    response = create_app({}, Broken()).test_client().post("/predictions", data=seven, **PNG)
    assert (response.status_code, response.json["type"]) == (500, "/problems/internal-error")
    [record] = caplog.records
    assert record.getMessage().startswith("LookupError at test_telemetry.py:")
    assert "secret" not in response.text + caplog.text
    assert "Traceback" not in caplog.text


def metric(line: dict[str, Any], name: str) -> list[float]:
    """The values of a metric that the line declares in CloudWatch's embedded format."""
    [directive] = line["_aws"]["CloudWatchMetrics"]
    assert name in [each["Name"] for each in directive["Metrics"]]
    assert all(dimension in line for dimension in directive["Dimensions"][0])
    return list(line[name])


def test_metrics_count_requests_labels_latency_and_ink(
    embedded: EmbeddedPredictor, seven: bytes, lines: Callable[[], list[dict[str, Any]]]
) -> None:
    app = create_app({"metrics": "Digits"}, embedded)
    app.test_client().post("/predictions", data=seven, **PNG)
    request, label = lines()
    assert request["_aws"]["CloudWatchMetrics"][0]["Namespace"] == "Digits"
    assert metric(request, "Requests") == [1]
    assert metric(request, "Errors") == [0]
    assert metric(request, "Rejections") == [0]
    assert metric(request, "Total")[0] > metric(request, "Inference")[0] > 0
    assert metric(request, "Preprocess")[0] > 0
    assert 0 < metric(request, "Ink")[0] < 0.5
    assert (metric(label, "Predictions"), label["label"]) == ([1], "7")


def test_metrics_count_a_batch_by_label_and_problems_by_type(
    embedded: EmbeddedPredictor, seven: bytes, lines: Callable[[], list[dict[str, Any]]]
) -> None:
    client = create_app({"metrics": "Digits"}, embedded).test_client()
    text = base64.b64encode(seven).decode()
    client.post("/predictions/batch", json={"images": [text, text, "!"]})
    client.post("/predictions", data=b"nothing", **PNG)
    batch, label, refused, problem = lines()
    assert metric(batch, "Requests") == metric(refused, "Requests") == [1]
    assert (metric(label, "Predictions"), label["label"]) == ([2], "7")
    assert (metric(problem, "Problems"), problem["problem"]) == ([1], "unsupported-media-type")
