"""Drawings given with consent: kept once, shown and forgotten by their id, in a folder and in S3."""

from __future__ import annotations

import base64
import json
import resource
from io import BytesIO
from typing import TYPE_CHECKING, Any

import boto3
import openapi_spec_validator
import pytest
from moto.server import ThreadedMotoServer
from PIL import Image

from backend.app import create_app
from backend.preprocessing import normalise
from tests.contract.misbehaving import LinearModel
from tests.stand_in import StandIn

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from flask.testing import FlaskClient

    from tests.conftest import Drawing


@pytest.fixture(scope="module")
def moto() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(params=["folder", "s3"])
def client(request: pytest.FixtureRequest, tmp_path: Path) -> FlaskClient:
    """The API that keeps feedback in a folder, and the same in S3."""
    if request.param == "folder":
        return create_app({"feedback": str(tmp_path / "kept")}, LinearModel()).test_client()
    request.getfixturevalue("aws")
    request.getfixturevalue("monkeypatch").setenv("AWS_ENDPOINT_URL_S3", request.getfixturevalue("moto"))
    bucket = f"feedback-{abs(hash(tmp_path)):x}"
    boto3.Session().client("s3").create_bucket(Bucket=bucket)
    return create_app({"feedback": f"s3://{bucket}/digits"}, LinearModel()).test_client()


def feedback(picture: bytes, label: str = "7", **more: Any) -> dict[str, Any]:
    return {"image": base64.b64encode(picture).decode(), "label": label, "consent": True} | more


def test_what_is_given_is_kept_and_forgotten_on_request(client: FlaskClient, seven: bytes) -> None:
    prediction = client.post("/predictions", data=seven, content_type="image/png").json
    given = client.post("/feedback", json=feedback(seven, prediction=prediction))
    assert given.status_code == 201
    where = f"/feedback/{given.json['id']}"
    kept = client.get(where).json
    assert (kept["id"], kept["label"]) == (given.json["id"], "7")
    assert kept["prediction"]["model"]["name"] == "linear"
    assert (normalise(base64.b64decode(kept["image"])) == normalise(seven)).all()
    assert client.delete(where).status_code == 204
    assert client.get(where).status_code == client.delete(where).status_code == 404


def test_the_same_twice_is_one_entry_and_another_label_another(client: FlaskClient, seven: bytes) -> None:
    ids = [client.post("/feedback", json=feedback(seven, label)).json["id"] for label in ("7", "7", "1")]
    assert ids[0] == ids[1] != ids[2]


@pytest.mark.parametrize("feedback_id", ["0" * 32, "..%2f..%2fetc", "x", "A" * 32, "0" * 31])
def test_an_unknown_id_is_404(client: FlaskClient, feedback_id: str) -> None:
    assert client.get(f"/feedback/{feedback_id}").status_code == 404
    assert client.delete(f"/feedback/{feedback_id}").status_code == 404


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"consent": False}, 400),
        ({"label": ""}, 400),
        ({"label": "../7"}, 400),
        ({"label": "7\n8"}, 400),
        ({"label": "x" * 33}, 400),
        ({"label": 7}, 400),
        ({"image": "AAAA"}, 415),
        ({"prediction": {"label": 7}}, 400),
    ],
    ids=str,
)
def test_what_cannot_be_kept_is_refused(client: FlaskClient, seven: bytes, change: dict[str, Any], status: int) -> None:
    assert client.post("/feedback", json=feedback(seven) | change).status_code == status


def test_without_the_word_consent_nothing_is_kept(client: FlaskClient, seven: bytes) -> None:
    body = feedback(seven)
    del body["consent"]
    assert client.post("/feedback", json=body).status_code == 400


def test_a_blank_sheet_is_422(client: FlaskClient) -> None:
    sheet = BytesIO()
    Image.new("L", (28, 28), 255).save(sheet, "PNG")
    assert client.post("/feedback", json=feedback(sheet.getvalue())).status_code == 422


def test_a_photos_metadata_is_not_kept(tmp_path: Path, drawing: Drawing) -> None:
    photo, exif = BytesIO(), Image.Exif()
    exif[0x010F] = "a camera's maker"
    Image.open(BytesIO(drawing("7", kind="JPEG"))).save(photo, "JPEG", exif=exif)
    client = create_app({"feedback": str(tmp_path)}, LinearModel()).test_client()
    kept = client.post("/feedback", json=feedback(photo.getvalue())).json["id"]
    assert b"a camera's maker" in photo.getvalue()
    assert b"a camera's maker" not in (tmp_path / f"{kept}.png").read_bytes()


def test_a_folder_holds_a_png_and_a_json_line_for_each(tmp_path: Path, seven: bytes) -> None:
    client = create_app({"feedback": str(tmp_path)}, LinearModel()).test_client()
    kept = client.post("/feedback", json=feedback(seven)).json["id"]
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"{kept}.json", f"{kept}.png"]
    text = (tmp_path / f"{kept}.json").read_text(encoding="utf-8")
    assert text.count("\n") == 1
    assert json.loads(text)["label"] == "7"


def test_what_is_forgotten_leaves_no_file(tmp_path: Path, seven: bytes) -> None:
    client = create_app({"feedback": str(tmp_path)}, LinearModel()).test_client()
    kept = client.post("/feedback", json=feedback(seven)).json["id"]
    assert client.delete(f"/feedback/{kept}").status_code == 204
    assert list(tmp_path.iterdir()) == []


def test_the_same_again_leaves_the_first_entry_as_it_is(client: FlaskClient, seven: bytes) -> None:
    model = {"name": "m", "version": "1", "served_by": "embedded"}
    for label in ("7", "1"):
        read_as = {"label": label, "confidence": 0.9, "model": model}
        kept = client.post("/feedback", json=feedback(seven, prediction=read_as)).json["id"]
    assert client.get(f"/feedback/{kept}").json["prediction"]["label"] == "7"


def test_no_other_file_of_the_folder_is_shown_or_deleted(tmp_path: Path) -> None:
    client = create_app({"feedback": str(tmp_path)}, LinearModel()).test_client()
    line = {"id": "notes", "label": "7", "created": "2026-11-25T12:00:00+00:00", "prediction": None}
    (tmp_path / "notes.json").write_text(json.dumps(line))
    (tmp_path / "notes.png").write_bytes(b"")
    assert client.get("/feedback/notes").status_code == client.delete("/feedback/notes").status_code == 404
    assert len(list(tmp_path.iterdir())) == 2


def test_on_a_full_disk_nothing_is_half_kept(tmp_path: Path, seven: bytes) -> None:
    """A file may have 200 bytes: the drawing breaks off in the middle."""
    client = create_app({"feedback": str(tmp_path)}, LinearModel()).test_client()
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200, before[1]))
    try:
        response = client.post("/feedback", json=feedback(seven))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert (response.status_code, response.json["type"]) == (503, "/problems/feedback-unavailable")
    assert not [*tmp_path.glob("*.png"), *tmp_path.glob("*.json")]


def test_a_silent_s3_is_503(aws: None, seven: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("backend.feedback.READ_TIMEOUT", 0.2)
    with StandIn(lambda handler, _: bool(handler.server.ended.wait(20))) as silent:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", silent.url)
        client = create_app({"feedback": "s3://bucket/prefix"}, LinearModel()).test_client()
        assert client.post("/feedback", json=feedback(seven)).status_code == 503
        assert len(silent.requests) == 2, "two attempts"


def test_a_store_that_does_not_work_is_503(
    aws: None, tmp_path: Path, seven: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file where the folder should be; an S3 where nobody listens."""
    (tmp_path / "file").touch()
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9")
    for place in (str(tmp_path / "file"), "s3://bucket/prefix"):
        response = create_app({"feedback": place}, LinearModel()).test_client().post("/feedback", json=feedback(seven))
        assert (response.status_code, response.json["type"]) == (503, "/problems/feedback-unavailable")
        assert response.headers["Retry-After"] == "60"


def test_where_none_is_collected_feedback_is_404(seven: bytes) -> None:
    client = create_app({}, LinearModel()).test_client()
    assert client.post("/feedback", json=feedback(seven)).status_code == 404
    assert client.options("/feedback").status_code == 404


def test_feedback_is_described_where_it_is_collected(client: FlaskClient) -> None:
    described = client.get("/openapi.json").json
    openapi_spec_validator.validate(described)
    assert set(described["paths"]["/feedback/{feedback_id}"]) == {"get", "delete"}
