"""The local SageMaker endpoint: the container's contract, the runtime's, real boto3 and the real aws command."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import boto3
import pytest
import requests
import tensorflow as tf
from botocore.config import Config
from botocore.exceptions import ClientError

from backend.app import create_app
from backend.predictors import SageMakerPredictor
from backend.preprocessing import normalise
from backend.settings import SHIPPED_MODEL
from training.serve import SavedModel, create_endpoint, main

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from flask import Flask

    from tests.conftest import Drawing

JSON = "application/json"


class HalfPlusThree(tf.Module):
    """y = 0.5 x + 3: the model that the container's own cases are written for."""

    @tf.function(input_signature=[tf.TensorSpec(None, tf.float32, name="x")])
    def answer(self, x: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"y": 0.5 * x + 3}


@pytest.fixture(scope="module")
def half_plus_three(tmp_path_factory: pytest.TempPathFactory) -> Flask:
    path = tmp_path_factory.mktemp("half") / "1"
    module = HalfPlusThree()
    tf.saved_model.save(module, str(path), signatures={"serving_default": module.answer})
    return create_endpoint(SavedModel(path.parent), "half")


@pytest.fixture(scope="module")
def digits() -> Flask:
    return create_endpoint(SavedModel(SHIPPED_MODEL / "model.tar.gz"), "digits")


@pytest.fixture
def runtime(serve: Callable[[Flask], str], digits: Flask) -> Any:
    """boto3's unmodified client, pointed at the local endpoint."""
    return boto3.client(
        "sagemaker-runtime",
        endpoint_url=serve(digits),
        region_name="us-east-1",
        aws_access_key_id="local",
        aws_secret_access_key="local",  # noqa: S106 - nobody checks it
        config=Config(retries={"total_max_attempts": 1}),
    )


@pytest.mark.parametrize(
    ("body", "content_type", "predictions"),
    [
        ('{"instances": [1.0, 2.0, 5.0]}', JSON, [3.5, 4.0, 5.5]),
        ('{"instances": [1.0, 2.0, 5.0]}', "application/json; charset=utf-8", [3.5, 4.0, 5.5]),
        ('{"instances": [[1, 2, 5], [1, 2, 5]]}', JSON, [[3.5, 4.0, 5.5], [3.5, 4.0, 5.5]]),
        ("[1.0, 2.0, 5.0]", JSON, [[3.5, 4.0, 5.5]]),
        ('{"x": [1, 2, 5]}\n{"x": [1, 2, 5]}', "application/jsonlines", [[3.5, 4.0, 5.5], [3.5, 4.0, 5.5]]),
        ("[1, 2, 5]\n[1, 2, 5]", "application/jsons", [[3.5, 4.0, 5.5], [3.5, 4.0, 5.5]]),
        ('{"instances": [{"x": [1, 2, 5]}, {"x": [1, 2, 5]}]}', JSON, [[3.5, 4.0, 5.5], [3.5, 4.0, 5.5]]),
        ('{"instances": [1.0], "signature_name": "serving_default"}', JSON, [3.5]),
        ("1.0,2.0,5.0", "text/csv", [[3.5, 4.0, 5.5]]),
        ("1.0\n2.0\n5.0", "text/csv", [3.5, 4.0, 5.5]),
    ],
)
def test_container_answers_its_own_cases(
    half_plus_three: Flask, body: str, content_type: str, predictions: list[Any]
) -> None:
    answer = half_plus_three.test_client().post("/invocations", data=body, content_type=content_type)
    assert answer.status_code == 200
    assert answer.get_json() == {"predictions": predictions}
    assert answer.content_type == JSON


@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        ("whatever", JSON, 400),
        ('{"junk": "data"}', JSON, 400),
        ('{"instances": [1.0], "inputs": [1.0]}', JSON, 400),
        ('{"instances": 1.0}', JSON, 400),
        ('{"instances": [{"y": 1.0}]}', JSON, 400),
        ('{"instances": [{"x": 1.0, "y": 1.0}]}', JSON, 400),
        ('{"inputs": {"y": [1.0]}}', JSON, 400),
        ('{"instances": [1.0], "signature_name": "other"}', JSON, 400),
        ('{"inputs": [1.0], "signature_name": "other"}', JSON, 400),
        ('{"instances": [[1, 2], [3]]}', JSON, 400),
        ("7", JSON, 400),
        ("[" * 100_000, JSON, 400),
        ("a,b", "text/csv", 400),
        ('{"instances": [1.0]}', None, 415),
        ("<x/>", "application/xml", 415),
    ],
)
def test_container_refuses_what_it_cannot_read(
    half_plus_three: Flask, body: str, content_type: str | None, status: int
) -> None:
    answer = half_plus_three.test_client().post("/invocations", data=body, content_type=content_type)
    assert answer.status_code == status
    assert set(answer.get_json()) == {"error"}


def test_ping_says_200(half_plus_three: Flask) -> None:
    assert half_plus_three.test_client().get("/ping").status_code == 200


@pytest.mark.parametrize("inputs", ["[1.0, 2.0]", '{"x": [1.0, 2.0]}'])
def test_columns_are_answered_in_columns(half_plus_three: Flask, inputs: str) -> None:
    """TensorFlow Serving's other format: `inputs` and `outputs`."""
    answer = half_plus_three.test_client().post("/invocations", data=f'{{"inputs": {inputs}}}', content_type=JSON)
    assert answer.get_json() == {"outputs": [3.5, 4.0]}


def test_columns_of_several_outputs_have_their_names(digits: Flask) -> None:
    pictures = tf.zeros((2, 28, 28)).numpy().tolist()
    answer = digits.test_client().post("/invocations", json={"inputs": {"image": pictures}}).get_json()["outputs"]
    assert {"probabilities", "score", "threshold", "labels", "name", "version"} == answer.keys()
    assert {len(column) for column in answer.values()} == {2}


@pytest.mark.parametrize(
    ("attributes", "status"),
    [
        ("tfs-method=explain", 400),
        ("trace=7,tfs-method=predict", 200),
        ("tfs-model-name=half", 200),
        ("tfs-model-name=model,tfs-model-version=1", 200),
        ("tfs-model-name=other", 404),
        ("tfs-model-version=2", 404),
        ("tfs-colour=red", 200),
        ("tfs-method", 200),
    ],
)
def test_tfs_attributes_are_read_as_the_container_does(half_plus_three: Flask, attributes: str, status: int) -> None:
    headers = {"X-Amzn-SageMaker-Custom-Attributes": attributes, "Content-Type": JSON}
    answer = half_plus_three.test_client().post("/invocations", data='{"instances": [1.0]}', headers=headers)
    assert answer.status_code == status


@pytest.mark.parametrize("shape", [(28, 28), (1, 784), (1, 28, 27), (1, 28, 28, 1), (0,), (3, 2, 28, 28)])
def test_malformed_shapes_are_refused_and_the_next_request_is_answered(digits: Flask, shape: tuple[int, ...]) -> None:
    client = digits.test_client()
    bad = client.post("/invocations", json={"instances": tf.zeros(shape).numpy().tolist()})
    assert bad.status_code == 400
    good = client.post("/invocations", json={"instances": tf.zeros((2, 28, 28)).numpy().tolist()})
    assert len(good.get_json()["predictions"]) == 2


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--model", "/no/such/model.tar.gz"], "no saved_model.pb in /no/such/model.tar.gz"),
        (["--model", str(SHIPPED_MODEL / "card.json")], "not a gzip file|could not be opened|cannot start"),
    ],
    ids=str,
)
def test_an_endpoint_that_cannot_start_says_so_in_a_sentence(arguments: list[str], words: str) -> None:
    with pytest.raises(SystemExit, match=r"^The endpoint cannot start: ") as raised:
        main(arguments)
    assert re.search(words, str(raised.value))


def test_a_port_that_is_none_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["--port", "99999"])
    assert "--port is a number up to 65535" in capsys.readouterr().err


def test_saved_model_eats_the_backends_very_bytes(runtime: Any, drawing: Drawing) -> None:
    x = normalise(drawing("4"))[None]
    answers = SageMakerPredictor("digits", runtime).predict(x, "request-1")
    assert answers.labels[answers.probabilities.argmax()] == "4"
    assert answers.scores[0] >= answers.threshold
    assert answers.served_by == "sagemaker"


def test_an_unknown_endpoint_is_boto3s_validation_error(runtime: Any) -> None:
    with pytest.raises(ClientError) as raised:
        runtime.invoke_endpoint(EndpointName="nobody", Body=b"{}", ContentType=JSON)
    assert raised.value.response["Error"]["Code"] == "ValidationError"
    assert "nobody" in raised.value.response["Error"]["Message"]


@pytest.mark.parametrize("target", [{"TargetVariant": "Blue"}, {"TargetModel": "other.tar.gz"}], ids=str)
def test_a_target_that_does_not_exist_is_boto3s_validation_error(runtime: Any, target: dict[str, str]) -> None:
    with pytest.raises(ClientError) as raised:
        runtime.invoke_endpoint(EndpointName="digits", Body=b"{}", ContentType=JSON, **target)
    assert raised.value.response["Error"]["Code"] == "ValidationError"


def test_the_variant_that_exists_answers(runtime: Any, drawing: Drawing) -> None:
    body = json.dumps({"instances": [normalise(drawing("9")).tolist()]})
    answer = runtime.invoke_endpoint(EndpointName="digits", Body=body, ContentType=JSON, TargetVariant="AllTraffic")
    assert answer["InvokedProductionVariant"] == "AllTraffic"


def test_a_refusal_of_the_model_is_boto3s_model_error(runtime: Any) -> None:
    with pytest.raises(runtime.exceptions.ModelError) as raised:
        runtime.invoke_endpoint(EndpointName="digits", Body=b"whatever", ContentType=JSON)
    assert raised.value.response["OriginalStatusCode"] == 400
    assert "error" in json.loads(raised.value.response["OriginalMessage"])


def test_the_aws_command_invokes_it(runtime: Any, drawing: Drawing, tmp_path: Path) -> None:
    instances = tmp_path / "instances.json"
    instances.write_text(json.dumps({"instances": [normalise(drawing("9")).tolist()]}))
    environment = os.environ | {
        "AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME": runtime.meta.endpoint_url,
        "AWS_ACCESS_KEY_ID": "local",
        "AWS_SECRET_ACCESS_KEY": "local",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    command = "sagemaker-runtime invoke-endpoint --endpoint-name digits --content-type application/json"
    subprocess.run(
        [sys.executable, "-m", "awscli", *command.split(), "--body", f"fileb://{instances}", tmp_path / "answer"],
        env=environment,
        check=True,
        capture_output=True,
        timeout=60,
    )
    (prediction,) = json.loads((tmp_path / "answer").read_text())["predictions"]
    assert prediction["probabilities"].index(max(prediction["probabilities"])) == 9


def test_all_ten_digits_arrive_through_api_boto3_and_saved_model(
    serve: Callable[[Flask], str], digits: Flask, drawing: Drawing, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing but environment variables leads from the API to the endpoint."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME", serve(digits))
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "local")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    api = serve(create_app({"sagemaker_endpoint_name": "digits"}))
    for digit in "0123456789":
        answer = requests.post(
            f"{api}/predictions", data=drawing(digit), headers={"Content-Type": "image/png"}, timeout=10
        ).json()
        assert answer["label"] == digit
        assert answer["model"]["served_by"] == "sagemaker"
