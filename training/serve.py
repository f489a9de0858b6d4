"""A local SageMaker endpoint: a real SavedModel behind the container's contract and the runtime's.

`python -m training.serve` answers `GET /ping` and `POST /invocations` as AWS' TensorFlow Serving container does, and
`POST /endpoints/<name>/invocations` as sagemaker-runtime does, so that an unmodified boto3 finds it through
AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf
import waitress
from flask import Flask, Response, jsonify, request
from werkzeug.exceptions import HTTPException

from training.archive import unpack

if TYPE_CHECKING:
    from collections.abc import Callable

ARTIFACT = Path(__file__).parent / "artifacts" / "digits"
MAX_BODY_BYTES = 4 * 1024 * 1024  # a serverless endpoint's limit; a real-time one takes 6 MB
ATTRIBUTES = "X-Amzn-SageMaker-Custom-Attributes"
TARGET_VARIANT, TARGET_MODEL = "X-Amzn-SageMaker-Target-Variant", "X-Amzn-SageMaker-Target-Model"
VARIANT = "AllTraffic"  # the endpoint's one production variant
SIGNATURE = "serving_default"


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
                unpack(path, Path(root))
                path = Path(root)
            versions = sorted(file.parent for file in path.rglob("saved_model.pb"))
            if not versions:
                raise FileNotFoundError(f"no saved_model.pb in {path}")
            self._loaded = tf.saved_model.load(str(versions[-1]))
            self.version = versions[-1].name
        self._signatures = self._loaded.signatures
        ((self.input, self._spec),) = self._signatures[SIGNATURE].structured_input_signature[1].items()

    def predict(self, instances: list[Any], signature: str = SIGNATURE) -> list[Any]:
        """n instances -> n predictions: bare values of one output, {name: value} of several. Raises InvocationError."""
        outputs = self.columns([self._unnamed(row) for row in instances], signature)
        if isinstance(outputs, list):
            return outputs
        return [dict(zip(outputs, row, strict=True)) for row in zip(*outputs.values(), strict=True)]

    def columns(self, inputs: Any, signature: str = SIGNATURE) -> Any:
        """The input of n pictures at once -> each output of n, bare where there is one. Raises InvocationError."""
        if signature not in self._signatures:
            raise InvocationError(f'Serving signature name: "{signature}" not found in signature def')
        try:
            x = tf.constant(np.asarray(self._unnamed(inputs), self._spec.dtype.as_numpy_dtype))
            if not self._spec.shape.is_compatible_with(x.shape):
                raise InvocationError(f"instances have shape {x.shape}, the model takes {self._spec.shape}")
            answered = self._signatures[signature](**{self.input: x})
            outputs = {name: _plain(value) for name, value in answered.items()}
        except (ValueError, TypeError, tf.errors.OpError) as error:
            raise InvocationError(str(error)) from error
        return next(iter(outputs.values())) if len(outputs) == 1 else outputs

    def _unnamed(self, value: Any) -> Any:
        """{"image": x} -> x; anything else as it is. Raises InvocationError where another input is named."""
        if not isinstance(value, dict):
            return value
        if value.keys() != {self.input}:
            raise InvocationError(
                f"the inputs are {', '.join(map(str, value)) or 'none'}; the model takes {self.input}"
            )
        return value[self.input]


def _plain(value: tf.Tensor) -> list[Any]:
    array = value.numpy()
    return array.astype(str).tolist() if array.dtype == object else array.tolist()


def read_request(body: bytes, content_type: str) -> dict[str, Any]:
    """A request's body -> TensorFlow Serving's: "instances" or "inputs", "signature_name". Raises InvocationError."""
    reader = READERS.get(content_type.partition(";")[0].strip().lower())
    if reader is None:
        raise InvocationError(f"Unsupported Media Type: {content_type or 'none'}", 415)
    try:
        return reader(body.decode())
    except (ValueError, RecursionError) as error:
        raise InvocationError(f"the body cannot be read as {content_type}: {error}") from error


def _read_json(text: str) -> dict[str, Any]:
    try:
        body = json.loads(text)
    except json.JSONDecodeError:
        return _read_json_lines(text)  # the container takes JSON lines under this type too
    if isinstance(body, dict):
        if isinstance(body.get("instances"), list) == ("inputs" in body):
            raise InvocationError('the request needs either "instances", a list, or "inputs"')
        return body
    if not isinstance(body, list):
        raise InvocationError("the request is neither an object nor an array")
    return {"instances": body if body and isinstance(body[0], (list, dict)) else [body]}


def _read_json_lines(text: str) -> dict[str, Any]:
    return {"instances": [json.loads(line) for line in text.splitlines() if line.strip()]}


def _read_csv(text: str) -> dict[str, Any]:
    rows = [[float(cell) for cell in row] for row in csv.reader(text.splitlines()) if row]
    return {"instances": [row[0] for row in rows] if all(len(row) == 1 for row in rows) else rows}


READERS: dict[str, Callable[[str], dict[str, Any]]] = {
    "application/json": _read_json,
    "application/jsonlines": _read_json_lines,
    "application/jsons": _read_json_lines,
    "text/csv": _read_csv,
}


def check_attributes(attributes: str, name: str, version: str) -> None:
    """The container's own attributes say what TensorFlow Serving is asked for; others pass. Raises InvocationError."""
    pairs = (part.partition("=") for part in attributes.split(","))
    wanted = {key.strip(): value.strip() for key, _, value in pairs if value}
    if wanted.get("tfs-method", "predict") != "predict":
        raise InvocationError(f"Malformed request: POST /v1/models/{name}:{wanted['tfs-method']}")
    if wanted.get("tfs-model-name", name) not in (name, "model"):
        raise InvocationError(f"Servable not found for request: Latest({wanted['tfs-model-name']})", 404)
    if wanted.get("tfs-model-version", version) != version:
        raise InvocationError(f"Servable not found for request: Specific({name}, {wanted['tfs-model-version']})", 404)


def check_target(variant: str, model: str) -> str:
    """What sagemaker-runtime says to headers that name a variant or a model; "" where it has no complaint."""
    if variant not in ("", VARIANT):
        return f"Variant {variant} not found for Request."
    return "TargetModel is taken by multi-model endpoints alone." if model else ""


def create_endpoint(model: SavedModel, name: str) -> Flask:
    """The endpoint `name` as a Flask application."""
    app = Flask(__name__)
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY_BYTES

    @app.get("/ping")
    def ping() -> Response:
        return Response(status=200)

    @app.post("/invocations")
    def invocations() -> Response:
        check_attributes(request.headers.get(ATTRIBUTES, ""), name, model.version)
        asked = read_request(request.get_data(), request.headers.get("Content-Type", ""))
        signature = str(asked.get("signature_name", SIGNATURE))
        if "inputs" in asked:
            return jsonify(outputs=model.columns(asked["inputs"], signature))
        return jsonify(predictions=model.predict(asked["instances"], signature))

    @app.post("/endpoints/<endpoint>/invocations")
    def invoke_endpoint(endpoint: str) -> Response:
        if endpoint != name:
            return _aws_error(400, "ValidationError", f"Endpoint {endpoint} of account 000000000000 not found.")
        if complaint := check_target(request.headers.get(TARGET_VARIANT, ""), request.headers.get(TARGET_MODEL, "")):
            return _aws_error(400, "ValidationError", complaint)
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
        response.headers["x-Amzn-Invoked-Production-Variant"] = VARIANT
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
    if not 0 <= options.port < 65536:  # waitress would take the rest of it
        parser.error(f"--port is a number up to 65535, not {options.port}")
    try:
        app = create_endpoint(SavedModel(options.model), options.name)
        server = waitress.create_server(app, host=options.host, port=options.port, threads=4)
    except (OSError, ValueError, EOFError, tarfile.TarError, tf.errors.OpError) as error:
        sys.exit(f"The endpoint cannot start: {error}")
    print(f"endpoint {options.name} on http://{options.host}:{options.port}", flush=True)
    server.run()


if __name__ == "__main__":
    main()
