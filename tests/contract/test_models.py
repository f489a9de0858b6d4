"""Several models behind one API: which there are, which one answers, and what costs nothing until it is asked for."""

from __future__ import annotations

import json
import shutil
from io import BytesIO
from typing import TYPE_CHECKING, Any

import pytest

from backend import artifact, contract
from backend.app import create_app
from backend.settings import SHIPPED_MODEL
from tests.contract.misbehaving import LinearModel, Noting, refuse

if TYPE_CHECKING:
    from pathlib import Path

    from flask.testing import FlaskClient

    from tests.contract.misbehaving import Runtime

PNG = {"content_type": "image/png"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two models beside the deployed one: the same weights under other names, "letters" with other labels."""
    put(tmp_path, "twin")
    put(tmp_path, "letters", labels=list("ABCDEFGHIJ"), threshold=0)
    return tmp_path


def put(folder: Path, name: str, **members: Any) -> Path:
    """A copy of the shipped model under another name."""
    place = folder / name
    place.mkdir()
    shutil.copy(SHIPPED_MODEL / "model.tflite", place)
    card = json.loads((SHIPPED_MODEL / "card.json").read_text(encoding="utf-8"))
    (place / "card.json").write_text(json.dumps(card | {"name": name} | members), encoding="utf-8")
    return place


@pytest.fixture
def client(folder: Path) -> FlaskClient:
    return create_app({"models_dir": str(folder)}).test_client()


def names(client: FlaskClient) -> list[str]:
    return [card["name"] for card in client.get(contract.MODELS).json["models"]]


def test_the_deployed_model_is_listed_first_with_its_card(client: FlaskClient) -> None:
    first, *others = client.get(contract.MODELS).json["models"]
    card = json.loads((SHIPPED_MODEL / "card.json").read_text(encoding="utf-8"))
    told = ("name", "version", "labels", "threshold", "network", "parameters", "date", "sources", "metrics")
    assert {name: first[name] for name in told} == {name: card[name] for name in told}
    assert (first["deployed"], first["served_by"]) == (True, "embedded")
    assert first["bytes"] == (SHIPPED_MODEL / "model.tflite").stat().st_size
    assert [(other["name"], other["deployed"]) for other in others] == [("letters", False), ("twin", False)]


def test_the_model_that_is_named_answers(client: FlaskClient, seven: bytes) -> None:
    unnamed, digits, letters = (
        client.post(f"/predictions{query}", data=seven, **PNG).json
        for query in ("", "?model=digits", "?model=letters&include=image")
    )
    assert unnamed["model"] == digits["model"]
    assert (digits["label"], digits["model"]["name"]) == ("7", "digits")
    assert (letters["label"], letters["model"]["name"]) == ("H", "letters")
    assert list(letters["probabilities"]) == list("ABCDEFGHIJ")
    assert letters["image"]
    assert client.post("/predictions?model=twin", data=seven, **PNG).json["model"]["name"] == "twin"


@pytest.mark.parametrize("path", ["/models", "/predictions?model=digits"])
def test_the_deployed_model_is_asked_its_name_with_the_request_s_id(folder: Path, seven: bytes, path: str) -> None:
    model = Noting()
    client = create_app({"models_dir": str(folder)}, model).test_client()
    method = "POST" if "?" in path else "GET"
    client.open(path, method=method, data=seven, headers={"X-Request-Id": "a-1"}, **PNG)
    assert set(model.ids) == {"a-1"}


def test_a_batch_is_answered_by_the_model_that_is_named(client: FlaskClient, seven: bytes) -> None:
    form = {"image": [(BytesIO(seven), "a.png"), (BytesIO(seven), "b.png")]}
    results = client.post("/predictions/batch?model=letters", data=form).json["results"]
    assert [result["prediction"]["label"] for result in results] == ["H", "H"]


@pytest.mark.parametrize("path", ["/predictions", "/predictions/batch"])
def test_an_unknown_model_is_a_404_that_names_those_there_are(client: FlaskClient, seven: bytes, path: str) -> None:
    response = client.post(f"{path}?model=resnet", data=seven, **PNG)
    assert (response.status_code, response.content_type) == (404, contract.PROBLEM_TYPE)
    assert response.json["type"] == "/problems/unknown-model"
    assert response.json["detail"] == 'There is no model "resnet" here; there are: digits, letters, twin.'


@pytest.mark.parametrize("name", ["../digits", "twin/", "Twin", "/", ".", "x" * 1000, "%00"])
def test_a_name_is_no_path(client: FlaskClient, seven: bytes, name: str) -> None:
    response = client.post("/predictions", query_string={"model": name}, data=seven, **PNG)
    assert response.status_code == 404
    assert len(response.json["detail"]) < 120


def test_two_names_are_malformed(client: FlaskClient, seven: bytes) -> None:
    response = client.post("/predictions?model=twin&model=letters", data=seven, **PNG)
    assert (response.status_code, response.json["detail"]) == (400, '"model" takes one name; here are 2.')


def test_numbers_take_no_model(client: FlaskClient, seven: bytes) -> None:
    response = client.post("/numbers?model=twin", data=seven, **PNG)
    assert (response.status_code, response.json["type"]) == (400, "/problems/malformed-request")


def test_what_is_no_model_is_not_listed(folder: Path, seven: bytes) -> None:
    (folder / "notes").mkdir()
    (folder / "broken").mkdir()
    (folder / "broken" / "card.json").write_text("{")
    shutil.copytree(SHIPPED_MODEL, folder / "digits")  # the deployed model's own folder
    assert names(create_app({"models_dir": str(folder)}).test_client()) == ["digits", "letters", "twin"]
    assert names(create_app({"models_dir": str(folder / "nowhere")}).test_client()) == ["digits"]


def test_a_damaged_model_is_a_503_and_the_others_answer(
    folder: Path, seven: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    (folder / "twin" / "model.tflite").write_bytes(b"no model")
    client = create_app({"models_dir": str(folder)}).test_client()
    assert client.post("/predictions?model=twin", data=seven, **PNG).json["type"] == "/problems/model-unavailable"
    assert [str(folder / "twin") in message for message in caplog.messages] == [True]
    assert client.post("/predictions?model=letters", data=seven, **PNG).status_code == 200


def test_a_model_is_read_when_it_is_first_asked_and_once(
    folder: Path, seven: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []
    whole = artifact.read

    def noted(place: Path) -> artifact.Artifact:
        read.append(place.name)
        return whole(place)

    monkeypatch.setattr(artifact, "read", noted)
    client = create_app({"models_dir": str(folder)}, LinearModel()).test_client()
    client.post("/predictions", data=seven, **PNG)
    client.get(contract.MODELS)
    assert read == []
    for _ in range(3):
        client.post("/predictions?model=twin", data=seven, **PNG)
    assert read == ["twin"]


def test_without_litert_the_deployed_model_is_the_only_one(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("backend.catalogue.find_spec", lambda name: None)
    assert names(create_app({"models_dir": str(folder)}, LinearModel()).test_client()) == ["linear"]


def test_a_relayed_model_is_listed_by_what_it_says_and_small_ones_are_embedded(
    runtime: Runtime, folder: Path, seven: bytes
) -> None:
    client = create_app({"sagemaker_endpoint_name": "digits", "models_dir": str(folder)}).test_client()
    first, *others = client.get(contract.MODELS).json["models"]
    assert (first["served_by"], first["deployed"], first["network"]) == ("sagemaker", True, None)
    assert {other["served_by"] for other in others} == {"embedded"}
    relayed = client.post(f"/predictions?model={first['name']}", data=seven, **PNG).json
    assert relayed["model"]["served_by"] == "sagemaker"
    assert client.post("/predictions?model=twin", data=seven, **PNG).json["model"]["served_by"] == "embedded"


def test_while_the_endpoint_fails_the_small_ones_answer(runtime: Runtime, folder: Path, seven: bytes) -> None:
    runtime.behave = refuse(503, "ServiceUnavailable")
    client = create_app({"sagemaker_endpoint_name": "digits", "models_dir": str(folder)}).test_client()
    assert client.post("/predictions?model=twin", data=seven, **PNG).json["label"] == "7"
    assert client.get(contract.MODELS).status_code == 503


def test_a_comparison_is_written_in_the_log_and_left_out_of_the_counters(
    folder: Path, seven: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    config = {"log": "1", "metrics": "Digits", "prometheus": "1", "models_dir": str(folder)}
    client = create_app(config).test_client()
    for query in ("", "?model=twin"):
        client.post(f"/predictions{query}", data=seven, **PNG)
    plain, compared = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert compared["model"].startswith("twin ")
    assert compared["label"] == "7"
    assert ("_aws" in plain, "_aws" in compared) == (True, False)
    page = client.get("/metrics").text
    assert 'api_predictions_total{label="7"} 1.0' in page
    assert 'api_requests_total{method="POST",route="/predictions",status="200"} 2.0' in page
