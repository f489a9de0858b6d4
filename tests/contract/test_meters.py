"""What a monitor reads: Prometheus' page, and OpenTelemetry's spans sent to a collector."""

from __future__ import annotations

import base64
import re
import sys
import time
from typing import TYPE_CHECKING

import pytest
import requests
from prometheus_client.parser import text_string_to_metric_families

from backend.app import create_app
from backend.meters import SECONDS
from backend.settings import SettingsError
from tests.contract.process import Process
from tests.stand_in import StandIn

if TYPE_CHECKING:
    from pathlib import Path

    from flask import Flask

    from backend.predictors import EmbeddedPredictor

PNG = {"content_type": "image/png"}


@pytest.fixture
def counted(embedded: EmbeddedPredictor) -> Flask:
    return create_app({"prometheus": "1"}, embedded)


def read(app: Flask) -> dict[tuple[str, ...], float]:
    """The page, by Prometheus' own parser: (name, labels' values...) -> value."""
    page = app.test_client().get("/metrics")
    assert page.content_type.startswith("text/plain")
    families = text_string_to_metric_families(page.text)
    return {
        (sample.name, *sorted(sample.labels.values())): sample.value for family in families for sample in family.samples
    }


def test_requests_labels_problems_times_and_ink_are_counted(counted: Flask, seven: bytes) -> None:
    client = counted.test_client()
    text = base64.b64encode(seven).decode()
    client.post("/predictions", data=seven, **PNG)
    client.post("/predictions/batch", json={"images": [text, text, "!"]})
    client.post("/predictions", data=b"nothing", **PNG)
    client.get("/no/such/place")
    counts = read(counted)
    assert counts["api_requests_total", "/predictions", "200", "POST"] == 1
    assert counts["api_requests_total", "/predictions", "415", "POST"] == 1
    assert counts["api_requests_total", "404", "GET", "none"] == 1
    assert counts["api_predictions_total", "7"] == 3
    assert counts["api_problems_total", "unsupported-media-type"] == 1
    assert counts["api_seconds_count", "total"] == 4
    assert counts["api_seconds_count", "inference"] == 2
    assert 0 < counts["api_seconds_sum", "inference"] < counts["api_seconds_sum", "total"]
    assert counts["api_ink_count",] == 2


def test_confidence_and_corrections_are_counted(embedded: EmbeddedPredictor, seven: bytes, tmp_path: Path) -> None:
    app = create_app({"prometheus": "1", "feedback": str(tmp_path)}, embedded)
    client = app.test_client()
    answer = client.post("/predictions", data=seven, **PNG).json
    said = {name: answer[name] for name in ("label", "confidence", "model")}
    for label in ("7", "1", "not_a_digit"):
        given = {"image": base64.b64encode(seven).decode(), "label": label, "consent": True, "prediction": said}
        assert client.post("/feedback", json=given).status_code == 201
    counts = read(app)
    assert counts["api_confidence_sum",] == pytest.approx(answer["confidence"], abs=1e-3)
    assert counts["api_corrections_total",] == 2


def test_each_metric_is_a_sentence_with_its_labels(counted: Flask, seven: bytes) -> None:
    """Dashboards ask by these names."""
    client = counted.test_client()
    client.post("/predictions", data=seven, **PNG)
    client.post("/predictions", data=b"nothing", **PNG)
    families = list(text_string_to_metric_families(client.get("/metrics").text))
    assert all(re.fullmatch(r"[A-Z][^A-Z]+\.", family.documentation) for family in families)
    labels = {family.name: set(family.samples[0].labels) for family in families if family.samples}
    assert labels["api_requests"] == {"method", "route", "status"}
    assert (labels["api_problems"], labels["api_predictions"]) == ({"problem"}, {"label"})
    assert labels["api_seconds"] == {"stage", "le"}
    bounds = {sample.labels.get("le") for family in families for sample in family.samples} - {None, "+Inf"}
    assert {float(bound) for bound in bounds} == set(SECONDS)


def test_a_stage_s_times_are_seconds(counted: Flask, seven: bytes) -> None:
    started = time.perf_counter()
    counted.test_client().post("/predictions", data=seven, **PNG)
    assert 0.0001 < read(counted)["api_seconds_sum", "total"] < time.perf_counter() - started


@pytest.mark.parametrize(
    ("package", "settings", "sentence"),
    [
        ("prometheus_client", {"prometheus": "1"}, r"^BACKEND_PROMETHEUS needs the extra `prometheus`\.$"),
        ("aws_lambda_powertools.metrics", {"metrics": "Digits"}, r"pip install '\.\[metrics\]'"),
    ],
)
def test_counters_without_their_package_stop_the_start(
    embedded: EmbeddedPredictor, monkeypatch: pytest.MonkeyPatch, package: str, settings: dict[str, str], sentence: str
) -> None:
    monkeypatch.setitem(sys.modules, package, None)  # so importing it fails
    with pytest.raises(SettingsError, match=sentence):
        create_app(settings, embedded)


def test_the_page_is_there_only_where_it_is_wanted(app: Flask) -> None:
    assert app.test_client().get("/metrics").status_code == 404


def test_each_app_counts_for_itself(embedded: EmbeddedPredictor, counted: Flask) -> None:
    counted.test_client().get("/health")
    assert ("api_requests_total", "/health", "200", "GET") not in read(create_app({"prometheus": "1"}, embedded))


def test_traces_go_where_the_standard_variables_say() -> None:
    with StandIn(lambda handler, _: handler.send(200)) as collector:
        api = Process(
            OTEL_EXPORTER_OTLP_ENDPOINT=collector.url,
            OTEL_EXPORTER_OTLP_PROTOCOL="http/protobuf",
            OTEL_METRICS_EXPORTER="none",
            OTEL_LOGS_EXPORTER="none",
            OTEL_SERVICE_NAME="digits-of-the-tests",
            OTEL_BSP_SCHEDULE_DELAY="100",
        )
        assert requests.get(f"{api.url}/health", timeout=10).status_code == 200
        for _ in range(100):
            spans = [each.body for each in collector.requests if each.path == "/v1/traces"]
            if any(b"GET /health" in body and b"digits-of-the-tests" in body for body in spans):
                break
            time.sleep(0.1)
        else:
            pytest.fail("no span came within 10 s")
        api.stop()
