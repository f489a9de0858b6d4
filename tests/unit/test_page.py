"""The page without a browser: its words, its snippets, its memory, and every failure's sentence."""

from __future__ import annotations

import base64
import html
import io
import json
import shlex
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from backend.contract import Model, Prediction, Rejection
from tests.stand_in import StandIn
from ui import answer as words
from ui import client, correction, examples, snippets, strokes, wire
from ui.client import ApiError, Client
from ui.visit import Answer, Picture

pytestmark = pytest.mark.usefixtures("fresh_page")
APP = Path(__file__).parents[2] / "ui" / "app.py"
PREDICTION = Prediction(
    label="7",
    confidence=0.98,
    probabilities={"1": 0.02, "7": 0.98},
    rejection=None,
    model=Model("digits", "2026.11.1", "sagemaker"),
    request_id="r",
    timing_ms={"preprocess": 0.4, "inference": 1.2, "total": 1.9},
)
REJECTED = replace(PREDICTION, label=None, rejection=Rejection("not_a_digit", 0.07))


def png(side: int = 40, colour: Any = 255, kind: str = "PNG", mode: str = "L") -> bytes:
    buffer = io.BytesIO()
    Image.new(mode, (side, side), colour).save(buffer, kind)
    return buffer.getvalue()


def errors(kind: type[ApiError] = ApiError) -> list[type[ApiError]]:
    return [error for each in kind.__subclasses__() for error in (each, *errors(each))]


def page(monkeypatch: pytest.MonkeyPatch, drawn: bytes | None, url: str = "http://127.0.0.1:9") -> AppTest:
    """The page with something on its sheet, before an API that is not there."""
    monkeypatch.setenv("API_URL", url)
    at = AppTest.from_file(str(APP), default_timeout=20)
    if drawn:
        at.session_state["canvas-0"] = canvas(drawn)
    return at.run()


def canvas(drawn: bytes) -> dict[str, Any]:
    """What the canvas sends for one stroke that makes this picture."""
    data = f"data:image/png;base64,{base64.b64encode(drawn).decode()}"
    return {"drawing": {"raw": {"objects": [{}]}, "data": data}, "backgroundFit": None}


def shown(at: AppTest) -> str:
    return html.unescape(" ".join(element.proto.body for element in at.get("html")))


def test_every_error_has_its_apology() -> None:
    assert set(errors()) == set(words.APOLOGIES)


@pytest.mark.parametrize("kind", errors(), ids=lambda kind: kind.__name__)
def test_every_failure_is_shown_as_its_sentence_and_offers_retry_where_that_may_help(
    monkeypatch: pytest.MonkeyPatch, kind: type[ApiError]
) -> None:
    def fail(*_: object, **__: object) -> Prediction:
        raise kind("secret inside")

    monkeypatch.setattr(Client, "predict", fail)
    monkeypatch.setattr(Client, "ready", lambda _: False)
    monkeypatch.setattr("ui.asking.PATIENCE", -1)
    at = page(monkeypatch, png())
    at.button(key="submit").click().run()
    assert words.APOLOGIES[kind].what in shown(at)
    assert "secret inside" not in shown(at)
    assert ("retry" in [button.key for button in at.button]) is not issubclass(kind, client.BadPicture)
    assert not at.exception


def test_submitting_an_empty_sheet_is_a_friendly_state(monkeypatch: pytest.MonkeyPatch) -> None:
    at = page(monkeypatch, None)
    at.button(key="submit").click().run()
    assert words.EMPTY in shown(at)
    assert not at.exception


def test_an_answer_is_shown_with_digit_bars_and_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Client, "predict", lambda *_, **__: PREDICTION)
    monkeypatch.setattr(Client, "collects_feedback", lambda _: False)
    at = page(monkeypatch, png())
    at.button(key="submit").click().run()
    text = shown(at)
    for part in ("Read as 7", "Very sure", "98.0 %", "digits 2026.11.1", "on SageMaker", "model 1.2 ms"):
        assert part in text


def test_the_address_may_come_from_streamlit_s_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("API_URL", raising=False)
    asked = []
    monkeypatch.setattr(Client, "predict", lambda self, *_, **__: asked.append(self.url) or PREDICTION)
    monkeypatch.setattr(Client, "collects_feedback", lambda _: False)
    at = AppTest.from_file(str(APP), default_timeout=20)
    at.secrets["API_URL"] = "https://api.example/dev/"
    at.session_state["canvas-0"] = canvas(png())
    at.run()
    at.button(key="submit").click().run()
    assert asked == ["https://api.example/dev"]


def test_a_wrong_setting_is_a_sentence_and_no_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("API_URL", raising=False)
    monkeypatch.setenv("BACKEND_FALLBACK", "nonsense")
    at = AppTest.from_file(str(APP), default_timeout=20).run()
    assert "This page cannot start its own API." in shown(at)
    assert "BACKEND_FALLBACK" in shown(at)
    assert not at.exception


def test_the_key_is_not_on_the_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("API_KEY", "open-sesame")
    monkeypatch.setattr(Client, "predict", lambda *_, **__: PREDICTION)
    monkeypatch.setattr(Client, "collects_feedback", lambda _: False)
    at = page(monkeypatch, png())
    at.session_state["call"] = True
    at.button(key="submit").click().run()
    assert "$API_KEY" in " ".join(code.value for code in at.code)
    assert "open-sesame" not in str([element.proto for element in at.main])


def test_what_a_model_a_file_or_a_person_says_is_escaped() -> None:
    model = Model("<b>name", "<b>version", "<b>server")
    evil = replace(PREDICTION, label="<b>label", probabilities={"<b>label": 1.0}, model=model)
    answer = Answer(Picture(png(), name="<b>.png"), evil, 0.1, truth="<b>truth")
    parts = [words.page(answer, stale=False), words.table([(answer.picture, evil)]), correction._thanks(answer)]
    parts.append(words.trust(evil, 0.1))
    assert [part.count("&lt;b&gt;") for part in parts] == [4, 2, 1, 3]
    assert not any("<b>" in part for part in parts)


@pytest.mark.parametrize(
    ("url", "key"), [("127.0.0.1:8000", ""), ('"http://127.0.0.1:9"', ""), ("http://127.0.0.1:9", "\u201cabc\u201d")]
)
def test_an_address_or_key_that_cannot_be_used_is_a_sentence(
    monkeypatch: pytest.MonkeyPatch, url: str, key: str
) -> None:
    monkeypatch.setenv("API_URL", url)
    monkeypatch.setenv("API_KEY", key)
    at = AppTest.from_file(str(APP), default_timeout=20).run()
    assert "This page is not set up rightly." in shown(at)
    assert not at.exception


DAMAGED = base64.b64encode(wire.PNG_HEAD + bytes(20)).decode()
MALFORMED: dict[str, Any] = {
    "no JSON": b"<h1>",
    "a list": [],
    "confidence 1e999": json.dumps(PREDICTION.to_json()).replace("0.98", "1e999").encode(),
    "half a character": PREDICTION.to_json() | {"label": "\ud800", "probabilities": {"\ud800": 1.0}},
    "no probabilities": PREDICTION.to_json() | {"probabilities": {}},
    "a label of no list": PREDICTION.to_json() | {"label": "8"},
    "a picture that is none": PREDICTION.to_json() | {"image": "AAAA"},
    "a picture that breaks off": PREDICTION.to_json() | {"image": DAMAGED, "explanation": DAMAGED},
}


@pytest.mark.parametrize("body", MALFORMED.values(), ids=MALFORMED)
def test_a_malformed_answer_is_its_sentence(monkeypatch: pytest.MonkeyPatch, body: Any) -> None:
    with StandIn(lambda handler, _: handler.send(200, body)) as api:
        at = page(monkeypatch, png(), api.url)
        at.button(key="submit").click().run()
    assert "What answers is not this page's API." in shown(at)
    assert not at.exception


def test_a_format_that_is_not_read_has_its_own_remedy_on_the_page() -> None:
    heic = Picture(b"\0\0\0\x18ftypheic", name="IMG_0001.HEIC")
    error = client.BadPicture("")
    assert "Most Compatible" in words.apologise(words.apology(error, heic))
    assert "Most Compatible" in words.table([(heic, error)])
    assert "cannot be read" in words.table([(Picture(b"?"), error)])


SAME: dict[str, Any] = {
    "grey": png(),
    "coloured JPEG": png(mode="RGB", colour=(10, 20, 30), kind="JPEG"),
    "opaque": png(mode="RGBA", colour=(0, 0, 0, 255)),
    "see-through": png(mode="RGBA", colour=(0, 0, 0, 7)),
    "see-through grey": png(mode="LA", colour=(0, 7)),
    "16 bits": png(mode="I;16", colour=3000),
    "no picture": b"?",
}


@pytest.mark.parametrize("data", SAME.values(), ids=SAME)
def test_snippets_carry_the_very_picture(data: bytes) -> None:
    carried = base64.b64decode(snippets.inline(data))
    if data != b"?":
        assert (
            Image.open(io.BytesIO(carried)).convert("RGBA").tobytes()
            == Image.open(io.BytesIO(data)).convert("RGBA").tobytes()
        )
    assert len(carried) <= len(data)


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_snippets_carry_the_turn_of_a_photo(kind: str) -> None:
    exif, buffer = Image.Exif(), io.BytesIO()
    exif[0x0112] = 6
    Image.new("L", (40, 20), 255).save(buffer, kind, exif=exif)
    carried = Image.open(io.BytesIO(base64.b64decode(snippets.inline(buffer.getvalue()))))
    assert carried.getexif().get(0x0112) == 6


def test_a_large_picture_costs_the_snippets_nothing() -> None:
    """A flat PNG of 17 megapixels has 16 kB; a JPEG of as many took 8 s at every turn of the page."""
    flat = png(side=4100)
    assert len(flat) < 4 * snippets.LONGEST
    started = time.process_time()
    assert base64.b64decode(snippets.inline(flat)) == flat
    assert time.process_time() - started < 0.1


def test_no_large_picture_is_kept_for_the_snippets() -> None:
    """Their cache is one for all visits, and would hold it when its visitor is gone."""
    before = snippets.inline.cache_info()
    at = AppTest.from_function(show_snippets, kwargs={"data": bytes(4 * 1024**2)})
    at.session_state["call"] = True
    assert len(at.run().code) == 4
    assert snippets.inline.cache_info() == before


def show_snippets(data: bytes) -> None:
    from ui import snippets
    from ui.visit import Picture

    snippets.show("", Picture(data), with_key=False)


def call(name: str = "a.png", image: str = "", url: str = "http://x", *, with_key: bool = False) -> snippets.Call:
    return snippets.Call(url, image, name, "image/png", with_key)


def test_without_an_api_of_one_s_own_the_snippets_start_with_the_commands_for_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Client, "predict", lambda *_, **__: PREDICTION)
    monkeypatch.setattr(Client, "collects_feedback", lambda _: False)
    at = page(monkeypatch, png(), url="")
    at.session_state["call"] = True
    at.button(key="submit").click().run()
    first, *calls = (code.value for code in at.code)
    assert first == "pip install '.[backend,embedded]'\npython -m backend.server --port 8000"
    assert all("http://127.0.0.1:8000/predictions" in code for code in calls)


def test_file_names_in_snippets_cannot_break_out() -> None:
    name = "it's; rm -rf \".png"
    assert shlex.split(snippets.curl(call(name)))[-2:] == ["--data-binary", f"@{name}"]
    compile(snippets.python(call(name, with_key=True)), "snippet", "exec")
    assert repr(name) in snippets.python(call(name))


@pytest.mark.parametrize("name", examples.EXAMPLES)
def test_an_example_is_a_picture_and_its_strokes_on_the_canvas(name: str) -> None:
    picture = examples.picture(name)
    assert Image.open(io.BytesIO(picture.data)).size == (strokes.SIDE, strokes.SIDE)
    assert picture.strokes is not None
    assert len(picture.strokes["objects"]) == len(examples.EXAMPLES[name])


def test_no_part_of_the_page_is_run_by_a_timer_of_streamlits() -> None:
    """Such a run loses the end of the page's own where they meet: see ui/clock.py."""
    assert [path.name for path in APP.parent.glob("*.py") if "@st.fragment(run_every" in path.read_text("utf-8")] == []
