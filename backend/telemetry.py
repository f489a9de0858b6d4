"""What happened, for those who run it: one JSON line per request on standard output, and CloudWatch's embedded metrics.

Never the picture, never the key. On AWS Lambda standard output is CloudWatch Logs, which reads the metrics out of it.
"""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from time import perf_counter
from typing import TYPE_CHECKING, Any

import msgspec
from flask import g, request

from backend import contract
from backend.meters import Meters
from backend.output import Output
from backend.settings import Settings, SettingsError

if TYPE_CHECKING:
    import numpy as np
    from flask import Flask, Response
    from numpy.typing import NDArray

    from backend.contract import Prediction
    from backend.predictors import Answers, Predictor

SERVICE = "api"
OF_AN_ANSWER = ("served_by", "model", "rejections", "ink", "label", "labels", "confidence", "mean_confidence")
STDOUT = Output("stdout")


class InkWatch:
    """A predictor that notes how much ink it is shown: when the inputs drift, that moves first."""

    def __init__(self, predictor: Predictor) -> None:
        self._predictor = predictor

    def predict(self, x: NDArray[np.uint8], request_id: str = "") -> Answers:
        """See Predictor."""
        shown = x if request.path == contract.BATCH else x[:1]  # after the first come covered copies of it
        g.ink = float(shown.mean()) / 255
        return self._predictor.predict(x, request_id)


def watch(app: Flask, settings: Settings) -> None:
    """Make `app` write lines and count, where the settings say so. Raises SettingsError."""
    if not _wanted(settings):
        return
    if settings.metrics:
        _check_library()
    meters = Meters() if settings.prometheus else None
    if meters:
        meters.serve(app)
    app.before_request(_start_clock)

    def note(response: Response) -> Response:
        record = _record(response)
        if meters:
            counted = _counted(record)
            meters.count(counted | {"labels": _labels(counted), "corrects": corrects(record)})
        if settings.log or settings.metrics:
            _write(record, settings)
        return response

    app.after_request(note)


def watched(predictor: Predictor, settings: Settings) -> Predictor:
    """`predictor`, with its input noted where anything is noted at all."""
    return InkWatch(predictor) if _wanted(settings) else predictor


def _wanted(settings: Settings) -> bool:
    return bool(settings.log or settings.metrics or settings.prometheus)


def _write(record: dict[str, Any], settings: Settings) -> None:
    line = (record if settings.log else {}) | (_metrics(settings, _counted(record)) if settings.metrics else {})
    if line:
        STDOUT.write(msgspec.json.encode(line).decode() + "\n")


def _counted(record: dict[str, Any]) -> dict[str, Any]:
    """What counters take of a record: the answer of a model asked by name is a comparison, and no sign of drift."""
    if not request.args.get("model"):
        return record
    return {name: value for name, value in record.items() if name not in OF_AN_ANSWER}


def _check_library() -> None:
    try:
        import aws_lambda_powertools.metrics  # noqa: F401 - asks only whether it is there
    except ImportError:
        raise SettingsError("BACKEND_METRICS needs the extra `metrics`: pip install '.[metrics]'.") from None


def _start_clock() -> None:
    g.started = perf_counter()


def _record(response: Response) -> dict[str, Any]:
    """What is said about every request; fields of an answer only where there is one."""
    record: dict[str, Any] = {
        "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "request_id": g.get("request_id"),
        "method": request.method,
        "route": request.url_rule.rule if request.url_rule else None,
        "status": response.status_code,
        "ms": round(1000 * (perf_counter() - g.started), 3) if "started" in g else None,
        "bytes_in": request.content_length or 0,
        "bytes_out": response.content_length or 0,
    }
    for name in ("problem", "key", "canary", "judged"):
        if name in g:
            record[name] = g.get(name)
    if STDOUT.dropped:
        record["lines_dropped"] = STDOUT.dropped
    predictions: list[Prediction] = g.get("predictions", [])
    return record | (_answers(predictions) if predictions else {})


def _answers(predictions: list[Prediction]) -> dict[str, Any]:
    """One answer's label and scores; a batch's labels, counted."""
    first = predictions[0]
    about: dict[str, Any] = {
        "served_by": first.model.served_by,
        "model": f"{first.model.name} {first.model.version}",
        "timing_ms": first.timing_ms,
        "rejections": sum(prediction.rejection is not None for prediction in predictions),
        "mean_confidence": round(sum(prediction.confidence for prediction in predictions) / len(predictions), 4),
    }
    if "ink" in g:
        about["ink"] = round(g.ink, 4)
    if len(predictions) == 1:
        return about | {"label": first.label, "confidence": first.confidence}
    return about | {"labels": Counter(prediction.label or "rejected" for prediction in predictions)}


def corrects(record: dict[str, Any]) -> bool:
    """Whether a request gave a drawing with another label than was answered."""
    return "judged" in record and not record["judged"]["right"]


def _labels(record: dict[str, Any]) -> dict[str, int]:
    """How many pictures of a request got which label, or were rejected."""
    return record.get("labels") or ({record["label"] or "rejected": 1} if "label" in record else {})


def _metrics(settings: Settings, record: dict[str, Any]) -> dict[str, Any]:
    """An answer's record, or a correction's -> one CloudWatch embedded metric document; else empty.

    Each name bills $0.30 a month for each set of dimensions, so there are six, and the stage is the only dimension:
    requests, errors and times are API Gateway's own and free, labels and problems are in the log's lines. Rates are
    quotients of these: rejections, and corrections, over predictions.
    """
    if "rejections" not in record and not corrects(record):
        return {}
    from aws_lambda_powertools.metrics import EphemeralMetrics, MetricUnit

    metrics = EphemeralMetrics(namespace=settings.metrics, service=SERVICE)
    if corrects(record):
        metrics.add_metric("Corrections", MetricUnit.Count, 1)
    else:
        metrics.add_metric("Predictions", MetricUnit.Count, sum(record.get("labels", {None: 1}).values()))
        metrics.add_metric("Rejections", MetricUnit.Count, record["rejections"])
        metrics.add_metric("Inference", MetricUnit.Milliseconds, record["timing_ms"]["inference"])
        metrics.add_metric("Ink", MetricUnit.NoUnit, record["ink"])
        metrics.add_metric("Confidence", MetricUnit.NoUnit, record["mean_confidence"])
    if settings.stage:
        metrics.add_dimension("stage", settings.stage)
    return dict(metrics.serialize_metric_set())
