"""The contract's classes as the JSON schemas and examples of what is on the wire, for the API's description."""

from __future__ import annotations

from inspect import cleandoc
from typing import Any

import msgspec

from backend import contract
from backend.contract import ProblemDetails

REF = "#/components/schemas/"
# A one, 28x28.
PICTURE = (
    "iVBORw0KGgoAAAANSUhEUgAAABwAAAAcAQAAAABaduI5AAAANklEQVR42p3KIQ6AMBQFweFxgd7/fEhEcYiSX1uCw4zY7FZcgZWHGMRNdOJAndWj"
    "veef7J82AYgxCtjRwTTEAAAAAElFTkSuQmCC"
)
MODEL = {"name": "digits", "version": "2026.11.5", "served_by": "embedded"}
REQUEST_ID, FEEDBACK_ID = "0b1c2d3e4f5061728394a5b6c7d8e9f0", "5d41402abc4b2a76b9719d911017c592"
TIMING = {"preprocess": 0.42, "inference": 0.21, "total": 0.63}
PREDICTION = {
    "label": "1",
    "confidence": 0.99847,
    "probabilities": {digit: 0.99847 if digit == "1" else 0.00017 for digit in "0123456789"},
    "rejection": None,
    "model": MODEL,
    "request_id": REQUEST_ID,
    "timing_ms": TIMING,
}
PROBLEM = {
    "type": f"{contract.PROBLEM_PAGES}{contract.BLANK_IMAGE.slug}",
    "title": contract.BLANK_IMAGE.title,
    "status": contract.BLANK_IMAGE.status,
    "detail": "The sheet is empty: there is nothing drawn on it.",
    "request_id": REQUEST_ID,
}
DIGIT = {name: PREDICTION[name] for name in ("label", "confidence", "probabilities")} | {"box": [13, 4, 2, 20]}
NUMBER = {
    "number": "1",
    "confidence": 0.9972,
    "digits": [DIGIT],
    "rejection": None,
    "alternatives": [{"number": "7", "confidence": 0.0013}],
    "model": MODEL,
    "request_id": REQUEST_ID,
    "timing_ms": TIMING,
}
LEFT_OUT = (*contract.EXTRAS, "lines", "ask")  # members that an answer has only where there is one
GIVEN = {"label": "1", "prediction": {"label": "7", "confidence": 0.61, "model": MODEL}}
EXAMPLES: dict[str, dict[str, Any]] = {
    "ImageBody": {"image": PICTURE},
    "DrawingBody": {"image": PICTURE, "strokes": [[[14, 4], [13, 24]]]},
    "ImagesBody": {"images": [PICTURE, PICTURE]},
    "Prediction": PREDICTION,
    "BatchPrediction": {
        "results": [{"prediction": PREDICTION}, {"problem": PROBLEM}],
        "request_id": REQUEST_ID,
        "timing_ms": TIMING,
    },
    "Number": NUMBER,
    "NumberBatch": {
        "results": [{"number": NUMBER}, {"problem": PROBLEM}],
        "request_id": REQUEST_ID,
        "timing_ms": TIMING,
    },
    "ProblemDetails": PROBLEM,
    "ModelList": {
        "models": [
            {
                **MODEL,
                "deployed": True,
                "labels": list("0123456789"),
                "threshold": 0.044185,
                "network": "convnet",
                "parameters": 306155,
                "bytes": 621476,
                "date": "2026-11-25",
                "sources": ["MNIST: Y. LeCun, C. Cortes, C. J. C. Burges; CC BY-SA 3.0"],
                "metrics": {"test": 0.9958, "unseen pen": 0.98047},
            }
        ]
    },
    "Health": {"status": "ok"},
    "Readiness": {"model": MODEL, "status": "ready"},
    "Feedback": {"image": PICTURE, "consent": True, **GIVEN},
    "FeedbackReceipt": {"id": FEEDBACK_ID},
    "KeptFeedback": {
        **{"id": FEEDBACK_ID, "image": PICTURE, "created": "2026-11-25T21:40:00+00:00", **GIVEN},
        "used": {"version": "2026.11.6", "date": "2026-11-27", "how": "learnt"},
    },
    "Learning": {
        **{"version": "2026.11.6", "date": "2026-11-27", "learnt": 83, "instead_of": "2026.11.5"},
        **{"reads": 0.94, "read": 0.61, "judged_on": 36},
    },
}


def schemas_of(bodies: set[type], answers: set[type]) -> dict[str, Any]:
    """Classes that are sent to the API and that it sends -> their schemas by name, and those that they need."""
    _, schemas = msgspec.json.schema_components({ProblemDetails} | bodies | answers, ref_template=REF + "{name}")
    sent = {each.__name__ for each in bodies}
    for name, schema in schemas.items():
        schema["description"] = cleandoc(schema["description"])
        for member, about in schema["properties"].items():
            _without_default(about)
            if name not in sent and member in LEFT_OUT and "anyOf" in about:
                schema["properties"][member] = about["anyOf"][0]  # never null: it is left out
        if name not in sent:
            schema["required"] = [member for member in schema["properties"] if member not in LEFT_OUT]
    return {name: _refine(name, schema) for name, schema in sorted(schemas.items())}


def _without_default(about: dict[str, Any]) -> None:
    """What is always sent has no default; a member that may be left out is not null for that."""
    default = about.pop("default", None)
    if isinstance(default, str) and default:  # "status": "ok"
        about["const"] = default


def _refine(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    """What a Python class cannot say."""
    if name in RESULTS:
        return {
            "title": name,
            "description": schema["description"],
            "oneOf": [RESULTS[name], _only("problem", "ProblemDetails")],
        }
    if name == "Feedback":
        schema["properties"]["consent"] = {"const": True, "type": "boolean"}
    if name in ("Model", "ModelCard"):
        schema["properties"]["served_by"]["enum"] = ["embedded", "sagemaker", "fallback"]
    return schema


def _only(member: str, name: str) -> dict[str, Any]:
    ref = {"$ref": REF + name}
    return {"type": "object", "title": f"{name}Result", "properties": {member: ref}, "required": [member]}


RESULTS = {"BatchResult": _only("prediction", "Prediction"), "NumberResult": _only("number", "Number")}
