"""Strokes as text, as the canvas' record and as a picture; whatever else a link holds is refused in one way."""

from __future__ import annotations

import io
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some
from PIL import Image

from ui import examples, strokes
from ui.strokes import LONGEST, PEN, SIDE, WIDE, NoDrawing, Stroke

HALVES = some.integers(0, 2 * SIDE).map(lambda halves: halves / 2)
POINTS = some.lists(some.tuples(HALVES, HALVES), min_size=1, max_size=60).map(tuple)
STROKES = some.lists(some.builds(Stroke, POINTS, some.integers(PEN[0], PEN[1])), min_size=1, max_size=8).map(tuple)


@given(STROKES)
def test_what_is_packed_is_unpacked(drawn: tuple[Stroke, ...]) -> None:
    text = strokes.pack(drawn)
    assert strokes.pack(strokes.unpack(text)) == text
    assert text.replace("-", "").replace("_", "").isalnum()
    assert text.isascii()


@given(STROKES)
def test_the_canvas_record_holds_the_same_strokes(drawn: tuple[Stroke, ...]) -> None:
    record = strokes.on_canvas(strokes.unpack(strokes.pack(drawn)))
    assert strokes.pack(strokes.of_canvas(record)) == strokes.pack(drawn)


@given(some.text(max_size=300) | some.from_regex("1[A-Za-z0-9_-]{0,300}", fullmatch=True))
def test_every_other_text_is_no_drawing(text: str) -> None:
    try:
        drawn = strokes.unpack(text)
    except NoDrawing:
        return
    assert strokes.pack(drawn) == text


@pytest.mark.parametrize(
    "text",
    ["", "1", "2FgHIAfIB", "1=", "1 FgHIAfIB", "1FgHIAfIB=", "1FgHIAfI", "1FgD", "section", "%F0%9F", "1" + "_" * 7999],
)
def test_a_cut_or_foreign_text_is_no_drawing(text: str) -> None:
    with pytest.raises(NoDrawing):
        strokes.unpack(text)


def test_a_text_beyond_the_longest_is_not_even_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(strokes, "urlsafe_b64decode", lambda _: pytest.fail("decoded"))
    with pytest.raises(NoDrawing):
        strokes.unpack("1" + "A" * LONGEST)


def test_a_drawing_that_makes_too_long_a_text_has_none() -> None:
    long = Stroke(tuple((x % 400, 37 * x % 400) for x in range(6000)))
    assert strokes.pack([long]) == ""


def test_points_and_pens_beyond_the_sheet_are_brought_back() -> None:
    (stroke,) = strokes.unpack(strokes.pack([Stroke(((-1e9, 1e9), (200, 200)), 900)]))
    assert stroke == Stroke(((-SIDE, 2 * SIDE), (200, 200)), PEN[1])


@pytest.mark.parametrize(
    "record",
    [
        {},
        {"objects": None},
        {"objects": [{}]},
        {"objects": [5]},
        {"objects": [{"path": []}]},
        {"objects": [{"path": "MQL", "strokeWidth": 9}]},
        {"objects": [{"path": [["M", 1, 2], ["L", float("nan"), 3]], "strokeWidth": 9}]},
        {"objects": [{"path": [["M", 1, 2], ["L", 10**400, 3]], "strokeWidth": 9}]},
        {"objects": [{"path": [["M", 1, 2], ["L", 2, 3]], "strokeWidth": float("inf")}]},
    ],
)
def test_a_record_of_something_else_has_no_strokes(record: dict[str, Any]) -> None:
    assert strokes.of_canvas(record) == ()


def test_the_canvas_own_dot_line_and_curve_are_understood() -> None:
    """As version 0.13.0 sends them: a dot is a line of no length, every point but the last the control of a curve."""
    dot = [["M", 49.98, 60], ["L", 50.02, 60]]
    line = [["M", 60, 60], ["Q", 60, 60, 80, 60], ["L", 100, 60]]
    curve = [["M", 59.98, 99.98], ["Q", 60, 100, 80, 95], ["Q", 100, 90, 110, 115], ["L", 120.02, 140.02]]
    drawn = strokes.of_canvas({"objects": [{"path": path, "strokeWidth": 22} for path in (dot, line, curve)]})
    points = [stroke.points for stroke in strokes.unpack(strokes.pack(drawn))]
    assert points == [((50, 60),), ((60, 60), (100, 60)), ((60, 100), (100, 90), (120, 140))]


def test_the_picture_is_a_sheet_of_black_on_white() -> None:
    picture = strokes.picture((Stroke(((200, 200),), 40),))
    image = Image.open(io.BytesIO(picture.data))
    assert image.size == (SIDE, SIDE)
    assert image.getpixel((200, 200)) == 0
    assert image.getpixel((200, 240)) == 255
    ink = sum(255 - value for value in image.tobytes()) / 255
    assert ink == pytest.approx(3.14159 * 20**2, rel=0.05)


@pytest.mark.parametrize("name", examples.EXAMPLES)
def test_an_example_makes_a_short_link(name: str) -> None:
    record = examples.picture(name).strokes
    assert record is not None
    assert 20 < len(strokes.pack(strokes.of_canvas(record))) < 100


def test_a_drawing_of_a_number_keeps_its_width_in_a_link() -> None:
    drawn = (Stroke(((590, 150), (590, 200)), 12),)
    again = strokes.unpack(strokes.pack(drawn))
    assert again == drawn
    image = Image.open(io.BytesIO(strokes.picture(again, size=WIDE).data))
    assert image.size == WIDE
    assert image.getpixel((590, 175)) == 0
