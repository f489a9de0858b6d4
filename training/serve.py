"""A local SageMaker endpoint: a real SavedModel behind the container's contract and the runtime's.

`python -m training.serve` answers `GET /ping` and `POST /invocations` as AWS' TensorFlow Serving container does, and
`POST /endpoints/<name>/invocations` as sagemaker-runtime does, so that an unmodified boto3 finds it through
AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME.
"""

from __future__ import annotations

import argparse
import csv
import json
import tarfile
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf
import waitress
from flask import Flask, Response, jsonify, request
from werkzeug.exceptions import HTTPException

if TYPE_CHECKING:
    from collections.abc import Callable

ARTIFACT = Path(__file__).parent / "artifacts" / "digits"
MAX_BODY_BYTES = 4 * 1024 * 1024  # a serverless endpoint's limit; a real-time one takes 6 MB
ATTRIBUTES = "X-Amzn-SageMaker-Custom-Attributes"


class InvocationError(ValueError):
    """The container would refuse this request with `status`."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


class SavedModel:
    """A SavedModel's `serving_default`: JSON instances in, JSON predictions out, as TensorFlow Serving's row format."""

    def __init__(self, path: Path) -> None:
        with tempfile.TemporaryDirectory() as root:
            if path.is_file():
                with tarfile.open(path) as archive:
                    archive.extractall(root, filter="data")
                path = Path(root)
            versions = sorted(file.parent for file in path.rglob("saved_model.pb"))
            if not versions:
                raise FileNotFoundError(f"no saved_model.pb in {path}")
            self._loaded = tf.saved_model.load(str(versions[-1]))
        self._signature = self._loaded.signatures["serving_default"]
        ((self.input, self._spec),) = self._signature.structured_input_signature[1].items()

    def predict(self, instances: list[Any]) -> list[Any]:
        """n instances -> n predictions: bare values of one output, {name: value} of several. Raises InvocationError."""
        try:
            x = tf.constant(np.asarray(instances, self._spec.dtype.as_numpy_dtype))
            if not self._spec.shape.is_compatible_with(x.shape):
                raise InvocationError(f"instances have shape {x.shape}, the model takes {self._spec.shape}")
            outputs = {name: _plain(value) for name, value in self._signature(**{self.input: x}).items()}
        except (ValueError, TypeError, tf.errors.OpError) as error:
            raise InvocationError(str(error)) from error
        if len(outputs) == 1:
            return list(*outputs.values())
        return [dict(zip(outputs, row, strict=True)) for row in zip(*outputs.values(), strict=True)]


def _plain(value: tf.Tensor) -> list[Any]:
    array = value.numpy()
    return array.astype(str).tolist() if array.dtype == object else array.tolist()


def read_instances(body: bytes, content_type: str) -> list[Any]:
    """A request's body -> the instances in it. Raises InvocationError."""
    reader = READERS.get(content_type.partition(";")[0].strip().lower())
    if reader is None:
        raise InvocationError(f"Unsupported Media Type: {content_type or 'none'}", 415)
    try:
        return reader(body.decode())
    except (ValueError, RecursionError) as error:
        raise InvocationError(f"the body cannot be read as {content_type}: {error}") from error


def _read_json(text: str) -> list[Any]:
    try:
        body = json.loads(text)
    except json.JSONDecodeError:
        return _read_json_lines(text)  # the container takes JSON lines under this type too
    if isinstance(body, dict):
        if not isinstance(body.get("instances"), list):
            raise InvocationError("there are no instances in the request")
        return list(body["instances"])
    if not isinstance(body, list):
        raise InvocationError("the request is neither an object nor an array")
    return body if body and isinstance(body[0], list) else [body]


def _read_json_lines(text: str) -> list[Any]:
    rows = [json.loads(line) for line in text.splitlines() if line.strip()]
    return [next(iter(row.values())) if isinstance(row, dict) and len(row) == 1 else row for row in rows]


def _read_csv(text: str) -> list[Any]:
    rows = [[float(cell) for cell in row] for row in csv.reader(text.splitlines()) if row]
    return [row[0] for row in rows] if all(len(row) == 1 for row in rows) else rows


READERS: dict[str, Callable[[str], list[Any]]] = {
    "application/json": _read_json,
    "application/jsonlines": _read_json_lines,
    "application/jsons": _read_json_lines,
    "text/csv": _read_csv,
}


def _check_attributes(attributes: str) -> None:
    """The container reads its own `tfs-` attributes and refuses what it does not know; others pass through."""
    for pair in filter(None, (part.strip() for part in attributes.split(","))):
        key, _, value = pair.partition("=")
        if key.startswith("tfs-") and (key, value) != ("tfs-method", "predict"):
            raise InvocationError(f"bad custom attribute: {key}")


def create_endpoint(model: SavedModel, name: str) -> Flask:
    """The endpoint `name` as a Flask application."""
    app = Flask(__name__)
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY_BYTES

    @app.get("/ping")
    def ping() -> Response:
        return Response(status=200)

    @app.post("/invocations")
    def invocations() -> Response:
        _check_attributes(request.headers.get(ATTRIBUTES, ""))
        instances = read_instances(request.get_data(), request.headers.get("Content-Type", ""))
        return jsonify(predictions=model.predict(instances))

    @app.post("/endpoints/<endpoint>/invocations")
    def invoke_endpoint(endpoint: str) -> Response:
        if endpoint != name:
            return _aws_error(400, "ValidationError", f"Endpoint {endpoint} of account 000000000000 not found.")
        try:
            response = invocations()
        except InvocationError as error:
            return _aws_error(
                424,
                "ModelError",
                f"Received client error ({error.status}) from primary with message: {error}",
                OriginalStatusCode=error.status,
                OriginalMessage=json.dumps({"error": str(error)}),
            )
        response.headers["x-Amzn-Invoked-Production-Variant"] = "AllTraffic"
        return response

    @app.errorhandler(InvocationError)
    def refuse(error: InvocationError) -> tuple[Response, int]:
        return jsonify(error=str(error)), error.status

    @app.errorhandler(HTTPException)
    def refuse_http(error: HTTPException) -> Response:
        return _aws_error(error.code or 500, "ValidationError", error.description or error.name)

    return app


def _aws_error(status: int, kind: str, message: str, **more: object) -> Response:
    """An error as the AWS JSON protocols send it: boto3 reads the header and raises the exception of that name."""
    response = jsonify(Message=message, **more)
    response.status_code = status
    response.headers["x-amzn-ErrorType"] = kind
    return response


def main(arguments: list[str] | None = None) -> None:
    """Serve until interrupted."""
    parser = argparse.ArgumentParser(prog="python -m training.serve", description=str(__doc__).splitlines()[0])
    parser.add_argument(
        "--model", type=Path, default=ARTIFACT / "model.tar.gz", help="model.tar.gz or a SavedModel folder"
    )
    parser.add_argument("--name", default="digits", help="the endpoint's name")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8080)
    options = parser.parse_args(arguments)
    app = create_endpoint(SavedModel(options.model), options.name)
    print(f"endpoint {options.name} on http://{options.host}:{options.port}", flush=True)
    waitress.serve(app, host=options.host, port=options.port, threads=4, _quiet=True)


if __name__ == "__main__":
    main()
