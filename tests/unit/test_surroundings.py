"""What phones, scanners, screenshots and drawing programs put around a digit is no part of it, and changes nothing."""

from __future__ import annotations

import json
from io import BytesIO
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image, ImageChops, ImageDraw, ImageFilter, ImageOps

from backend import surroundings
from backend.decoding import BlankPicture
from backend.preprocessing import normalise, normalise_image
from training.data.pictures import encode, ink_alone, photograph, plot
from training.data.strokes import draw, fit

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

HANDS = json.loads((Path(__file__).parents[1] / "strokes.json").read_text(encoding="utf-8"))
CUBIC = Image.Resampling.BICUBIC
FAR = 12  # of 255, on average: what two cuts of one digit may differ by; another digit's picture differs by 40


def digit(n: int, side: float = 150, canvas: int = 280, width: float = 0) -> Image.Image:
    """One of the ten, in the middle of the sheet; its pen a twelfth as wide unless said."""
    styles = HANDS[str(n % 10)]
    strokes = [np.array(stroke, float) for stroke in styles[n // 10 % len(styles)]]
    return draw(fit(strokes, side, (canvas / 2, canvas / 2)), width or side / 12, canvas=canvas)


def blank() -> Image.Image:
    return Image.new("L", (280, 280), 255)


def outlined(sheet: Image.Image, margin: int, width: int, colour: int = 0) -> Image.Image:
    right, bottom = sheet.width - 1 - margin, sheet.height - 1 - margin
    ImageDraw.Draw(sheet).rectangle((margin, margin, right, bottom), outline=colour, width=width)
    return sheet


def with_line(sheet: Image.Image, *line: float, width: int = 3, colour: int = 60) -> Image.Image:
    ImageDraw.Draw(sheet).line(line, fill=colour, width=width)
    return sheet


def with_area(sheet: Image.Image, *corners: tuple[int, int], colour: int = 20) -> Image.Image:
    ImageDraw.Draw(sheet).polygon(corners, fill=colour)
    return sheet


def scanned(sheet: Image.Image) -> bytes:
    """A dark left edge with a soft rim, noise, JPEG."""
    rim = np.clip((np.arange(280) - 12) / 4, 0, 1)
    noise = np.random.default_rng(0).normal(0, 2, (280, 280))
    return encode(Image.fromarray(np.clip(np.asarray(sheet) * rim - 8 + noise, 0, 255).astype(np.uint8)), "JPEG")


def ruled(sheet: Image.Image) -> Image.Image:
    page = blank()
    for y in range(20, 280, 47):
        with_line(page, 0, y, 280, y + 2, width=2, colour=160)
    return ImageChops.darker(page, sheet)


def patterned(sheet: Image.Image, *, dots: bool, tone: int = 170) -> Image.Image:
    """On paper with squares or dots, a little turned, as a photo."""
    page = Image.new("L", (400, 400), 255)
    pen = ImageDraw.Draw(page)
    for at, other in product(range(5, 400, 24), range(5, 400, 24)):
        if dots:
            pen.ellipse((at - 1, other - 1, at + 1, other + 1), fill=tone - 40)
        else:
            pen.rectangle((at, other, at + 24, other + 24), outline=tone, width=2)
    tones = np.asarray(ImageChops.darker(page.rotate(3, CUBIC).crop((60, 60, 340, 340)), sheet), float)
    grain = np.random.default_rng(3).normal(0, 2, tones.shape)
    return Image.fromarray(np.clip(tones * np.linspace(0.97, 0.75, 280) + grain, 0, 255).astype(np.uint8))


def captioned(sheet: Image.Image) -> Image.Image:
    ImageDraw.Draw(sheet).text((10, 4), "Draw a digit, please", fill=0, font_size=16)
    return sheet


def with_palette(sheet: Image.Image) -> Image.Image:
    for k in range(5):
        ImageDraw.Draw(sheet).ellipse((12 + 40 * k, 257, 34 + 40 * k, 279), fill=30 * k)
    return sheet


def held(sheet: Image.Image) -> bytes:
    """A finger in the corner, JPEG."""
    ImageDraw.Draw(sheet).ellipse((-50, 220, 50, 340), fill=120)
    return encode(sheet, "JPEG", quality=85)


def lying_beside(sheet: Image.Image, *line: float) -> bytes:
    """A pencil, far thicker than the digit's pen, as a photo."""
    return photograph(with_line(sheet, *line, width=34, colour=70), np.random.default_rng(6))


def punched(sheet: Image.Image) -> Image.Image:
    for y in (60, 220):
        ImageDraw.Draw(sheet).ellipse((4, y - 12, 28, y + 12), fill=50)
    return sheet


def stained(sheet: Image.Image) -> Image.Image:
    """A pale ring below the digit, as a cup leaves it."""
    ring = blank()
    ImageDraw.Draw(ring).ellipse((190, 225, 270, 305), outline=200, width=6)
    return ImageChops.darker(sheet, ring)


def shaded(sheet: Image.Image) -> bytes:
    """The shadow of the telephone, over a third of a side."""
    shadow = Image.new("L", (280, 280), 255)
    ImageDraw.Draw(shadow).polygon([(70, 280), (100, 70), (210, 80), (230, 280)], fill=170)
    light = np.asarray(shadow.filter(ImageFilter.GaussianBlur(6)), float) / 255
    grain = np.random.default_rng(7).normal(0, 2, light.shape)
    return encode(Image.fromarray((np.asarray(sheet) * 0.9 * light + grain + 5).clip(0, 255).astype(np.uint8)), "JPEG")


def in_hand(sheet: Image.Image, *fingers: tuple[int, int, int, int], skin: int = 150) -> bytes:
    """A note in a dark room, held by fingers, each an oval."""
    page = Image.new("L", (520, 400), 60)
    page.paste(sheet.point(lambda tone: 25 + 0.85 * tone).rotate(4, CUBIC, fillcolor=240), (120, 50))
    for finger in fingers:
        ImageDraw.Draw(page).ellipse(finger, fill=skin)
    grain = np.random.default_rng(2).normal(0, 3, (400, 520))
    return encode(Image.fromarray((np.asarray(page) + grain).clip(0, 255).astype(np.uint8)), "JPEG", quality=85)


def in_cells(sheet: Image.Image) -> Image.Image:
    page = blank()
    for at in (-10, 60, 220, 290):
        with_line(page, at, 0, at, 280, width=3, colour=120)
        with_line(page, 0, at, 280, at, width=3, colour=120)
    return ImageChops.darker(page, sheet)


def on_grey(sheet: Image.Image) -> Image.Image:
    page = blank()
    page.paste(200, (50, 40, 230, 245))
    return ImageChops.darker(page, sheet)


def on_table(sheet: Image.Image) -> bytes:
    """A note on something grey and coarse."""
    tones = np.random.default_rng(2).normal(90, 12, (400, 520))
    page = Image.fromarray(np.clip(tones, 0, 255).astype(np.uint8))
    page.paste(sheet.point(lambda tone: 30 + 0.8 * tone), (190, 70))
    return encode(page, "JPEG", quality=85)


def as_plot(sheet: Image.Image, colours: str) -> Image.Image:
    return plot(ImageOps.invert(sheet), np.random.default_rng({"light": 11, "dark": 1, "viridis": 0}[colours]))


AROUND: dict[str, Callable[[Image.Image], Image.Image | bytes]] = {
    "frame of one pixel": lambda sheet: outlined(sheet, 0, 1),
    "thick frame, JPEG": lambda sheet: encode(outlined(sheet, 0, 9, 60), "JPEG", quality=80),
    "frame on three sides": lambda sheet: with_line(outlined(sheet, 0, 4), 4, 278, 275, 278, width=4, colour=255),
    "box": lambda sheet: outlined(sheet, 20, 3),
    "box in a box": lambda sheet: outlined(outlined(sheet, 10, 3), 25, 1),
    "box, leaning": lambda sheet: ImageChops.darker(sheet, outlined(blank(), 45, 3).rotate(5, CUBIC, fillcolor=255)),
    "box, JPEG": lambda sheet: encode(outlined(sheet, 20, 3), "JPEG", quality=75),
    "grey box": on_grey,
    "dark edge of a scan": scanned,
    "dark edge, aslant": lambda sheet: with_area(sheet, (0, 0), (20, 0), (8, 280), (0, 280)),
    "dark desk below": lambda sheet: with_area(sheet, (0, 250), (280, 250), (280, 280), (0, 280), colour=90),
    "black corners, 8 degrees": lambda sheet: sheet.rotate(8, CUBIC, fillcolor=0).rotate(-8, CUBIC, fillcolor=0),
    "line below": lambda sheet: with_line(sheet, 0, 240, 280, 237),
    "line through its foot": lambda sheet: with_line(sheet, 0, 210, 280, 212),
    "line at its side": lambda sheet: with_line(sheet, 30, 0, 33, 280),
    "ruled paper": ruled,
    "squared paper": lambda sheet: patterned(sheet, dots=False),
    "squared paper, darker": lambda sheet: patterned(sheet, dots=False, tone=130),
    "dotted paper": lambda sheet: patterned(sheet, dots=True),
    "words above": captioned,
    "palette below": with_palette,
    "speck in the corner": lambda sheet: with_area(sheet, (4, 4), (10, 4), (10, 10), (4, 10)),
    "finger in the corner": held,
    "pencil beside it": lambda sheet: lying_beside(sheet, 245, -20, 265, 300),
    "pencil from a corner": lambda sheet: lying_beside(sheet, 180, 300, 300, 215),
    "punched holes": punched,
    "line under it": lambda sheet: with_line(sheet, 70, 222, 210, 225, width=6, colour=0),
    "stain": stained,
    "shadow of a telephone": shaded,
    "cut off at the border": lambda sheet: with_line(sheet, 262, 20, 290, 90, width=12, colour=0),
    "cell of a table": in_cells,
    "note in a hand": lambda sheet: in_hand(sheet, (220, 315, 280, 420)),
    "note in two hands": lambda sheet: in_hand(sheet, (40, 190, 150, 250), (370, 190, 480, 250)),
    "note in hands that hide its corners": lambda sheet: in_hand(sheet, (80, 290, 160, 460), (350, 290, 430, 460)),
    "note in dark hands": lambda sheet: in_hand(sheet, (40, 190, 150, 250), (370, 190, 480, 250), skin=90),
    "note on a table": on_table,
    "dark plot": lambda sheet: as_plot(sheet, "dark"),
    "light plot": lambda sheet: as_plot(sheet, "light"),
    "plot in viridis": lambda sheet: as_plot(sheet, "viridis"),
    "photo of a line": lambda sheet: photograph(with_line(sheet, 0, 245, 280, 245), np.random.default_rng(4)),
    "photo with a dark edge": lambda sheet: photograph(
        with_line(sheet, 4, 0, 4, 280, width=9), np.random.default_rng(4)
    ),
}


def seen(picture: Image.Image | bytes) -> NDArray[np.uint8]:
    return normalise(picture if isinstance(picture, bytes) else encode(picture))


def differing(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> float:
    return float(np.abs(one.astype(int) - other).mean())


@pytest.mark.parametrize("invert", [False, True], ids=["dark", "light"])
@pytest.mark.parametrize(
    ("height", "grain"),
    [(8, 0), *((height, grain) for height in (10, 16, 28, 64, 110, 200) for grain in (0, 8)), (400, 0)],
)
def test_a_digit_that_fills_its_picture_is_seen_as_with_paper_around_it(height: int, invert: bool, grain: int) -> None:
    """As a program cuts it out that looks for digits; but for upright 1s, which leave no paper at all."""
    for n in (n for n in range(30) if n % 10 != 1):
        cut = ImageOps.invert(ink_alone(ImageOps.invert(digit(n)), height))
        tones = np.asarray(cut) + np.random.default_rng(n).normal(0, grain, cut.size[::-1])
        cut = Image.fromarray(np.clip(tones, 0, 255).astype(np.uint8))
        wide = ImageOps.expand(cut, height, fill=255)
        given = ImageOps.invert(cut) if invert else cut
        assert differing(normalise_image(given), normalise_image(wide)) < FAR, n


@pytest.mark.parametrize("side", [48, 96])
def test_a_small_photo_in_uneven_light_is_still_one(side: int) -> None:
    for n in range(10):
        light = np.linspace(0.55, 1, side)[None, :] * np.linspace(1, 0.8, side)[:, None]
        small = np.asarray(digit(n).resize((side, side)), float) * light
        assert differing(normalise_image(Image.fromarray(small.astype(np.uint8))), normalise_image(digit(n))) < FAR, n


@pytest.mark.parametrize("least", [0.1, 0.3])
def test_light_that_falls_off_is_no_digit_that_fills_its_picture(least: float) -> None:
    for n in range(10):
        light = np.linspace(1, least, 400)[None, :] ** np.linspace(0.8, 1.2, 400)[:, None]
        photo = np.asarray(digit(n).resize((400, 400)), float) * light
        assert differing(normalise_image(Image.fromarray(photo.astype(np.uint8))), normalise_image(digit(n))) < FAR, n


def test_two_colours_of_one_grey_are_an_empty_sheet_to_a_small_picture() -> None:
    halves = Image.new("RGB", (20, 20), (255, 0, 0))
    halves.paste((0, 130, 0), (0, 0, 10, 20))
    assert len(halves.convert("L").getcolors()) == 1
    with pytest.raises(BlankPicture):
        normalise_image(halves)


def test_the_bar_of_a_7_that_goes_along_the_whole_edge_is_no_dark_edge() -> None:
    seven = np.full((64, 44), 255, np.uint8)
    seven[:8] = 0
    for row in range(64):
        seven[row, 36 - row // 3 : 44 - row // 3] = 0
    ink = normalise_image(Image.fromarray(seven))
    assert np.count_nonzero(ink[:8].max(axis=0)) >= 12


@pytest.mark.parametrize("held", [False, True])
@pytest.mark.parametrize("angle", [0, 3, 12, 30, 45, 80])
def test_a_sheet_is_told_from_other_shapes_however_it_is_turned(angle: int, held: bool) -> None:
    sheet, disc = Image.new("L", (128, 100)), Image.new("L", (128, 100))
    ImageDraw.Draw(sheet).rectangle((36, 26, 90, 72), fill=255)
    ImageDraw.Draw(disc).ellipse((36, 26, 90, 72), fill=255)
    turned = np.asarray(sheet.rotate(angle)) > 127
    found = surroundings.laid(turned, held=held)
    assert found is not None
    assert np.count_nonzero(found ^ turned) < 0.05 * np.count_nonzero(turned)
    assert surroundings.laid(np.asarray(disc.rotate(angle)) > 127, held=held) is None


def test_a_sheet_that_holds_nothing_or_fills_the_picture_is_no_note_on_a_table() -> None:
    empty = blank()
    ImageDraw.Draw(empty).rectangle((60, 60, 220, 200), fill=20)
    assert (normalise_image(empty) > 200).mean() > 0.3  # a block of ink, as it was drawn
    assert surroundings.laid(np.ones((100, 128), bool), held=True) is None
    assert surroundings.laid(np.zeros((100, 128), bool), held=True) is None


# The sheet's corners, clockwise, beyond a picture of 280 pixels where they are not in it.
SHEETS = {
    "its left side": ((50, -50), (400, -50), (400, 400), (30, 400)),
    "its lower side": ((-50, -50), (400, -50), (400, 240), (-50, 225)),
    "a corner": ((45, 55), (400, 30), (400, 400), (70, 400)),
    "two opposite sides": ((40, -50), (235, -50), (255, 400), (60, 400)),
    "three sides": ((-50, 60), (240, 40), (255, 235), (-50, 255)),
}


@pytest.mark.parametrize(("wood", "invert"), [(0, False), (0, True), (25, False), (25, True)])
@pytest.mark.parametrize("seen_of_it", SHEETS)
def test_a_sheet_that_goes_on_outside_of_the_picture_is_told_from_what_it_lies_on(
    seen_of_it: str, wood: int, invert: bool
) -> None:
    inside = Image.new("L", (280, 280))
    ImageDraw.Draw(inside).polygon(SHEETS[seen_of_it], fill=255)
    grain = 90 + wood * np.sin(np.mgrid[0:280, 0:280][0] / 5)
    for n in range(10):
        sheet = digit(n, 110).point(lambda tone: 30 + 195 * tone // 255)
        picture = Image.composite(sheet, Image.fromarray(grain.astype(np.uint8)), inside)
        given = ImageOps.invert(picture) if invert else picture
        assert differing(normalise_image(given), normalise_image(digit(n, 110))) < FAR, n


NOTES = {
    "yellow on white": ((250, 225, 90), (240, 240, 238)),
    "pink on light grey": ((250, 150, 180), (205, 205, 205)),
    "white on light grey": ((235, 235, 235), (200, 200, 200)),
    "grey on white": ((190, 190, 190), (240, 240, 240)),
    "blue on light brown": ((130, 190, 235), (215, 185, 145)),
}


@pytest.mark.parametrize("light", [1, 0.7], ids=["even light", "light from the left"])
@pytest.mark.parametrize("kind", NOTES)
def test_a_note_of_another_colour_than_the_desk_is_told_from_it_also_where_it_is_as_light(
    kind: str, light: float
) -> None:
    note, desk = NOTES[kind]
    for n in range(10):
        ink = digit(n, 110)
        sheet = Image.composite(Image.new("RGB", ink.size, note), Image.new("RGB", ink.size, (30, 30, 35)), ink)
        table = Image.new("RGB", (420, 360), desk)
        table.paste(sheet.rotate(7, CUBIC, expand=True, fillcolor=desk), (60, 20))
        tones = np.asarray(table) * np.linspace(1, light, 420)[None, :, None]
        tones = tones + np.random.default_rng(n).normal(0, 3, tones.shape[:2])[..., None]
        given = encode(Image.fromarray(tones.clip(0, 255).astype(np.uint8)), "JPEG", quality=85)
        assert differing(seen(given), normalise_image(ink.rotate(7, CUBIC, fillcolor=255))) < FAR, n


def test_a_shadow_with_a_sharp_edge_through_a_digit_is_no_end_of_its_sheet() -> None:
    shade = np.where(np.mgrid[0:400, 0:400][1] < 210, 1, 0.65)
    grain = np.random.default_rng(1).normal(0, 3, (400, 400))
    kept = 0
    for n in range(30):
        lit = 30 + 0.75 * np.asarray(digit(n, 190, 400), float)
        ink = normalise_image(Image.fromarray((lit * shade + grain).clip(0, 255).astype(np.uint8)))
        kept += differing(ink, normalise_image(digit(n, 190, 400))) < FAR
    assert kept >= 27


def test_the_loop_of_a_6_is_no_sheet_with_something_on_it() -> None:
    """Seven of MNIST's 10,000 test digits were one once, and what was read was their hole."""
    for n, side in product((6, 8, 9, 16, 18, 19, 26, 28, 29), (14, 16, 18, 20)):
        sheet = ImageOps.invert(digit(n, side, 28, width=3))
        assert differing(normalise_image(sheet), normalise_image(ImageOps.expand(sheet, 40))) < 1, (n, side)


def test_an_8_of_a_thick_pen_is_no_sheet_of_its_soft_rim() -> None:
    for n, width in product((8, 18, 28), (28, 32, 36)):
        sheet = digit(n, 120, width=width)
        assert differing(normalise_image(sheet), normalise_image(ImageOps.expand(sheet, 40, fill=255))) < 1, (n, width)


def test_strips_between_rules_and_what_is_lit_softly_are_no_sheets() -> None:
    page = np.asarray(ruled(blank()))
    assert surroundings.laid(page > 200, held=True) is None
    x = np.linspace(-64, 64, 128)[None, :].repeat(100, 0)
    lit = (200 / (1 + np.exp(-x / 4))).astype(np.uint8)
    cut = np.where(x > 0, 200, 0).astype(np.uint8)
    sheet = surroundings.laid(lit > 100, held=True)
    assert sheet is not None
    assert surroundings.sharpness(lit, sheet) < 0.6 * 200 < surroundings.sharpness(cut, sheet)


def test_the_upright_part_of_a_turned_sheet_holds_what_is_kept() -> None:
    sheet = np.asarray(Image.new("L", (60, 40), 255).rotate(15, expand=True)) > 127
    for kept in ((30, 20, 40, 30), (4, 20, 10, 30)):
        left, top, right, bottom = surroundings.upright(sheet, kept)
        assert left <= kept[0] < kept[2] <= right
        assert top <= kept[1] < kept[3] <= bottom
    left, top, right, bottom = surroundings.upright(sheet, (30, 20, 40, 30))
    assert sheet[top:bottom, left:right].all()


@pytest.mark.parametrize("kind", AROUND)
def test_what_is_around_a_digit_is_no_part_of_it(kind: str) -> None:
    apart = [differing(seen(AROUND[kind](digit(n, 130))), normalise_image(digit(n, 130))) for n in range(10)]
    assert np.mean(apart) < FAR, apart
    assert np.median(apart) < FAR * 2 / 3, apart


def test_the_dot_of_an_i_a_question_mark_and_a_semicolon_is_no_dirt() -> None:
    for gap, stem in ((20, 120), (50, 120), (60, 60)):
        sheet = blank()
        ImageDraw.Draw(sheet).ellipse((132, 40, 148, 56), fill=0)
        with_line(sheet, 140, 56 + gap, 140, 56 + gap + stem, width=14, colour=0)
        assert np.count_nonzero(seen(sheet)[:8].max(axis=1)) > 2


def test_a_digit_of_dots_or_of_spray_stays_whole() -> None:
    grid = (np.indices((280, 280)) % 9 < 6).all(axis=0)
    spray = np.random.default_rng(5).random((280, 280)) < 0.2
    for n in range(10):
        ink = np.asarray(digit(n, 190, width=24)) < 128
        for some in (grid, spray):
            given = Image.fromarray(np.where(ink & some, 0, 255).astype(np.uint8))
            box, whole = ImageOps.invert(given).getbbox(), seen(given) > 0
            assert box
            assert (
                abs(whole.any(axis=0).sum() / whole.any(axis=1).sum() - (box[2] - box[0]) / (box[3] - box[1])) < 0.2
            ), n


def test_a_digit_far_from_another_is_no_dirt() -> None:
    two = Image.new("L", (560, 280), 255)
    two.paste(digit(7), (0, 0))
    two.paste(digit(3, 60), (280, 0))
    assert np.count_nonzero(seen(two).max(axis=1)) < 14


@pytest.mark.parametrize("angle", [8, 20, -20])
@pytest.mark.parametrize("expand", [False, True])
def test_black_corners_of_a_turned_scan_are_no_ink(angle: int, expand: bool) -> None:
    for n in range(10):
        turned = digit(n, 120).rotate(angle, CUBIC, expand=expand, fillcolor=0)
        white = digit(n, 120).rotate(angle, CUBIC, expand=expand, fillcolor=255)
        assert differing(seen(turned), seen(white)) < FAR, n


@pytest.mark.parametrize("shift", [(95, 0), (-95, 10), (0, 90), (20, -90)])
def test_a_digit_that_runs_out_of_the_sheet_stays_whole(shift: tuple[int, int]) -> None:
    """Also a 5 of two strokes, one of which touches the edge: to the byte what its ink's bounding box holds."""
    for n in range(30):
        cut = ImageChops.offset(digit(n), *shift)
        margin = Image.new("L", (300, 300), 255)
        margin.paste(cut.crop(_kept(shift)), _kept(shift)[:2])
        sheet = margin.crop(_kept(shift))
        page = Image.new("L", (400, 400), 255)
        page.paste(sheet, (60, 60))
        assert (seen(sheet) == normalise_image(page)).all(), n


def _kept(shift: tuple[int, int]) -> tuple[int, int, int, int]:
    """What of the sheet did not come in again at the other side."""
    x, y = shift
    return max(x, 0), max(y, 0), 280 + min(x, 0), 280 + min(y, 0)


def test_a_box_alone_and_a_zero_are_themselves() -> None:
    for sheet in (outlined(Image.new("L", (280, 280), 255), 60, 12), digit(0)):
        ink = 255 - np.asarray(sheet)
        assert seen(sheet).sum() == pytest.approx(normalise_image(Image.fromarray(ink)).sum())


def test_ink_in_a_box_on_the_canvas_is_what_is_read() -> None:
    from tests.benchmarks.drawings import canvas_png

    boxed, plain = outlined(digit(4, 120), 40, 4), digit(4, 120)
    assert (normalise(canvas_png(boxed.convert("RGBA"))) == normalise_image(plain)).all()


@pytest.mark.parametrize("size", [(1500, 800), (3840, 2160), (800, 3000)])
@pytest.mark.parametrize("side", [30, 60])
@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_a_small_digit_on_a_large_page_is_seen_in_full(size: tuple[int, int], side: int, kind: str) -> None:
    for n in range(10):
        small = digit(n, side, side * 4 // 3)
        page = Image.new("L", size, 255)
        page.paste(small, (size[0] // 3 + 17 * n, size[1] // 4 + 11 * n))
        assert differing(seen(encode(page, kind)), normalise_image(small)) < FAR / 2, n


SEE_THROUGH = [(0, 1, 2), (0, 1, 2, 3), (1, 3)]


@pytest.mark.parametrize("sides", SEE_THROUGH)
@pytest.mark.parametrize("invert", [False, True])
def test_see_through_edges_of_a_sheet_are_its_paper(sides: tuple[int, ...], invert: bool) -> None:
    for n in range(10):
        sheet = ImageChops.invert(digit(n)) if invert else digit(n)
        pixels = np.array(sheet.convert("RGBA"))
        for side in sides:
            np.rot90(pixels, side)[:2, :, 3] = 0
        assert differing(seen(Image.fromarray(pixels)), normalise_image(sheet)) < 1


@pytest.mark.parametrize("ink", [0, 255])
def test_strokes_on_a_see_through_sheet_are_ink(ink: int) -> None:
    for n in (1, 4, 8):
        strokes = Image.new("LA", (280, 280), (ink, 0))
        strokes.putalpha(ImageChops.invert(digit(n)))
        assert differing(seen(strokes), normalise_image(digit(n))) < 1


FAINT: dict[str, Callable[[NDArray[np.uint8]], NDArray[np.uint8] | NDArray[np.uint16]]] = {
    "8 of 16 bits": lambda x: x.astype(np.uint16),
    "10 of 16 bits": lambda x: x.astype(np.uint16) * 4,
    "12 of 16 bits": lambda x: x.astype(np.uint16) * 16,
    "16 bits from 20,000 to 21,000": lambda x: (20_000 + x * 4.0).astype(np.uint16),
    "mask of 0 and 1": lambda x: (x < 128).astype(np.uint8),
    "ten shades": lambda x: (230 + x / 25).astype(np.uint8),
}


@pytest.mark.parametrize("kind", FAINT)
def test_faint_is_not_empty(kind: str) -> None:
    for n in range(10):
        faint = Image.fromarray(FAINT[kind](np.asarray(digit(n))))
        assert differing(seen(faint), normalise_image(digit(n))) < FAR / 2


def test_faint_with_noise_is_seen_and_noise_alone_is_not() -> None:
    noise = np.random.default_rng(0).normal(240, 1, (280, 280))
    ink = (255 - np.asarray(digit(3))) / 255
    assert differing(seen(Image.fromarray((noise - 18 * ink).astype(np.uint8))), normalise_image(digit(3))) < FAR
    for blank in (noise.astype(np.uint8), (noise * 256).astype(np.uint16), (1000 + noise * 4).astype(np.uint16)):
        with pytest.raises(BlankPicture):
            seen(Image.fromarray(blank))


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG"])
def test_the_first_frame_with_ink_counts(kind: str) -> None:
    frames = [Image.new("L", (280, 280), 255), digit(2), digit(7)]
    buffer = BytesIO()
    frames[0].save(
        buffer, kind, save_all=True, append_images=frames[1:], **({"lossless": True} if kind == "WEBP" else {})
    )
    assert differing(normalise(buffer.getvalue()), normalise_image(digit(2))) < 1
