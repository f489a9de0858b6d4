"""The wire, as a script meets it: every way to send a picture, every answer, every refusal."""

from __future__ import annotations

import base64
import gzip
import json
from io import BytesIO
from typing import TYPE_CHECKING

import numpy as np
import pytest
import requests
from PIL import Image, ImageDraw

from backend import contract
from backend.app import create_app
from backend.contract import BatchPrediction, Prediction
from backend.preprocessing import normalise
from tests.conftest import scribble
from tests.contract import hostile

if TYPE_CHECKING:
    from collections.abc import Callable

    from flask.testing import FlaskClient
    from werkzeug.test import TestResponse

    from tests.conftest import Drawing

PNG = {"content_type": "image/png"}


def picture_of(text: str) -> np.ndarray:
    return np.asarray(Image.open(BytesIO(base64.b64decode(text))))


@pytest.mark.parametrize("digit", "0123456789")
def test_each_digit_is_read(client: FlaskClient, drawing: Drawing, digit: str) -> None:
    body = client.post("/predictions", data=drawing(digit), **PNG).json
    assert body["label"] == digit
    assert body["confidence"] == body["probabilities"][digit] > 0.5
    assert sum(body["probabilities"].values()) == pytest.approx(1, abs=1e-4)
    assert body["rejection"] is None
    assert body["model"]["served_by"] == "embedded"
    assert body["timing_ms"]["total"] > 0


def test_an_answer_reads_back_as_the_contract_says(client: FlaskClient, seven: bytes) -> None:
    body = client.post("/predictions?include=image", data=seven, **PNG).json
    assert Prediction.from_json(body).to_json() == body


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF"])
def test_each_format_is_read_the_same(client: FlaskClient, drawing: Drawing, kind: str) -> None:
    picture = drawing("3", kind=kind)
    assert client.post("/predictions", data=picture, content_type=f"image/{kind.lower()}").json["label"] == "3"


def test_raw_multipart_base64_and_data_url_give_one_answer(client: FlaskClient, seven: bytes) -> None:
    text = base64.b64encode(seven).decode()
    answers = [
        client.post("/predictions", data=seven, **PNG),
        client.post("/predictions", data={"image": (BytesIO(seven), "seven.png")}),
        client.post("/predictions", json={"image": text}),
        client.post("/predictions", json={"image": "\n".join(text[i : i + 76] for i in range(0, len(text), 76))}),
        client.post("/predictions", json={"image": f"data:image/png;base64,{text}"}),
    ]
    assert {answer.status_code for answer in answers} == {200}
    assert len({str(answer.json["probabilities"]) for answer in answers}) == 1


TYPES = [
    "image/png",
    "image/jpg",
    "image/pjpeg",
    "image/x-png",
    "image/*",
    "application/octet-stream",
    "application/x-image",
    "application/x-www-form-urlencoded",
    "binary/octet-stream",
    "text/plain",
    "IMAGE/PNG; charset=utf-8",
    "nonsense",
    "",
    None,
]


@pytest.mark.parametrize("content_type", TYPES)
@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_a_picture_is_read_under_any_type_or_none(
    client: FlaskClient, drawing: Drawing, kind: str, content_type: str | None
) -> None:
    response = client.post("/predictions", data=drawing("3", kind=kind), content_type=content_type)
    assert response.json["label"] == "3"


@pytest.mark.parametrize("content_type", ["application/x-www-form-urlencoded", None, "application/json"])
@pytest.mark.parametrize("before", [b"", b"\xef\xbb\xbf", b"\r\n "])
def test_json_is_read_with_a_byte_order_mark_and_under_curls_type(
    client: FlaskClient, seven: bytes, content_type: str | None, before: bytes
) -> None:
    text = base64.b64encode(seven).decode()
    for path, body in [("/predictions", {"image": text}), ("/predictions/batch", {"images": [text]})]:
        data = before + json.dumps(body).encode()
        assert client.post(path, data=data, content_type=content_type).status_code == 200


@pytest.mark.parametrize(
    "spell",
    [
        lambda data: base64.urlsafe_b64encode(data).decode(),
        lambda data: base64.urlsafe_b64encode(data).decode().rstrip("="),
        lambda data: base64.b64encode(data).decode().rstrip("="),
        lambda data: "\ufeff" + base64.b64encode(data).decode(),
        lambda data: "DATA:image/png;BASE64," + base64.b64encode(data).decode(),
        lambda data: "data:;base64," + base64.urlsafe_b64encode(data).decode(),
        lambda data: " data:image/png;charset=utf-8;base64,\n" + base64.b64encode(data).decode() + "\n",
    ],
)
def test_base64_is_read_however_it_is_spelt(
    client: FlaskClient, drawing: Drawing, spell: Callable[[bytes], str]
) -> None:
    for width in (15, 16, 17):  # whose files end in one, two and no signs of padding, or have other letters
        assert client.post("/predictions", json={"image": spell(drawing("7", width=width))}).json["label"] == "7"


def form(*parts: bytes) -> dict[str, object]:
    """A form as bytes, each part with its head."""
    return {
        "data": b"".join(b"--b\r\n" + part + b"\r\n" for part in parts) + b"--b--\r\n",
        "content_type": "multipart/form-data; boundary=b",
    }


NAMELESS = b'Content-Disposition: form-data; name="image"\r\n\r\n'


@pytest.mark.parametrize("about", [b"", b"Content-Type: image/png\r\n", b"Content-Type: text/plain; charset=utf-8\r\n"])
def test_a_part_without_a_files_name_is_the_picture(client: FlaskClient, seven: bytes, about: bytes) -> None:
    assert client.post("/predictions", **form(about + NAMELESS + seven)).json["label"] == "7"
    other = b'Content-Disposition: form-data; name="note"\r\n\r\nhello'
    assert client.post("/predictions", **form(other, about + NAMELESS + seven)).json["label"] == "7"
    batch = client.post("/predictions/batch", **form(NAMELESS + seven, NAMELESS + b"no", NAMELESS + seven))
    assert outcomes(batch) == ["7", 415, "7"]


def test_a_large_part_is_read_whole(client: FlaskClient) -> None:
    """Over the 64 kB in which a form is decoded, with line breaks and dashes inside."""
    sheet = Image.fromarray(np.random.default_rng(1).integers(0, 2, (1500, 1500), np.uint8) * 255)
    buffer = BytesIO()
    sheet.save(buffer, "PNG")
    picture = buffer.getvalue() + b"\r\n--\r\n--" * 50_000
    assert len(picture) > 600_000
    single = client.post("/predictions", data=picture, **PNG).json
    assert client.post("/predictions", **form(NAMELESS + picture)).json["probabilities"] == single["probabilities"]


@pytest.mark.parametrize("data", [b"", b"--b\r\n", b"--b\r\n" + NAMELESS + b"x", b"--b\r\nno head\r\n\r\nx\r\n--b--"])
def test_a_broken_form_is_400(client: FlaskClient, data: bytes) -> None:
    response = client.post("/predictions", data=data, content_type="multipart/form-data; boundary=b")
    refused(response, 400, "malformed-request")


@pytest.mark.parametrize("encoding", ["gzip", "x-gzip", "GZIP"])
def test_a_body_packed_by_gzip_is_read_in_each_way(client: FlaskClient, seven: bytes, encoding: str) -> None:
    bodies = [
        (seven, "image/png"),
        (json.dumps({"image": base64.b64encode(seven).decode()}).encode(), "application/json"),
        (form(NAMELESS + seven)["data"], "multipart/form-data; boundary=b"),
    ]
    for body, content_type in bodies:
        packed, headers = gzip.compress(body), {"Content-Encoding": encoding}  # type: ignore[arg-type]  # bytes
        assert client.post("/predictions", data=packed, content_type=content_type, headers=headers).json["label"] == "7"


@pytest.mark.parametrize(
    ("data", "encoding", "status", "slug", "words"),
    [
        (b"x", "br", 415, "unsupported-media-type", 'not by "br"'),
        (b"x", "deflate, gzip", 415, "unsupported-media-type", "gzip"),
        (b"not packed", "gzip", 400, "malformed-request", "not packed by gzip"),
        (gzip.compress(bytes(1000))[:-9], "gzip", 400, "malformed-request", "breaks off"),
        (gzip.compress(bytes(5_000_000)), "gzip", 413, "too-large", "unpacks to over 4 MiB"),
        (gzip.compress(bytes(500_000_000), 1), "gzip", 413, "too-large", "unpacks to over 4 MiB"),
        (b"", "gzip", 400, "malformed-request", "breaks off"),
    ],
    ids=["br", "two ways", "not packed", "cut", "5 MB", "500 MB", "empty"],  # a gzip's first bytes hold the time
)
def test_a_packed_body_that_cannot_be_read_is_refused_in_its_own_words(
    client: FlaskClient, data: bytes, encoding: str, status: int, slug: str, words: str
) -> None:
    response = client.post("/predictions", data=data, headers={"Content-Encoding": encoding}, **PNG)
    assert words in refused(response, status, slug)


@pytest.mark.parametrize("path", ["/predictions", "/predictions/batch"])
def test_an_unknown_query_name_is_400_that_names_it(client: FlaskClient, seven: bytes, path: str) -> None:
    detail = refused(client.post(f"{path}?inlcude=image&api_key=1", data=seven, **PNG), 400, "malformed-request")
    assert '"api_key", "inlcude"' in detail
    assert '"include"' in detail


def test_the_bytes_decide_not_the_content_type(client: FlaskClient, drawing: Drawing) -> None:
    assert client.post("/predictions", data=drawing("3", kind="JPEG"), **PNG).json["label"] == "3"


def test_include_image_is_the_picture_that_the_model_saw(client: FlaskClient, seven: bytes) -> None:
    body = client.post("/predictions?include=image", data=seven, **PNG).json
    assert (picture_of(body["image"]) == normalise(seven)).all()
    assert "explanation" not in body


@pytest.mark.parametrize("query", ["include=image,explanation", "include=image&include=explanation"])
def test_include_takes_commas_and_repetition(client: FlaskClient, seven: bytes, query: str) -> None:
    body = client.post(f"/predictions?{query}", data=seven, **PNG).json
    assert picture_of(body["explanation"]).shape == (28, 28)
    assert picture_of(body["explanation"]).max() == 255
    assert "image" in body


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_include_ink_is_what_was_taken_for_ink_in_its_place(client: FlaskClient, drawing: Drawing, kind: str) -> None:
    """A 7 of 280 pixels, reduced to 112: white on black, and nothing but the stroke."""
    body = client.post("/predictions?include=ink", data=drawing("7", kind=kind), **PNG).json
    ink = picture_of(body["ink"])
    sheet = Image.open(BytesIO(drawing("7"))).convert("L").resize((112, 112), Image.Resampling.BOX)
    assert ink.shape == (112, 112)
    assert np.abs(ink.astype(int) - (255 - np.asarray(sheet).astype(int))).mean() < 1
    assert "image" not in body


def test_the_ink_of_a_photo_stands_as_the_photo_is_seen(client: FlaskClient) -> None:
    """EXIF's orientation 6: stored on its side. The ink is at the stored picture's left, which is seen above."""
    exif, buffer, picture = Image.Exif(), BytesIO(), Image.new("L", (400, 200), 255)
    exif[0x0112] = 6
    ImageDraw.Draw(picture).line((40, 60, 120, 140), 0, 16)
    picture.save(buffer, "JPEG", exif=exif)
    ink = picture_of(client.post("/predictions?include=ink", data=buffer.getvalue(), **PNG).json["ink"])
    assert ink.shape == (112, 56)
    assert ink[:50].max() == 255
    assert ink[50:].max() == 0


def test_an_explanation_leaves_the_answer_as_it_is(client: FlaskClient, seven: bytes) -> None:
    plain = client.post("/predictions", data=seven, **PNG).json["probabilities"]
    explained = client.post("/predictions?include=explanation", data=seven, **PNG).json["probabilities"]
    assert explained == pytest.approx(plain, abs=1e-5)


@pytest.mark.parametrize("query", ["include=everything", "include=", "include=image,,explanation"])
def test_an_unknown_extra_is_400(client: FlaskClient, seven: bytes, query: str) -> None:
    refused(client.post(f"/predictions?{query}", data=seven, **PNG), 400, "malformed-request")


def refused(response: TestResponse, status: int, slug: str) -> str:
    """Check that it is this problem, whole; return its sentence."""
    assert response.status_code == status
    assert response.content_type == contract.PROBLEM_TYPE
    assert set(response.json) == {"type", "title", "status", "detail", "request_id"}
    assert response.json["type"] == f"/problems/{slug}"
    assert response.json["status"] == status
    assert response.json["detail"]
    assert response.json["request_id"] == response.headers["X-Request-Id"]
    return str(response.json["detail"])


def test_a_blank_sheet_is_422(client: FlaskClient) -> None:
    sheet = BytesIO()
    Image.new("RGBA", (280, 280), "white").save(sheet, "PNG")
    refused(client.post("/predictions", data=sheet.getvalue(), **PNG), 422, "blank-image")


def test_a_scribble_is_an_answer_without_a_label(client: FlaskClient) -> None:
    body = client.post("/predictions", data=scribble(), **PNG).json
    assert body["label"] is None
    assert body["rejection"]["reason"] == "not_a_digit"
    assert 0 <= body["rejection"]["score"] < 0.5


@pytest.mark.parametrize(
    ("data", "content_type", "status", "slug"),
    [
        (b"GIF89a", "image/gif", 422, "unreadable-image"),
        (b"%PDF-1.7 ...", "image/png", 415, "unsupported-media-type"),
        (b"", "image/png", 400, "malformed-request"),
        (b"abc", "text/plain", 415, "unsupported-media-type"),
        (b"abc", None, 415, "unsupported-media-type"),
        (b"{", "application/json", 400, "malformed-request"),
        (b"[]", "application/json", 400, "malformed-request"),
        (b"{}", "application/json", 400, "malformed-request"),
        (b'{"image": 7}', "application/json", 400, "malformed-request"),
        (b'{"image": "no base64!"}', "application/json", 400, "malformed-request"),
        (b'{"image": ""}', "application/json", 400, "malformed-request"),
        (b'{"image": "data:image/png,AAAA"}', "application/json", 400, "malformed-request"),
        (b'{"image": "AAAA"}', "application/json", 415, "unsupported-media-type"),
        (b"\xff\xfe{}", "application/json", 400, "malformed-request"),
        (b"x", "multipart/form-data; boundary=b", 400, "malformed-request"),
        (b"x", "multipart/form-data", 400, "malformed-request"),
    ],
    ids=str,
)
def test_what_is_no_picture_is_refused(
    client: FlaskClient, data: bytes, content_type: str | None, status: int, slug: str
) -> None:
    refused(client.post("/predictions", data=data, content_type=content_type), status, slug)


def test_a_truncated_picture_is_422(client: FlaskClient, seven: bytes) -> None:
    refused(client.post("/predictions", data=seven[: len(seven) // 2], **PNG), 422, "unreadable-image")


def test_more_pixels_than_are_decoded_are_413_by_the_file_s_head_alone(client: FlaskClient) -> None:
    picture = hostile.png(contract.MAX_PIXELS // 1000 + 1, 1000)  # promised; what follows would be damaged
    detail = refused(client.post("/predictions", data=picture, **PNG), 413, "too-large")
    assert f"{contract.MAX_MEGAPIXELS} are the most" in detail


def test_over_4_mib_is_413_with_a_sentence(client: FlaskClient) -> None:
    detail = refused(client.post("/predictions", data=bytes(contract.MAX_BODY_BYTES + 1), **PNG), 413, "too-large")
    assert "4 MiB" in detail


def test_an_address_with_a_slash_too_many_leads_to_the_right_one(client: FlaskClient) -> None:
    response = client.get("/problems//blank-image")
    assert (response.status_code, response.location) == (308, "http://localhost/problems/blank-image")


@pytest.mark.parametrize("path", ["/health", "/docs", "/openapi.json", "/predictions", "/nowhere"])
def test_no_browser_may_guess_another_type_than_the_answers_own(client: FlaskClient, path: str) -> None:
    assert client.get(path).headers["X-Content-Type-Options"] == "nosniff"


def test_two_pictures_in_one_form_are_400(client: FlaskClient, seven: bytes) -> None:
    data = {"image": [(BytesIO(seven), "a.png"), (BytesIO(seven), "b.png")]}
    assert contract.BATCH in refused(client.post("/predictions", data=data), 400, "malformed-request")


def test_an_unknown_address_is_404(client: FlaskClient) -> None:
    refused(client.get("/predictions/7"), 404, "not-found")


def test_the_wrong_method_is_405_and_names_the_right_one(client: FlaskClient) -> None:
    response = client.get("/predictions")
    refused(response, 405, "method-not-allowed")
    assert set(response.headers["Allow"].split(", ")) == {"POST", "OPTIONS"}


def test_options_names_the_methods(client: FlaskClient) -> None:
    response = client.options("/predictions")
    assert (response.status_code, response.data) == (200, b"")
    assert set(response.headers["Allow"].split(", ")) == {"POST", "OPTIONS"}


def test_head_is_get_without_a_body(client: FlaskClient) -> None:
    response = client.head("/health")
    assert (response.status_code, response.data) == (200, b"")
    assert response.content_length == len(client.get("/health").data)


def test_health_is_ok(client: FlaskClient) -> None:
    assert client.get("/health").json == {"status": "ok"}


def test_ready_names_the_model(client: FlaskClient) -> None:
    body = client.get("/ready").json
    assert body["status"] == "ready"
    assert body["model"]["name"] == "digits"
    assert body["model"]["served_by"] == "embedded"


def test_a_request_id_comes_back(client: FlaskClient, seven: bytes) -> None:
    response = client.post("/predictions", data=seven, headers={"X-Request-Id": "job-7.a_b:c"}, **PNG)
    assert response.headers["X-Request-Id"] == response.json["request_id"] == "job-7.a_b:c"


@pytest.mark.parametrize("given", ["", "a b", "ä", "x" * 65, '"><script>', "a,b"])
def test_a_request_id_that_could_harm_is_replaced(client: FlaskClient, given: str) -> None:
    made = client.get("/health", headers={"X-Request-Id": given}).headers["X-Request-Id"]
    assert made != given
    assert len(made) == 32


# ---- batch


def outcomes(response: TestResponse) -> list[str | int]:
    """Each picture's label, or its problem's status."""
    results = response.json["results"]
    return [r["prediction"]["label"] if "prediction" in r else r["problem"]["status"] for r in results]


def test_a_batch_keeps_the_order_and_one_bad_picture_fails_alone(client: FlaskClient, drawing: Drawing) -> None:
    pictures = [drawing("1"), b"no picture", drawing("2"), drawing("3")[:300], b"", drawing("4")]
    data = {"image": [(BytesIO(picture), f"{n}.png") for n, picture in enumerate(pictures)]}
    response = client.post("/predictions/batch", data=data, headers={"X-Request-Id": "job-7"})
    assert response.status_code == 200
    assert outcomes(response) == ["1", 415, "2", 422, 415, "4"]
    each = [result.get("prediction") or result["problem"] for result in response.json["results"]]
    assert {one["request_id"] for one in each} == {"job-7"}
    assert not any("image" in one for one in each), "nobody asked for it"
    assert BatchPrediction.from_json(response.json).to_json() == response.json


def test_a_json_batch_answers_as_a_form_does(client: FlaskClient, drawing: Drawing) -> None:
    texts = [base64.b64encode(drawing(digit)).decode() for digit in "50"]
    response = client.post("/predictions/batch?include=image", json={"images": [texts[0], "!", texts[1]]})
    assert outcomes(response) == ["5", 400, "0"]
    assert (picture_of(response.json["results"][2]["prediction"]["image"]) == normalise(drawing("0"))).all()


def test_a_batch_answers_as_single_requests_do(client: FlaskClient, drawing: Drawing) -> None:
    data = {"image": [(BytesIO(drawing(digit, 1)), "a.png") for digit in "0123456789"]}
    results = client.post("/predictions/batch", data=data).json["results"]
    for digit, result in zip("0123456789", results, strict=True):
        single = client.post("/predictions", data=drawing(digit, 1), **PNG).json
        assert result["prediction"]["probabilities"] == pytest.approx(single["probabilities"], abs=1e-5)


def test_a_batch_of_bad_pictures_asks_no_model(relay_asked_by_nobody: FlaskClient) -> None:
    """The endpoint's address is wrong, so asking it would be 503."""
    response = relay_asked_by_nobody.post("/predictions/batch", json={"images": ["AAAA", "!"]})
    assert [result["problem"]["status"] for result in response.json["results"]] == [415, 400]


@pytest.fixture
def relay_asked_by_nobody(aws: None, monkeypatch: pytest.MonkeyPatch) -> FlaskClient:
    monkeypatch.setenv("AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME", "http://127.0.0.1:9")
    return create_app({"sagemaker_endpoint_name": "digits"}).test_client()


@pytest.mark.parametrize("n", [0, 65, 10_000])
def test_a_batch_holds_1_to_64(client: FlaskClient, n: int) -> None:
    refused(client.post("/predictions/batch", json={"images": n * ["AAAA"]}), 400, "malformed-request")


def test_a_form_holds_64_pictures_and_1000_parts(client: FlaskClient) -> None:
    for n, status, slug in [(65, 400, "malformed-request"), (1001, 413, "too-large")]:
        form = {"image": [(BytesIO(b"x"), "a.png") for _ in range(n)]}
        refused(client.post("/predictions/batch", data=form), status, slug)


def test_a_batch_has_no_explanations(client: FlaskClient) -> None:
    refused(client.post("/predictions/batch?include=explanation", json={"images": ["AAAA"]}), 400, "malformed-request")


def test_a_batch_has_a_pixel_budget(client: FlaskClient) -> None:
    """Two pictures of 3400x3400 pass; the third is refused undecoded."""
    sheet, buffer = Image.new("L", (3400, 3400), 255), BytesIO()
    sheet.paste(0, (1600, 500, 1800, 3000))
    sheet.save(buffer, "PNG")
    data = {"image": [(BytesIO(buffer.getvalue()), "large.png") for _ in range(4)]}
    results = client.post("/predictions/batch", data=data).json["results"]
    assert ["prediction" in result for result in results] == [True] * 2 + [False] * 2
    assert results[2]["problem"]["status"] == 413


# ---- over real HTTP


def test_requests_over_real_http_are_answered(live_api: str, seven: bytes) -> None:
    response = requests.post(f"{live_api}/predictions", data=seven, headers={"Content-Type": "image/png"}, timeout=60)
    assert response.json()["label"] == "7"


def test_one_connection_carries_many_requests_without_nagle_pauses(live_api: str, seven: bytes) -> None:
    """A delayed acknowledgement would cost 40 ms each."""
    with requests.Session() as session:
        spent = [
            session.post(
                f"{live_api}/predictions", data=seven, headers={"Content-Type": "image/png"}, timeout=60
            ).elapsed
            for _ in range(40)
        ]
    assert sorted(spent)[4].total_seconds() < 0.04  # a busy machine delays some, Nagle's algorithm all
