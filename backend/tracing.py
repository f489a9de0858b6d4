"""OpenTelemetry traces, where its packages are installed and its standard environment variables say where they go."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flask import Flask

log = logging.getLogger(__name__)

DESTINATIONS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_TRACES_EXPORTER")


def trace(app: Flask) -> None:
    """Set OpenTelemetry up as `opentelemetry-instrument` does, for this app and for boto3."""
    named = any(os.environ.get(name, "none") != "none" for name in DESTINATIONS)
    if not named or os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return
    try:
        from opentelemetry.instrumentation.auto_instrumentation import initialize
        from opentelemetry.instrumentation.flask import FlaskInstrumentor
    except ImportError:  # a cluster may set the variables for everybody
        log.warning("OTEL_EXPORTER_... is set, and the extra `tracing` is not installed: no traces are sent.")
        return
    initialize()
    FlaskInstrumentor().instrument_app(app)  # type: ignore[no-untyped-call]  # what is imported already, by hand
