"""Drawings given with consent: kept once, shown and forgotten by their id, in a folder and in S3."""

from __future__ import annotations

import base64
import json
import os
import resource
import time
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from io import BytesIO
from typing import TYPE_CHECKING, Any

import boto3
import numpy as np
import openapi_spec_validator
import pytest
from PIL import Image

from backend.app import create_app
from backend.preprocessing import normalise
from backend.stores import FolderStore
from tests.contract.misbehaving import LinearModel
from tests.stand_in import StandIn

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from flask.testing import FlaskClient

    from backend.feedback import FeedbackViews
    from backend.stores import Store
    from tests.conftest import Drawing


@pytest.fixture(params=["folder", "s3"])
def client(request: pytest.FixtureRequest, tmp_path: Path) -> FlaskClient:
    """The API that keeps feedback in a folder, and the same in S3."""
    if request.param == "folder":
        return create_app({"feedback": str(tmp_path / "kept")}, LinearModel()).test_client()
    request.getfixturevalue("aws")
    request.getfixturevalue("monkeypatch").setenv("AWS_ENDPOINT_URL_S3", request.getfixturevalue("moto_url"))
    bucket = f"feedback-{abs(hash(tmp_path)):x}"
    boto3.Session().client("s3").create_bucket(Bucket=bucket)
    return create_app({"feedback": f"s3://{bucket}/digits"}, LinearModel()).test_client()


def feedback(picture: bytes, label: str = "7", **more: Any) -> dict[str, Any]:
    return {"image": base64.b64encode(picture).decode(), "label": label, "consent": True} | more


def judged(**change: Any) -> dict[str, Any]:
    """What a prediction may be, with a change."""
    return {"label": "7", "confidence": 0.9, "model": {"name": "m", "version": "1", "served_by": "embedded"}} | change


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


def test_the_same_twice_has_two_ids_that_nobody_can_compute(client: FlaskClient, seven: bytes) -> None:
    ids = [client.post("/feedback", json=feedback(seven)).json["id"] for _ in range(2)]
    assert ids[0] != ids[1]
    kept = base64.b64decode(client.get(f"/feedback/{ids[0]}").json["image"])
    assert not {sha256(data + b"7").hexdigest()[:32] for data in (seven, kept)} & set(ids)


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
        ({"prediction": judged(label="x" * 101)}, 400),
        ({"prediction": judged(confidence=1e308)}, 400),
        ({"prediction": judged(confidence=-1)}, 400),
        ({"prediction": judged(model={"name": "m" * 101, "version": "1", "served_by": "x"})}, 400),
        ({"prediction": judged(model={"name": "m", "version": "1", "served_by": "x" * 3_000_000})}, 400),
    ],
    ids=lambda value: str(value)[:60],
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
    monkeypatch.setattr("backend.stores.READ_TIMEOUT", 0.2)
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


class Crashing:
    """A store that stops working at its n-th write or deletion, before or after it is done."""

    def __init__(self, store: Store, n: int, *, after: bool) -> None:
        self._store, self._left, self._after = store, n, after

    def _count(self, do: Callable[[], None]) -> None:
        self._left -= 1
        if self._left < 0 or (self._left == 0 and not self._after):
            raise OSError("as told")
        do()
        if self._left == 0:
            raise OSError("as told")

    def write(self, name: str, data: bytes) -> None:
        self._count(lambda: self._store.write(name, data))

    def delete(self, name: str) -> None:
        self._count(lambda: self._store.delete(name))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


def views(client: FlaskClient) -> FeedbackViews:
    found: FeedbackViews = client.application.view_functions["give_feedback"].__self__  # type: ignore[attr-defined]
    return found


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("step", [1, 2])
def test_a_crash_while_forgetting_leaves_what_the_next_try_forgets(
    client: FlaskClient, seven: bytes, step: int, after: bool
) -> None:
    where = f"/feedback/{client.post('/feedback', json=feedback(seven)).json['id']}"
    store = views(client)._store
    views(client)._store = Crashing(store, step, after=after)
    assert client.delete(where).status_code == 503
    views(client)._store = store
    left = {file.name.rpartition(".")[2] for file in store.files()}
    assert (
        left == {(1, False): {"png", "json"}, (1, True): {"json"}, (2, False): {"json"}, (2, True): set()}[step, after]
    )
    if left:
        assert bool(client.get(where).json["image"]) is ("png" in left)
    assert client.delete(where).status_code == (204 if left else 404)
    assert list(store.files()) == []
    assert client.get(where).status_code == 404


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("step", [1, 2])
def test_a_crash_while_keeping_leaves_nothing_for_longer_than_an_hour(
    client: FlaskClient, seven: bytes, step: int, after: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No receipt was given, so nobody could take it back."""
    store = views(client)._store
    views(client)._store = Crashing(store, step, after=after)
    assert client.post("/feedback", json=feedback(seven)).status_code == 503
    views(client)._store = store
    later = time.time() + 3700
    monkeypatch.setattr("backend.feedback.time", lambda: later)
    views(client)._quota._count()
    whole = step == 2 and after
    assert len(list(store.files())) == (2 if whole else 0)


def test_sweeping_spares_what_is_being_written_and_other_peoples_files(tmp_path: Path, seven: bytes) -> None:
    folder = create_app({"feedback": str(tmp_path)}, LinearModel()).test_client()
    kept = folder.post("/feedback", json=feedback(seven)).json["id"]
    old, names = time.time() - 4000, ["notes.json", f"{'a' * 32}.png", f"{'b' * 32}.json", f"{'c' * 16}.part"]
    for name in names:
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (old, old))
    (tmp_path / f"{'d' * 32}.png").touch()
    views(folder)._quota._count()
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {f"{kept}.png", f"{kept}.json", "notes.json", f"{'d' * 32}.png"}


@pytest.mark.parametrize(
    ("name", "most", "status", "slug"),
    [
        ("MOST_ENTRIES", 3, 507, "feedback-full"),
        ("MOST_BYTES", 3000, 507, "feedback-full"),
        ("MOST_A_DAY", 3, 503, "feedback-unavailable"),
    ],
)
def test_a_store_that_holds_enough_says_so(
    client: FlaskClient, seven: bytes, monkeypatch: pytest.MonkeyPatch, name: str, most: int, status: int, slug: str
) -> None:
    monkeypatch.setattr(f"backend.feedback.{name}", most)
    answers = [client.post("/feedback", json=feedback(seven)) for _ in range(30)]
    refused = [answer for answer in answers if answer.status_code != 201]
    assert {(answer.status_code, answer.json["type"]) for answer in refused} == {(status, f"/problems/{slug}")}
    files = list(views(client)._store.files())
    assert len(files) == 2 * (30 - len(refused))
    assert sum(file.size for file in files) <= 3000 or name != "MOST_BYTES"


def test_what_was_kept_before_a_restart_counts(tmp_path: Path, seven: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("backend.feedback.MOST_ENTRIES", 2)
    codes = []
    for _ in range(3):
        client = create_app({"feedback": str(tmp_path)}, LinearModel()).test_client()
        codes.append(client.post("/feedback", json=feedback(seven)).status_code)
    assert codes == [201, 201, 507]


def test_room_that_was_made_is_used_again(client: FlaskClient, seven: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("backend.feedback.MOST_ENTRIES", 1)
    monkeypatch.setattr("backend.feedback.RECOUNT", 0)
    kept = client.post("/feedback", json=feedback(seven)).json["id"]
    assert client.post("/feedback", json=feedback(seven)).status_code == 507
    client.delete(f"/feedback/{kept}")
    assert client.post("/feedback", json=feedback(seven)).status_code == 201


def test_a_drawing_is_kept_no_larger_than_it_came(tmp_path: Path) -> None:
    """Noise of 1024x1024 in 30 kB of WebP is 3 MB as PNG."""
    client = create_app({"feedback": str(tmp_path)}, LinearModel()).test_client()
    blocks = np.kron(np.random.default_rng(3).integers(0, 256, (64, 64, 3)), np.ones((16, 16, 1))).astype(np.uint8)
    for kind in ("WEBP", "JPEG", "GIF"):
        buffer = BytesIO()
        Image.fromarray(blocks).save(buffer, kind, quality=1)
        kept = client.post("/feedback", json=feedback(buffer.getvalue())).json["id"]
        assert (tmp_path / f"{kept}.png").stat().st_size <= len(buffer.getvalue())


def test_eighty_at_once_are_all_kept_whole(tmp_path: Path, seven: bytes) -> None:
    """Three in three hundred failed while they shared the name of a temporary file."""
    app = create_app({"feedback": str(tmp_path)}, LinearModel())
    with ThreadPoolExecutor(8) as pool:
        codes = list(
            pool.map(lambda _: app.test_client().post("/feedback", json=feedback(seven)).status_code, range(80))
        )
    assert codes == [201] * 80
    assert len(list(tmp_path.iterdir())) == 160


def test_no_link_and_no_pipe_is_followed(tmp_path: Path, seven: bytes) -> None:
    client = create_app({"feedback": str(tmp_path)}, LinearModel()).test_client()
    (tmp_path / "secret").write_bytes(b"precious")
    for suffix in ("png", "json"):
        (tmp_path / f"{'a' * 32}.{suffix}").symlink_to(tmp_path / "secret")
        os.mkfifo(tmp_path / f"{'b' * 32}.{suffix}")
    for name in "ab":
        assert client.get(f"/feedback/{name * 32}").status_code == 404
        assert client.delete(f"/feedback/{name * 32}").status_code == 404
    store = FolderStore(tmp_path)
    store.write(f"{'a' * 32}.png", b"mine")
    assert (tmp_path / "secret").read_bytes() == b"precious"
    assert store.read(f"{'a' * 32}.png") == b"mine"


@pytest.mark.parametrize("text", [b"", b'{"id":', b"[]", b"null", b"\xff"], ids=repr)
def test_a_damaged_line_is_shown_as_far_as_it_goes_and_forgotten(tmp_path: Path, seven: bytes, text: bytes) -> None:
    client = create_app({"feedback": str(tmp_path)}, LinearModel()).test_client()
    kept = client.post("/feedback", json=feedback(seven)).json["id"]
    (tmp_path / f"{kept}.json").write_bytes(text)
    shown = client.get(f"/feedback/{kept}").json
    assert (shown["label"], bool(shown["image"])) == ("", True)
    assert client.delete(f"/feedback/{kept}").status_code == 204
    assert list(tmp_path.iterdir()) == []


def test_where_none_is_collected_feedback_is_404(seven: bytes) -> None:
    client = create_app({}, LinearModel()).test_client()
    assert client.post("/feedback", json=feedback(seven)).status_code == 404
    assert client.options("/feedback").status_code == 404


def test_feedback_is_described_where_it_is_collected(client: FlaskClient) -> None:
    described = client.get("/openapi.json").json
    openapi_spec_validator.validate(described)
    assert set(described["paths"]["/feedback/{feedback_id}"]) == {"get", "delete"}


def test_the_log_says_of_which_model_an_answer_was_right_and_nothing_else_of_the_drawing(
    tmp_path: Path, seven: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    """By which corrections are counted for each version; a digit that should have been rejected is a correction."""
    api = create_app({"feedback": str(tmp_path), "log": "1"}, LinearModel()).test_client()
    for label, said in (("7", "7"), ("1", "7"), ("not_a_digit", None), ("not_a_digit", "7")):
        api.post("/feedback", json=feedback(seven, label, prediction=judged(label=said)))
    api.post("/feedback", json=feedback(seven))
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    told = [line.get("judged") for line in lines]
    assert told == [{"model": "m 1", "right": right} for right in (True, False, True, False)] + [None]
    assert not any("image" in line or "label" in line for line in lines)


LEARNT = {
    **{"version": "2026.11.7", "date": "2026-11-27", "learnt": 83, "instead_of": "2026.11.6"},
    **{"reads": 0.94, "read": 0.61, "judged_on": 36},
}


def test_before_the_first_training_nothing_is_learnt(client: FlaskClient, seven: bytes) -> None:
    given = client.post("/feedback", json=feedback(seven)).json["id"]
    assert client.get("/feedback").json["learnt"] == 0
    assert client.get(f"/feedback/{given}").json["used"] is None


def test_what_training_left_is_told_with_each_drawings_use(client: FlaskClient, seven: bytes) -> None:
    given = client.post("/feedback", json=feedback(seven)).json["id"]
    use = {"version": "2026.11.7", "date": "2026-11-27", "how": "learnt"}
    views(client)._store.write("learning.json", json.dumps(LEARNT | {"used": {given: use}}).encode())
    assert client.get("/feedback").json == LEARNT
    assert client.get(f"/feedback/{given}").json["used"] == use


@pytest.mark.parametrize("left", [b"{", b"[]", b'{"learnt": "many"}', b'{"used": {"a": 1}}'])
def test_damaged_learning_is_as_none(client: FlaskClient, seven: bytes, left: bytes) -> None:
    given = client.post("/feedback", json=feedback(seven)).json["id"]
    views(client)._store.write("learning.json", left)
    assert client.get("/feedback").json["learnt"] == 0
    assert client.get(f"/feedback/{given}").json["label"] == "7"
