"""Numbers whose lines run uphill or downhill, as on a turned note, are read as level ones are."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from backend.numbers import parts, skew
from backend.numbers.answers import read_one
from backend.preprocessing import find_ink
from tests.numbers import OVERLAP, sheet, strokes_of, written
from training.data.pictures import encode

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from backend.predictors import EmbeddedPredictor

ANGLES = [-30, -20, -12, -8, 8, 12, 20, 30]


def turned(picture: bytes, angle: float) -> tuple[Image.Image, NDArray[np.float64], NDArray[np.float64]]:
    """The picture turned by degrees, uphill above 0, how its points turn about its middle, and how these then move."""
    with Image.open(BytesIO(picture)) as level:
        after = level.convert("L").rotate(angle, Image.Resampling.BICUBIC, expand=True, fillcolor=255)
        middles = np.array([level.size, after.size]) / 2
    sine, cosine = np.sin(np.radians(angle)), np.cos(np.radians(angle))
    matrix = np.array([[cosine, -sine], [sine, cosine]])
    return after, matrix, middles[1] - middles[0] @ matrix


@pytest.mark.parametrize("angle", ANGLES)
@pytest.mark.parametrize("number", ["42", "2026", "31415"])
def test_a_turned_number_is_read_and_its_digits_are_found_where_they_are(
    embedded: EmbeddedPredictor, number: str, angle: float
) -> None:
    level = read_one(embedded, written(number))
    picture, matrix, shift = turned(written(number), angle)
    answer = read_one(embedded, encode(picture))
    assert answer.number == number
    for before, after in zip(level.digits, answer.digits, strict=True):
        middles = [np.array(digit.box[:2]) + np.array(digit.box[2:]) / 2 for digit in (before, after)]
        assert np.hypot(*(middles[0] @ matrix + shift - middles[1])) < 12  # pixels, of digits of 100


@pytest.mark.parametrize("angle", [-20, 20])
def test_the_strokes_of_a_turned_number_tell_its_digits_apart(embedded: EmbeddedPredictor, angle: float) -> None:
    number = "63804"
    picture, matrix, shift = turned(written(number, OVERLAP), angle)
    strokes = [np.array(stroke) @ matrix + shift for stroke in strokes_of(number, OVERLAP)]
    assert read_one(embedded, encode(picture), strokes).number == number


@pytest.mark.parametrize("place", [20, 60, 150, 260])
def test_lines_of_one_digit_stay_lines_wherever_they_stand(embedded: EmbeddedPredictor, place: float) -> None:
    stairs = [("3", 20, 20), ("8", place, 150), ("6", 2 * place, 280)]
    assert read_one(embedded, sheet(stairs, size=(700, 420))).number == "3\n8\n6"


@pytest.mark.parametrize("angle", [-3, 0, 3])
def test_a_line_that_is_nearly_level_is_read_as_it_is(angle: float) -> None:
    for number in ("42", "2026", "97531", "8"):
        assert skew.turn(parts.find(find_ink(encode(turned(written(number), angle)[0])).ink)) is None, number


def test_a_sheet_full_of_parts_is_not_turned() -> None:
    ink = np.zeros((300, 900), np.uint8)
    for k in range(skew.MOST + 1):
        ink[5 * k : 5 * k + 12, 20 * k : 20 * k + 9] = 255
    assert skew.turn(parts.find(ink)) is None
    assert skew.turn(parts.find(ink[:, : 20 * skew.MOST])) is not None


def test_a_point_goes_where_its_box_comes_from() -> None:
    turn = skew.Turn(np.radians(20), (400, 300), (480, 420))
    points = np.array([[130.0, 170.0], [90.0, 60.0], [400.0, 260.0]])
    for point in points:
        left, top, right, bottom = turn.box(point[None])
        assert (left, top) == (right, bottom)
        assert turn.points(np.array([[left, top]]))[0] == pytest.approx(point)
    level = skew.Turn(0.0, (400, 300), (400, 300))
    assert level.box(points) == pytest.approx((90, 60, 400, 260))


@pytest.mark.parametrize("angle", [-25, 15])
def test_a_turned_digits_box_holds_its_ink_and_little_more(embedded: EmbeddedPredictor, angle: float) -> None:
    picture = turned(written("2047", 40), angle)[0]
    answer = read_one(embedded, encode(picture))
    for digit, alone in zip(answer.digits, "2047", strict=True):
        left, top, width, height = digit.box
        ink = np.asarray(picture.crop((left - 6, top - 6, left + width + 6, top + height + 6))) < 128
        assert ink[4:-4, 4:-4].sum() > 0.98 * ink.sum(), alone
        assert all(edge.any() for edge in (ink[:12], ink[-12:], ink[:, :12], ink[:, -12:])), alone
