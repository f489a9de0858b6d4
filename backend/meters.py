"""GET /metrics for Prometheus, behind a setting: the counters that go to CloudWatch on Lambda, by prometheus-client."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flask import Response

from backend.openapi import operation
from backend.settings import SettingsError

if TYPE_CHECKING:
    from flask import Flask

METRICS = "/metrics"
STAGES = ("preprocess", "inference", "total")
SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


class Meters:
    """Counts what each request's record says, for this process."""

    def __init__(self) -> None:
        """Raises SettingsError without prometheus-client."""
        try:
            import prometheus_client as prometheus  # 30 ms of import that most do without
        except ImportError:
            raise SettingsError("BACKEND_PROMETHEUS needs the extra `prometheus`.") from None
        self._prometheus = prometheus
        self._registry = registry = prometheus.CollectorRegistry()
        self._requests = prometheus.Counter(
            "api_requests", "Requests answered.", ["method", "route", "status"], registry=registry
        )
        self._problems = prometheus.Counter("api_problems", "Problems answered.", ["problem"], registry=registry)
        self._predictions = prometheus.Counter(
            "api_predictions", 'Pictures answered, by label or "rejected".', ["label"], registry=registry
        )
        self._seconds = prometheus.Histogram(
            "api_seconds", "Time of a request's stages.", ["stage"], registry=registry, buckets=SECONDS
        )
        self._ink = prometheus.Summary("api_ink", "Share of ink in the pictures shown to the model.", registry=registry)
        self._confidence = prometheus.Summary("api_confidence", "Confidence of the answers.", registry=registry)
        self._corrections = prometheus.Counter(
            "api_corrections", "Drawings given with another label than was answered.", registry=registry
        )

    def count(self, record: dict[str, Any]) -> None:
        """One request's record, of `telemetry`."""
        self._requests.labels(record["method"], record["route"] or "none", record["status"]).inc()
        times = record.get("timing_ms", {}) | {"total": record["ms"]}
        for stage in STAGES:
            if times.get(stage) is not None:
                self._seconds.labels(stage).observe(times[stage] / 1000)
        if "problem" in record:
            self._problems.labels(record["problem"]).inc()
        if "ink" in record:
            self._ink.observe(record["ink"])
        if "mean_confidence" in record:
            self._confidence.observe(record["mean_confidence"])
        if record.get("corrects"):
            self._corrections.inc()
        for label, n in record.get("labels", {}).items():
            self._predictions.labels(label).inc(n)

    def serve(self, app: Flask) -> None:
        """Give `app` the page that Prometheus reads."""

        @operation(media="text/plain")
        def metrics() -> Response:
            """Counters of this process, as Prometheus reads them."""
            page = self._prometheus.generate_latest(self._registry)
            return Response(page, content_type=self._prometheus.CONTENT_TYPE_LATEST)

        app.add_url_rule(METRICS, view_func=metrics)
