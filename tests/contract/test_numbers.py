"""Whole numbers over the wire: each way to ask, each answer, the relay, the client and the command."""

from __future__ import annotations

import json
from base64 import b64encode
from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from backend import contract
from backend.app import create_app
from backend.contract import Number
from tests.conftest import scribble
from tests.contract.misbehaving import LABELS, LinearModel, Noting, predictions
from tests.numbers import OVERLAP, sheet, strokes_of, written
from ui.__main__ import main
from ui.client import BlankSheet, Client

if TYPE_CHECKING:
    from pathlib import Path

    from flask import Flask
    from flask.testing import FlaskClient

    from tests.contract.misbehaving import Runtime
    from tests.stand_in import Handler

PNG = {"content_type": "image/png"}


def test_a_number_is_read_raw_from_a_form_and_from_json(client: FlaskClient) -> None:
    picture = written("2026")
    raw = client.post(contract.NUMBERS, data=picture, **PNG).json
    form = client.post(contract.NUMBERS, data={"image": (BytesIO(picture), "a.png")}).json
    body = client.post(contract.NUMBERS, json={"image": b64encode(picture).decode()}).json
    assert raw["number"] == form["number"] == body["number"] == "2026"
    assert raw["digits"] == form["digits"] == body["digits"]
    assert set(raw["digits"][0]) == {"label", "confidence", "probabilities", "box"}
    assert Number.from_json(raw).to_json() == raw
    assert "lines" not in raw


def in_json(picture: bytes, strokes: Any) -> dict[str, Any]:
    return {"image": b64encode(picture).decode(), "strokes": strokes}


def test_strokes_in_json_tell_digits_apart_that_touch(client: FlaskClient) -> None:
    body = in_json(written("858", OVERLAP), strokes_of("858", OVERLAP))
    assert client.post(contract.NUMBERS, json=body).json["number"] == "858"
    assert client.post(contract.NUMBERS, json=body | {"strokes": []}).json["number"] != "858"


@pytest.mark.parametrize(
    "strokes",
    [None, "1,2", [1, 2], [[1, 2]], [[]], [[[1]]], [[[1, 2, 3]]], [[["1", "2"]]], [[[1, 2]]] * 101, [[[1, 2]] * 201]],
)
def test_strokes_that_are_none_are_400(client: FlaskClient, strokes: Any) -> None:
    response = client.post(contract.NUMBERS, json=in_json(written("1"), strokes))
    assert response.status_code == 400
    assert "strokes" in response.json["detail"]


def test_strokes_that_run_far_outside_are_answered(client: FlaskClient) -> None:
    """To and fro, as many and as long as they may be."""
    far = [[[-1e308, 3000], [1e308, -3000]] * (contract.MAX_POINTS // 2)] * contract.MAX_STROKES
    assert client.post(contract.NUMBERS, json=in_json(written("2026"), far)).json["number"] == "2026"


def test_a_blank_sheet_is_422(client: FlaskClient) -> None:
    response = client.post(contract.NUMBERS, data=sheet([]), **PNG)
    assert response.status_code == 422
    assert response.json["type"] == "/problems/blank-image"


def test_a_scribble_is_an_answer_without_a_number(client: FlaskClient) -> None:
    response = client.post(contract.NUMBERS, data=scribble(), **PNG)
    assert response.status_code == 200
    assert response.json["number"] is None
    assert response.json["rejection"]["reason"] in {"not_a_number", "too_much_ink"}


@pytest.mark.parametrize("query", ["allow=plus", "allow=sign,plus", "include=image"])
def test_an_unknown_choice_is_400(client: FlaskClient, query: str) -> None:
    assert client.post(f"{contract.NUMBERS}?{query}", data=written("1"), **PNG).status_code == 400


def test_a_batch_answers_each_picture_by_itself(client: FlaskClient) -> None:
    texts = [b64encode(written("12")).decode(), "AAAA", b64encode(written("7")).decode()]
    results = client.post(contract.NUMBERS_BATCH, json={"images": texts}).json["results"]
    assert [result.get("number", {}).get("number") for result in results] == ["12", None, "7"]
    assert results[1]["problem"]["status"] == 415


def test_a_batch_s_marks_and_request_id_are_those_of_the_request() -> None:
    model = Noting()
    client = create_app({}, model).test_client()
    minus = b64encode(sheet([("12", 90, 20)], [[(20, 90), (70, 90)]])).decode()
    for query, refused in (("", True), ("?allow=point", True), ("?allow=sign", False)):
        body = {"images": [minus, "AAAA"]}
        answer = client.post(contract.NUMBERS_BATCH + query, json=body, headers={"X-Request-Id": "a-1"}).json
        first, second = answer["results"]
        assert ((first["number"]["rejection"] or {}).get("reason") == "sign") is refused
        assert answer["request_id"] == first["number"]["request_id"] == second["problem"]["request_id"] == "a-1"
    client.post(contract.NUMBERS, data=written("1"), headers={"X-Request-Id": "b-2"}, **PNG)
    assert model.ids == ["a-1"] * 3 + ["b-2"]


def test_a_batch_of_numbers_has_so_many_megapixels(client: FlaskClient) -> None:
    large = BytesIO()
    Image.new("L", (5000, 4000), 255).save(large, "PNG")
    images = [b64encode(picture).decode() for picture in (large.getvalue(), large.getvalue(), written("7"))]
    results = client.post(contract.NUMBERS_BATCH, json={"images": images}).json["results"]
    assert [result["problem"]["status"] for result in results] == [422, 413, 413]
    assert results[1]["problem"]["detail"] == "The batch has more than 24 megapixels up to here."


def test_numbers_ask_for_a_key_where_predictions_do() -> None:
    digest = "0" * 64
    guarded = create_app({"api_keys": digest}, LinearModel()).test_client()
    for path in (contract.NUMBERS, contract.NUMBERS_BATCH):
        assert guarded.post(path, data=written("1"), **PNG).status_code == 401


def test_a_number_counts_as_one_request() -> None:
    limited = create_app({"rate_limit": "2 per minute"}, LinearModel()).test_client()
    codes = [limited.post(contract.NUMBERS, data=written("12"), **PNG).status_code for _ in range(3)]
    assert codes == [200, 200, 429]


def test_the_relay_sends_all_pieces_in_one_call(relay: Flask, runtime: Runtime) -> None:
    asked: list[int] = []

    def count(handler: Handler, body: bytes) -> None:
        x = np.array(json.loads(body)["instances"], np.uint8)
        asked.append(len(x))
        handler.send(200, {"predictions": predictions(x)})

    runtime.behave = count
    response = relay.test_client().post(contract.NUMBERS, data=written("2026"), **PNG)
    assert response.status_code == 200
    assert response.json["model"]["served_by"] == "sagemaker"
    assert len(asked) == 1
    assert asked[0] > 4


def test_a_model_of_something_else_reads_no_numbers() -> None:
    class Clothes(LinearModel):
        def predict(self, x: Any, request_id: str = "") -> Any:
            answers = super().predict(x)
            return answers.__class__(**vars(answers) | {"labels": tuple(f"dress {each}" for each in LABELS)})

    response = create_app({}, Clothes()).test_client().post(contract.NUMBERS, data=written("12"), **PNG)
    assert response.status_code == 404
    assert "no digits" in response.json["detail"]


def test_the_client_sends_strokes_as_far_as_they_are_taken(live_api: str) -> None:
    client, picture, strokes = Client(live_api), written("858", OVERLAP), strokes_of("858", OVERLAP)
    slow = [np.repeat(stroke, 100, axis=0).tolist() for stroke in strokes]
    assert min(map(len, slow)) > contract.MAX_POINTS
    for taken in (strokes, slow, [*strokes, []]):
        assert client.read_number(picture, strokes=taken).number == "858"
    assert client.read_number(picture, strokes=strokes * 40).number != "858"


def test_the_client_reads_numbers(live_api: str) -> None:
    client = Client(live_api)
    answer = client.read_number(written("407"))
    assert (answer.number, [digit.label for digit in answer.digits]) == ("407", ["4", "0", "7"])
    with pytest.raises(BlankSheet):
        client.read_number(sheet([]))
    minus = sheet([("12", 90, 20)], [[(20, 90), (70, 90)]])
    assert client.read_number(minus).number is None
    assert client.read_number(minus, allow=["sign"]).number == "-12"
    pictures = [*map(written, ("1", "23", "456")), b"x", minus]
    several = client.read_numbers(pictures, allow=["sign"])
    assert [each.number if isinstance(each, Number) else None for each in several] == ["1", "23", "456", None, "-12"]


@pytest.mark.parametrize(
    "change",
    [
        {"number": 7},
        {"number": None},
        {"confidence": 2},
        {"digits": [{}]},
        {"alternatives": [{"number": "\x07", "confidence": 0.1}]},
        {"lines": [1]},
        {"model": None},
    ],
)
def test_a_foreign_number_is_not_understood(client: FlaskClient, change: dict[str, Any]) -> None:
    from ui import wire

    body = client.post(contract.NUMBERS, data=written("12"), **PNG).json
    assert wire.number(body).number == "12"
    with pytest.raises(wire.Malformed):
        wire.number(body | change)


def test_the_command_reads_numbers(live_api: str, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(written("2026"))
    (tmp_path / "b.png").write_bytes(sheet([("12", 90, 20)], [[(20, 90), (70, 90)]]))
    command = ["--url", live_api, "--numbers"]
    text = CliRunner().invoke(main, [*command, str(tmp_path / "a.png")])
    assert text.output.startswith(f"{tmp_path / 'a.png'}: 2026 (")
    assert text.exit_code == 0
    table = CliRunner().invoke(main, [*command, str(tmp_path)])
    assert [line.split(",")[1] for line in table.output.splitlines()] == ["label", "2026", ""]
    assert table.output.splitlines()[2].endswith(",sign")
    assert table.exit_code == 1
    signed = CliRunner().invoke(main, [*command, "--allow", "sign", "--json", str(tmp_path / "b.png")])
    assert json.loads(signed.output)["number"] == "-12"
