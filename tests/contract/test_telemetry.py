"""What is written about each request, and what never is."""

from __future__ import annotations

import base64
import json
import time
from datetime import UTC, datetime
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import pytest

from backend.app import create_app
from backend.deploy.cost import METRICS
from tests.conftest import scribble

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from flask import Flask

    from backend.predictors import EmbeddedPredictor
    from tests.conftest import Drawing

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
    started, clock = datetime.now(UTC), time.perf_counter()
    response = logged.test_client().post("/predictions", data=seven, headers={"X-Request-Id": "a1"}, **PNG)
    took = 1000 * (time.perf_counter() - clock)
    [line] = lines()
    assert 0 <= (datetime.fromisoformat(line["time"]) - started).total_seconds() + 0.001 < 60  # to the millisecond
    assert line["request_id"] == "a1"
    assert (line["method"], line["route"], line["status"]) == ("POST", "/predictions", 200)
    assert (line["label"], line["confidence"]) == ("7", response.json["confidence"])
    assert line["served_by"] == "embedded"
    assert line["model"].startswith("digits ")
    assert (line["bytes_in"], line["bytes_out"]) == (len(seven), len(response.data))
    assert took >= line["ms"] >= line["timing_ms"]["total"] > 0
    assert 0 < line["ink"] < 0.5
    assert line["mean_confidence"] == round(line["confidence"], 4)


def test_a_batch_is_one_line_with_its_labels_counted(
    logged: Flask, drawing: Drawing, lines: Callable[[], list[dict[str, Any]]]
) -> None:
    pictures = (drawing("7"), drawing("1"), drawing("7"), scribble())
    images = [base64.b64encode(picture).decode() for picture in pictures]
    answers = logged.test_client().post("/predictions/batch", json={"images": images}).json["results"]
    singly = [logged.test_client().post("/predictions", data=picture, **PNG) for picture in pictures]
    batch, *single = lines()
    assert len(singly) == len(single)
    assert batch["labels"] == {"7": 2, "1": 1, "rejected": 1}
    assert batch["rejections"] == 1
    assert batch["mean_confidence"] == round(sum(each["prediction"]["confidence"] for each in answers) / 4, 4)
    assert batch["ink"] == pytest.approx(sum(line["ink"] for line in single) / 4, abs=1e-4)


def test_a_request_without_a_body_took_no_bytes(logged: Flask, lines: Callable[[], list[dict[str, Any]]]) -> None:
    logged.test_client().get("/health")
    assert [line["bytes_in"] for line in lines()] == [0]


def test_the_ink_is_the_pictures_own_and_not_of_its_covered_copies(
    logged: Flask, seven: bytes, lines: Callable[[], list[dict[str, Any]]]
) -> None:
    for query in ("", "?include=explanation"):
        logged.test_client().post(f"/predictions{query}", data=seven, **PNG)
    plain, explained = lines()
    assert explained["ink"] == plain["ink"]


def test_a_key_is_named_by_the_first_eight_digits_of_its_hash(
    embedded: EmbeddedPredictor, lines: Callable[[], list[dict[str, Any]]]
) -> None:
    digest = sha256(b"secret").hexdigest()
    app = create_app({"log": "1", "api_keys": digest}, embedded)
    app.test_client().post("/predictions", headers={"X-Api-Key": "secret"}, **PNG)
    app.test_client().post("/predictions", headers={"X-Api-Key": "wrong"}, **PNG)
    right, wrong = lines()
    assert right["key"] == digest[:8]
    assert "key" not in wrong


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


def test_a_bug_is_500_and_the_log_names_the_place_alone(
    seven: bytes, caplog: pytest.LogCaptureFixture, lines: Callable[[], list[dict[str, Any]]]
) -> None:
    class Broken:
        def predict(self, x: object, request_id: str = "") -> None:
            raise LookupError(f"secret {x}")

    response = create_app({"log": "1"}, Broken()).test_client().post("/predictions", data=seven, **PNG)
    assert (response.status_code, response.json["type"]) == (500, "/problems/internal-error")
    [request] = lines()
    assert request["status"] == 500
    [record] = caplog.records
    assert record.getMessage().startswith("LookupError at test_telemetry.py:")
    assert "secret" not in response.text + caplog.text
    assert "Traceback" not in caplog.text


UNITS = {"Inference": "Milliseconds", "Ink": "None", "Confidence": "None"}


def metric(line: dict[str, Any], name: str) -> list[float]:
    """The values of a metric that the line declares, with its unit, in CloudWatch's embedded format."""
    [directive] = line["_aws"]["CloudWatchMetrics"]
    assert {"Name": name, "Unit": UNITS.get(name, "Count")} in directive["Metrics"]
    assert all(dimension in line for dimension in directive["Dimensions"][0])
    return list(line[name])


def test_metrics_count_answers_rejections_time_and_ink(
    embedded: EmbeddedPredictor, seven: bytes, lines: Callable[[], list[dict[str, Any]]]
) -> None:
    client = create_app({"metrics": "Digits", "stage": "dev"}, embedded).test_client()
    client.post("/predictions", data=seven, **PNG)
    texts = [base64.b64encode(picture).decode() for picture in (seven, seven, scribble())]
    client.post("/predictions/batch", json={"images": [*texts, "!"]})
    one, batch = lines()
    assert (one["_aws"]["CloudWatchMetrics"][0]["Namespace"], one["stage"]) == ("Digits", "dev")
    assert (metric(one, "Predictions"), metric(one, "Rejections")) == ([1], [0])
    assert metric(one, "Inference")[0] > 0
    assert 0 < metric(one, "Ink")[0] < 0.5
    assert 0.9 < metric(one, "Confidence")[0] <= 1
    assert (metric(batch, "Predictions"), metric(batch, "Rejections")) == ([3], [1])


def test_a_correction_counts_and_a_confirmation_does_not(
    embedded: EmbeddedPredictor, seven: bytes, tmp_path: Path, lines: Callable[[], list[dict[str, Any]]]
) -> None:
    client = create_app({"metrics": "Digits", "log": "1", "feedback": str(tmp_path)}, embedded).test_client()
    for label in "71":
        client.post("/feedback", json=correction(seven, label))
    confirmed, corrected = lines()
    assert (confirmed["judged"]["right"], corrected["judged"]["right"]) == (True, False)
    assert "_aws" not in confirmed
    assert metric(corrected, "Corrections") == [1]


def correction(picture: bytes, label: str) -> dict[str, Any]:
    """Feedback on the answer 7."""
    said = {"label": "7", "confidence": 0.9, "model": {"name": "m", "version": "1", "served_by": "embedded"}}
    return {"image": base64.b64encode(picture).decode(), "label": label, "consent": True, "prediction": said}


def test_as_many_metrics_bill_as_the_cost_counts(
    embedded: EmbeddedPredictor, drawing: Drawing, tmp_path: Path, lines: Callable[[], list[dict[str, Any]]]
) -> None:
    """Ten digits, a rejection, a problem and a correction: each name with each set of dimensions bills by the month."""
    client = create_app({"metrics": "Digits", "stage": "dev", "feedback": str(tmp_path)}, embedded).test_client()
    client.post("/feedback", json=correction(drawing("7"), "1"))
    for picture in (*(drawing(digit) for digit in "0123456789"), scribble(), b"nothing"):
        client.post("/predictions", data=picture, **PNG)
    billed = set()
    for line in lines():
        [directive] = line["_aws"]["CloudWatchMetrics"]
        dimensions = tuple((name, line[name]) for name in directive["Dimensions"][0])
        billed |= {(entry["Name"], dimensions) for entry in directive["Metrics"]}
    assert len(billed) == METRICS
