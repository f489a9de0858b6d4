"""Whole numbers without the wire: parts, cuts, pieces, readings, marks."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image, ImageDraw, ImageFilter, ImageOps

from backend.contract import Number, NumberLine, Prediction, Rejection
from backend.numbers import answers, borders, lattice, marks, parts, reading, strokes
from backend.numbers.answers import read_many, read_one
from backend.numbers.lattice import Piece
from backend.predictions import predict_one
from backend.preprocessing import BlankPicture, find_ink, normalise
from tests.conftest import scribble
from tests.numbers import OVERLAP, sheet, strokes_of, written
from training.data.pictures import encode

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from backend.predictors import Answers, EmbeddedPredictor, Predictor
    from tests.conftest import Drawing


class Counting:
    """A predictor that counts its calls."""

    def __init__(self, predictor: Predictor) -> None:
        self._predictor, self.calls = predictor, 0

    def predict(self, x: NDArray[np.uint8], request_id: str = "") -> Answers:
        self.calls += 1
        return self._predictor.predict(x, request_id)


def flood(mask: NDArray[np.bool_], *, corners: bool) -> int:
    """How many parts a mask has, by walking over it pixel by pixel."""
    left = set(zip(*np.nonzero(mask), strict=True))
    steps = [(y, x) for y in (-1, 0, 1) for x in (-1, 0, 1) if corners or not (y and x)]
    n = 0
    while left:
        n, walk = n + 1, [left.pop()]
        while walk:
            y, x = walk.pop()
            near = {(y + down, x + right) for down, right in steps} & left
            left -= near
            walk += near
    return n


@settings(max_examples=60, deadline=None)
@given(arrays.arrays(bool, st.tuples(st.integers(1, 12), st.integers(1, 12))), st.booleans())
def test_parts_are_those_that_a_walk_finds(mask: NDArray[np.bool_], corners: bool) -> None:
    labels, n = parts.label(mask, corners=corners)
    assert n == flood(mask, corners=corners)
    assert ((labels > 0) == mask).all()
    assert set(np.unique(labels[mask])) == set(range(1, n + 1))
    assert all(flood(labels == each, corners=corners) == 1 for each in range(1, n + 1))


def test_the_readings_probabilities_are_those_of_all_ways() -> None:
    """Three cells, every piece of up to three of them, two labels: all 2 + 2 * 4 + 8 ways told one by one."""
    found = [Piece(a, b, (0, 0, 1, 1)) for a in range(3) for b in range(a + 1, 4)]
    scores = np.random.default_rng(3).normal(size=(len(found), 2))
    by_number: dict[tuple[int, ...], float] = {}

    def walk(cell: int, number: tuple[int, ...], score: float) -> None:
        if cell == 3:
            by_number[number] = by_number.get(number, 0) + np.exp(score)
        for k, piece in enumerate(found):
            if piece.first == cell:
                for label in (0, 1):
                    walk(piece.last, (*number, label), score + scores[k, label])

    walk(0, (), 0.0)
    whole = sum(by_number.values())
    got = lattice.readings(found, scores, 3)
    assert got[0].labels == max(by_number, key=by_number.__getitem__)
    assert [each.probability for each in got] == sorted((each.probability for each in got), reverse=True)
    for each in got[:3]:
        assert each.probability == pytest.approx(by_number[each.labels] / whole, rel=0.02)


@pytest.mark.parametrize("digit", "0123456789")
def test_one_digit_alone_is_a_number_of_one(embedded: EmbeddedPredictor, drawing: Drawing, digit: str) -> None:
    assert read_one(embedded, drawing(digit)).number == digit


@pytest.mark.parametrize("number", ["10", "42", "2026", "31415", "9876543210"])
def test_digits_side_by_side_are_read(embedded: EmbeddedPredictor, number: str) -> None:
    answer = read_one(embedded, written(number))
    assert answer.number == number
    assert answer.rejection is None
    assert answer.confidence > 0.5
    assert [digit.label for digit in answer.digits] == list(number)


@pytest.mark.parametrize("gap", [-6, -14])
@pytest.mark.parametrize("number", ["17", "35", "50", "63", "08", "858", "7298"])
def test_digits_that_touch_or_overlap_are_cut(embedded: EmbeddedPredictor, number: str, gap: float) -> None:
    picture = written(number, gap=gap)
    assert len(parts.find(find_ink(picture).ink).boxes) < len(number)
    assert read_one(embedded, picture).number == number


@pytest.mark.parametrize("shape", [(1, 1), (3, 50), (41, 7)])
def test_a_border_is_looked_for_in_ink_of_any_size(shape: tuple[int, int]) -> None:
    found = borders.find(np.full(shape, 255, np.uint8))
    assert found.shape == shape
    assert found.min() >= 0
    assert found.max() <= 1


@pytest.mark.parametrize("number", ["50", "63", "22"])
def test_a_border_is_likely_where_the_strokes_of_two_digits_meet(number: str) -> None:
    left, right = (np.concatenate(strokes_of(number, -14)[k]) for k in (0, -1))
    middle = (left[0::2].max() + right[0::2].min()) / 2
    with Image.open(BytesIO(written(number, -14))) as image:
        ink = 255 - np.asarray(image.convert("L").resize((image.width * 2 // 5, image.height * 2 // 5)))
    found = np.where(ink > 128, borders.find(ink), 0)
    assert found.max() > 0.5
    assert abs(found.max(axis=0).argmax() - 0.4 * middle) < 8


KNOWN = ["50", "96", "858", "6042", "3914", "0457"]


@pytest.mark.parametrize("number", KNOWN)
def test_digits_that_touch_are_told_apart_by_their_strokes(embedded: EmbeddedPredictor, number: str) -> None:
    picture = written(number, OVERLAP)
    answer = read_one(embedded, picture, strokes_of(number, OVERLAP))
    assert (answer.number, answer.confidence > 0.5) == (number, True)
    assert read_one(embedded, picture).number != number, "the ink alone does not say it"


def test_strokes_are_found_in_a_picture_that_is_reduced(embedded: EmbeddedPredictor) -> None:
    with Image.open(BytesIO(written("858", OVERLAP))) as image:
        large = BytesIO()
        image.resize((9 * image.width, 9 * image.height)).save(large, "PNG")
    strokes = [[[9 * c for c in point] for point in stroke] for stroke in strokes_of("858", OVERLAP)]
    assert read_one(embedded, large.getvalue(), strokes).number == "858"


def test_strokes_of_another_drawing_change_nothing(embedded: EmbeddedPredictor) -> None:
    picture, own = written("350", -6), strokes_of("350", -6)
    alone = read_one(embedded, picture).digits
    assert alone != read_one(embedded, picture, own).digits
    moved = [[[x, y + 60] for x, y in stroke] for stroke in own]
    for others in (moved, own[:1], [[[1e9, -1e9], [-1e300, 1e300]]], [[[0, 0]]]):
        assert read_one(embedded, picture, others).digits == alone


def test_a_digit_of_many_strokes_is_one_digit(embedded: EmbeddedPredictor) -> None:
    """Drawn in short lines, more than a piece has cells; and coloured in."""
    outline = strokes_of("2")[0]
    dashes = [outline[k : k + 2] for k in range(len(outline) - 1)]
    assert len(dashes) > 9
    assert read_one(embedded, written("2"), dashes).number == "2"
    hatched = [outline, *([[x - 3, y], [x + 3, y]] for x, y in outline[3:9])]
    assert read_one(embedded, written("2"), hatched).number == "2"


def test_each_pixel_goes_to_the_nearest_stroke() -> None:
    """Two upright strokes that run into each other, and a bar that nobody drew."""
    ink = np.zeros((30, 60), np.uint8)
    ink[5:25, 10:20] = 255
    ink[10, 40:55] = 255
    (line,) = parts.lines(parts.find(ink))
    drawn = strokes.draw([np.array([[3, -5], [3, 40]]), np.array([[8, 0], [8, 20]])], line.parts.labels.shape)
    divided, single = strokes.divide(line._replace(pen=6), drawn)
    assert single.tolist() == [True, True, False]
    assert divided.parts.boxes.tolist() == [[0, 0, 6, 20], [6, 0, 10, 20], [30, 5, 45, 6]]
    assert ((divided.parts.labels > 0) == (line.parts.labels > 0)).all()


def test_a_box_is_where_the_digit_stands_in_the_picture(embedded: EmbeddedPredictor) -> None:
    """Also in a picture that is reduced before it is read."""
    small = Image.open(BytesIO(written("47")))
    large = BytesIO()
    small.resize((5 * small.width, 5 * small.height)).save(large, "PNG")
    for data, scale in ((written("47"), 1), (large.getvalue(), 5)):
        image = np.asarray(Image.open(BytesIO(data)).convert("L"))
        for digit in read_one(embedded, data).digits:
            left, top, width, height = digit.box
            ink = np.argwhere(image[top : top + height, left : left + width] < 128)
            assert np.abs(ink.min(axis=0)).max() <= 5 * scale
            assert np.abs(np.array([height, width]) - 1 - ink.max(axis=0)).max() <= 5 * scale


def test_several_lines_are_read_from_top_to_bottom(embedded: EmbeddedPredictor) -> None:
    answer = read_one(embedded, sheet([("204", 20, 20), ("17", 60, 190), ("5", 30, 360)]))
    assert answer.lines is not None
    assert [line.number for line in answer.lines] == ["204", "17", "5"]
    assert answer.number == "204\n17\n5"
    assert answer.confidence == pytest.approx(np.prod([line.confidence for line in answer.lines]), abs=1e-5)


def in_cells(pen: ImageDraw.ImageDraw) -> None:
    for x in (10, 170, 330, 490):
        pen.line((x, 30, x, 270), fill=90, width=3)
    for y in (30, 270):
        pen.line((10, y, 490, y), fill=90, width=3)


def punched(pen: ImageDraw.ImageDraw) -> None:
    for y in (60, 310):
        pen.ellipse((560, y, 590, y + 30), fill=60)


def on_a_screen(pen: ImageDraw.ImageDraw) -> None:
    pen.text((20, 5), "9:41", fill=0, font_size=16)
    for x in range(40, 500, 100):
        pen.ellipse((x, 350, x + 34, 384), fill=x // 3)


def dotted(pen: ImageDraw.ImageDraw) -> None:
    for x in range(8, 600, 40):
        for y in range(8, 400, 40):
            pen.ellipse((x, y, x + 11, y + 11), fill=100)


def a_large_palette(pen: ImageDraw.ImageDraw) -> None:
    for x in range(20, 500, 100):
        pen.ellipse((x, 310, x + 80, 390), fill=x // 3)
    pen.rectangle((480, 2, 590, 12), fill=0)


SHADED = ("40", "083", "2530", "6174", "980", "330", "5268")
BESIDE: dict[str, Callable[[ImageDraw.ImageDraw], None]] = {
    "the cells of a form": in_cells,
    "a line under it": lambda pen: pen.line((20, 235, 480, 239), fill=0, width=6),
    "punched holes": punched,
    "what a screen shows": on_a_screen,
    "discs as large as the digits and a bar": a_large_palette,
    "the dots of dotted paper": dotted,
    "a stain": lambda pen: pen.ellipse((500, 200, 590, 290), outline=190, width=6),
    "a pencil": lambda pen: pen.line((560, -10, 590, 410), fill=50, width=22),
    "an eraser": lambda pen: pen.rectangle((520, 300, 600, 400), fill=60),
}


@pytest.mark.parametrize("beside", BESIDE)
@pytest.mark.parametrize("number", ["204", "571"])
def test_what_is_beside_a_number_is_no_part_of_it(embedded: EmbeddedPredictor, number: str, beside: str) -> None:
    page = Image.new("L", (600, 400), 255)
    for k, digit in enumerate(number):
        page.paste(Image.open(BytesIO(written(digit))).convert("L"), (20 + 160 * k, 80))
    BESIDE[beside](ImageDraw.Draw(page))
    answer = read_one(embedded, encode(page))
    assert answer.number == number, answer


@pytest.mark.parametrize("number", ["204", "571", "96"])
def test_a_hand_in_the_corner_is_no_digit_beside_small_ones(embedded: EmbeddedPredictor, number: str) -> None:
    page = Image.new("L", (1000, 750), 235)
    with Image.open(BytesIO(written(number))) as large:
        page.paste(large.convert("L").reduce(2).point(lambda tone: min(tone, 235)), (200, 300))
    ImageDraw.Draw(page).ellipse((700, 620, 1200, 1100), fill=110)
    tones = np.asarray(page) * np.linspace(1, 0.8, 1000) + np.random.default_rng(5).normal(0, 3, (750, 1000))
    photo = encode(Image.fromarray(tones.clip(0, 255).astype(np.uint8)), "JPEG", quality=85)
    assert read_one(embedded, photo).number == number


def in_shadow(number: str, pen: float, ends: tuple[float, float], blur: float) -> bytes:
    """A photo of a number: a shadow of half the light right of a line between points of the top and the bottom edge."""
    page = ImageOps.expand(Image.open(BytesIO(written(number, 40, pen))).convert("L"), 60, 255)
    shade = Image.new("L", page.size, 235)
    top, bottom = (end * page.width for end in ends)
    corners = [(top, 0), (2 * page.width, 0), (2 * page.width, page.height), (bottom, page.height)]
    ImageDraw.Draw(shade).polygon(corners, fill=125)
    light = np.asarray(shade.filter(ImageFilter.GaussianBlur(blur)), float) / 255
    grain = np.random.default_rng(3).normal(0, 3, light.shape)
    return encode(
        Image.fromarray(((30 + np.asarray(page) * 0.85) * light + grain).clip(0, 255).astype(np.uint8)), "JPEG"
    )


@pytest.mark.parametrize("pen", [8, 20])
@pytest.mark.parametrize("blur", [1, 10], ids=["sharp", "soft"])
@pytest.mark.parametrize("ends", [(0.3, 0.2), (0.45, 0.6), (0.75, 0.75), (0.9, 0.1)])
def test_a_number_is_read_whole_where_a_shadow_falls_over_some_of_it(
    embedded: EmbeddedPredictor, ends: tuple[float, float], blur: float, pen: float
) -> None:
    read = {number: read_one(embedded, in_shadow(number, pen, ends, blur)).number for number in SHADED}
    assert [number for number in SHADED if read[number] not in (number, None)] == []
    assert sum(read[number] == number for number in SHADED) >= len(SHADED) - 1, read


def test_a_minus_under_a_number_and_a_point_are_none_of_what_is_beside_it(embedded: EmbeddedPredictor) -> None:
    lines, minus = [("12", 90, 20), ("5", 90, 190)], [(20, 255), (75, 256)]
    assert read_one(embedded, sheet(lines, [minus]), allowed=("sign",)).number == "12\n-5"
    point = [(120, 122), (124, 125)]
    assert read_one(embedded, sheet([("3", 20, 20), ("4", 150, 20)], [point]), allowed=("point",)).number == "3.4"


MARKS: dict[str, list[list[tuple[float, float]]]] = {  # between digits of 100 pixels that stand on 130, of usual sizes
    "a slash": [[(76, 0), (-8, 148)]],
    "a colon": [[(30, 60), (32, 62)], [(30, 110), (32, 112)]],
    "a quote": [[(32, 24), (30, 56)]],
    "a bracket": [[(12, 8), (30, 40), (36, 78), (30, 116), (12, 148)]],
    "a dash": [[(12, 86), (52, 84)]],
    "a plus": [[(10, 85), (54, 85)], [(32, 63), (32, 107)]],
}


@pytest.mark.parametrize("mark", MARKS)
@pytest.mark.parametrize("number", ["24", "35", "86"])
def test_a_mark_among_digits_is_no_digit(embedded: EmbeddedPredictor, number: str, mark: str) -> None:
    """Alone, a slash or a bracket is a 1 to most eyes."""
    first, second = (strokes_of(digit) for digit in number)
    right = max(x for stroke in first for x, _ in stroke)
    moved = [[(x + right + 110, y) for x, y in stroke] for stroke in second]
    beside = [[(x + right + 34, y) for x, y in stroke] for stroke in MARKS[mark]]
    assert read_one(embedded, sheet([], [*first, *moved], size=(460, 180))).number == number
    answer = read_one(embedded, sheet([], [*first, *beside, *moved], size=(460, 180)))
    assert answer.number is None, answer
    assert answer.rejection
    assert answer.rejection.reason in ("not_a_number", "sign")


def test_a_1_of_any_usual_size_and_lean_stays_a_digit(embedded: EmbeddedPredictor) -> None:
    first, second = strokes_of("2"), [[(x + 150, y) for x, y in stroke] for stroke in strokes_of("8")]
    for lean in (-5, 0, 10, 20):
        for tall in (85, 100, 110):
            one = [(125.0 + lean, 130.0 - tall), (125.0, 130.0)]
            answer = read_one(embedded, sheet([], [*first, one, *second], size=(420, 180)))
            assert answer.number == "218", (lean, tall, answer)


def test_a_digit_at_the_border_stays_part_of_the_number(embedded: EmbeddedPredictor) -> None:
    """Also one that runs out of the picture at two sides, however thick the pen."""
    for number, gap in (("47", 25), ("90", 60)):
        image = Image.open(BytesIO(written(number, gap=gap))).convert("L")
        cut = image.crop((24, 24, image.width, image.height))
        assert len(read_one(embedded, encode(cut)).digits) == 2, number


def test_an_answer_reads_back_as_the_contract_says(embedded: EmbeddedPredictor) -> None:
    for answer in (
        read_one(embedded, written("36")),
        read_one(embedded, sheet([("20", 20, 20), ("17", 60, 190)])),
        read_one(embedded, scribble()),
    ):
        assert Number.from_json(answer.to_json()) == answer


def test_a_minus_and_a_point_are_read_where_they_are_allowed(embedded: EmbeddedPredictor) -> None:
    minus = [[(20, 90), (70, 90)]]
    point = [[(270, 128), (274, 131)]]
    picture = sheet([("12", 90, 20), ("5", 300, 20)], [*minus, *point])
    both = read_one(embedded, picture, allowed=("sign", "point"))
    assert both.number == "-12.5"
    assert [digit.label for digit in both.digits] == ["-", "1", "2", ".", "5"]
    assert read_one(embedded, picture).rejection is not None
    refused = read_one(embedded, picture, allowed=("point",))
    assert refused.number is None
    assert refused.rejection is not None
    assert refused.rejection.reason == "sign"


def test_a_plus_is_a_sign(embedded: EmbeddedPredictor) -> None:
    """And a 4, which has a cross in it too, is none, nor is a plus between digits."""
    plus = [[(20, 80), (70, 82)], [(45, 55), (43, 105)]]
    assert read_one(embedded, sheet([("27", 110, 20)], plus), allowed=("sign",)).number == "+27"
    rejection = read_one(embedded, sheet([("27", 110, 20)], plus)).rejection
    assert rejection is not None
    assert rejection.reason == "sign"
    assert read_one(embedded, written("427"), allowed=("sign",)).number == "427"
    between = [[(130, 80), (180, 82)], [(155, 55), (153, 105)]]
    assert read_one(embedded, sheet([("7", 20, 20), ("2", 210, 20)], between), allowed=("sign",)).number != "7+2"


def test_no_piece_has_ink_on_both_sides_of_a_column_of_paper() -> None:
    rows, _ = reading.rows(find_ink(written("10", gap=25)).ink)
    edge = rows[0].cells.boxes[0, 2]
    assert all(piece.box[2] <= edge or piece.box[0] >= edge for piece in rows[0].pieces)


def test_more_than_twelve_digits_are_no_number(embedded: EmbeddedPredictor) -> None:
    answer = read_one(embedded, written("7171717171717"))
    assert answer.number is None
    assert answer.rejection is not None
    assert answer.rejection.reason == "too_many_digits"


def test_a_scribble_is_no_number(embedded: EmbeddedPredictor) -> None:
    answer = read_one(embedded, scribble())
    assert answer.number is None
    assert answer.rejection is not None
    assert answer.digits == []


def test_a_page_full_of_ink_asks_for_a_bounded_number_of_pieces(embedded: EmbeddedPredictor) -> None:
    rng = np.random.default_rng(8)
    strokes = [rng.uniform(10, 890, (12, 2)) * (1, 0.3) for _ in range(60)]
    counting = Counting(embedded)
    answer = read_one(counting, sheet([], strokes, size=(900, 280)))
    assert counting.calls == 1
    assert answer.number is None
    rows, _ = reading.rows(find_ink(sheet([], strokes, size=(900, 280))).ink)
    assert sum(len(row.pieces) for row in rows) <= lattice.MOST


def test_one_call_reads_all_pieces_of_all_lines(embedded: EmbeddedPredictor) -> None:
    counting = Counting(embedded)
    read_one(counting, sheet([("20", 20, 20), ("17", 60, 190)]))
    assert counting.calls == 1


def test_a_batch_reads_as_each_alone_in_few_calls(embedded: EmbeddedPredictor, monkeypatch: pytest.MonkeyPatch) -> None:
    pictures = [written("12"), b"no picture", written("345"), written("6")]
    counting = Counting(embedded)
    results = read_many(counting, pictures).results
    assert counting.calls == 1
    assert [result.number and result.number.number for result in results] == ["12", None, "345", "6"]
    assert results[1].problem is not None
    assert results[1].problem.status == 415
    monkeypatch.setattr(answers, "AT_ONCE", 1)
    again = Counting(embedded)
    assert [r.number and r.number.number for r in read_many(again, pictures).results] == ["12", None, "345", "6"]
    assert again.calls == 3


def test_a_blank_sheet_has_no_number(embedded: EmbeddedPredictor) -> None:
    with pytest.raises(BlankPicture):
        read_one(embedded, sheet([]))


def test_a_digit_alone_is_seen_as_a_prediction_sees_it(drawing: Drawing) -> None:
    picture = drawing("3")
    rows, factor = reading.rows(find_ink(picture).ink)
    whole = [k for k, piece in enumerate(rows[0].pieces) if piece[:2] == (0, len(rows[0].cells.boxes))]
    assert factor in (1, 2)
    assert np.abs(rows[0].x[whole[0]].astype(int) - normalise(picture)).mean() < 3


def test_a_rejected_line_rejects_the_sheet() -> None:
    fine = NumberLine("12", 0.9, [], None, [])
    answer = answers.joined([fine, NumberLine(None, 0.1, [], Rejection("not_a_number", 0.01), [])])
    assert answer.number is None
    assert answer.rejection is not None


def test_a_prediction_of_several_digits_says_so(embedded: EmbeddedPredictor) -> None:
    """And a scribble, which is one part, does not."""
    for number in ("42", "906"):
        prediction = predict_one(embedded, written(number))
        assert prediction.rejection is not None
        assert prediction.rejection.reason == "several_digits"
        assert prediction.rejection.ask == "/numbers"
        assert 0 < prediction.rejection.score < 1
        assert Prediction.from_json(prediction.to_json()) == prediction
    rejection = predict_one(embedded, scribble()).rejection
    assert rejection is not None
    assert rejection.reason == "not_a_digit"


def marks_of(*rectangles: tuple[int, int, int, int]) -> list[str]:
    """Rectangles (left, top, width, height) beside two upright bars of 100 pixels -> the marks, from left to right."""
    ink = np.zeros((140, 400), np.uint8)
    for left, top, width, height in ((100, 0, 40, 100), (200, 0, 40, 100), *rectangles):
        ink[top : top + height, left : left + width] = 255
    found, rest = marks.find(parts.Line(parts.find(ink), 0, 0, 100, 10))
    assert len(found) + len(rest.parts.boxes) == len(parts.find(ink).boxes)
    return [mark.label for mark in sorted(found, key=lambda mark: mark.box)]


@pytest.mark.parametrize(
    ("rectangle", "mark"),
    [
        ((20, 40, 50, 20), "-"),
        ((20, 35, 60, 29), "-"),
        ((15, 34, 60, 31), ""),  # too high
        ((20, 40, 32, 20), "-"),
        ((20, 40, 31, 20), ""),  # too short
        ((20, 65, 50, 20), "-"),
        ((20, 66, 50, 20), ""),  # too low
        ((20, 14, 50, 20), ""),  # too high up
        ((47, 40, 50, 20), "-"),
        ((48, 40, 50, 20), ""),  # too near
        ((145, 40, 50, 20), marks.DASH),  # between digits
        ((165, 88, 12, 12), "."),
        ((165, 70, 12, 12), "."),
        ((165, 68, 12, 12), ""),  # too high up
        ((155, 88, 29, 12), "."),
        ((155, 88, 31, 12), ""),  # too wide
        ((165, 60, 12, 44), "."),  # a comma
        ((165, 60, 12, 46), ""),
        ((260, 88, 12, 12), ""),  # after all digits
        ((80, 88, 12, 12), ""),  # before all digits
    ],
    ids=str,
)
def test_a_mark_is_known_by_its_size_and_place(rectangle: tuple[int, int, int, int], mark: str) -> None:
    assert marks_of(rectangle) == [mark] * bool(mark)


@pytest.mark.parametrize(
    ("rectangles", "mark"),
    [
        ([(20, 45, 50, 10), (40, 25, 10, 50)], "+"),
        ([(15, 45, 75, 10), (48, 13, 10, 75)], "+"),
        ([(15, 45, 76, 10), (48, 12, 10, 76)], ""),  # as large as a 4
        ([(20, 45, 50, 10), (40, 25, 10, 50), (60, 65, 10, 10), (50, 65, 10, 5)], ""),  # a corner has ink
        ([(20, 45, 50, 10), (20, 25, 10, 50)], ""),  # an arm at the side: its corners have ink
        ([(20, 45, 30, 10), (40, 25, 10, 25), (49, 50, 21, 25)], ""),  # no arm goes over
    ],
    ids=str,
)
def test_a_plus_has_two_long_arms_and_blank_corners(rectangles: list[tuple[int, int, int, int]], mark: str) -> None:
    assert marks_of(*rectangles) == [mark] * bool(mark)


def test_a_line_of_marks_alone_keeps_them() -> None:
    ink = np.zeros((100, 200), np.uint8)
    ink[40:60, 20:80] = 255
    line = parts.Line(parts.find(ink), 0, 0, 100, 10)
    assert marks.find(line) == ([], line)
