"""What an evaluation sends, by case: encoded pictures as people meet the API, each with its digit and its fold.

`CASES[case]` -> (how to make its n-th picture, how many there are). `Outcome` is what came back for one of them.
"""

from __future__ import annotations

from functools import cache as once
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from PIL import Image, ImageOps

from training.data import doodles, pictures, strokes, styles
from training.data.makers import NOT_A_DIGIT
from training.data.pictures import encode
from training.data.readers import (
    FOLDS,
    Written,
    in_turns,
    letter_fold,
    letters,
    mnist,
    no_digits,
    pen,
    people,
    writer_fold,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from training.data.strokes import Drawing

TABLET = 500  # units: the side of the tablet that the pen digits were written on


Case = tuple["Callable[[int], Sample]", int]


class Sample(NamedTuple):
    """One picture to send: its bytes, its digit (or NOT_A_DIGIT), the fold that never saw it."""

    picture: bytes
    truth: int
    fold: int | None


class Outcome(NamedTuple):
    """What came back: the digit read (NOT_A_DIGIT if rejected), the likeliest digit, its probability, the score."""

    case: str
    item: int
    truth: int
    read: int
    likeliest: int
    confidence: float
    score: float


def on_canvas(drawing: Drawing) -> Drawing:
    """Tablet units -> pixels of the canvas, as large and where it was written."""
    return [(stroke + np.array([0, TABLET])) * (strokes.CANVAS / TABLET) for stroke in drawing]


def _pen_sample(item: int, image: Callable[[Drawing, np.random.Generator], bytes]) -> Sample:
    drawing, digit, writer = pen()[item]
    return Sample(image(drawing, np.random.default_rng([7, item])), digit, writer_fold(writer))


def _at_width(width: float) -> Callable[[int], Sample]:
    return lambda item: _pen_sample(item, lambda drawing, _: encode(strokes.draw(on_canvas(drawing), width)))


def _centred(drawing: Drawing) -> Image.Image:
    return strokes.draw(strokes.fit(drawing, 160), 12)


def _as(change: Callable[[Image.Image], bytes]) -> Callable[[int], Sample]:
    return lambda item: _pen_sample(item, lambda drawing, _: change(_centred(drawing)))


def _anywhere(drawing: Drawing, rng: np.random.Generator) -> bytes:
    """20 to 100 % of the canvas, anywhere on it, turned by up to 15 degrees, pen of 12 px."""
    angle = np.radians(rng.uniform(-15, 15))
    matrix = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    side = rng.uniform(0.2, 1.0) * (strokes.CANVAS - 14)
    room = (strokes.CANVAS - 14 - side) / 2
    middle = strokes.CANVAS / 2 + rng.uniform(-room, room, 2)
    return encode(strokes.draw(strokes.fit([stroke @ matrix for stroke in drawing], side, tuple(middle)), 12))


def _photo(drawing: Drawing, rng: np.random.Generator) -> bytes:
    sheet = strokes.draw(
        strokes.fit(drawing, rng.uniform(80, 200), tuple(rng.uniform(115, 165, 2))), rng.uniform(5, 14)
    )
    return pictures.photograph(sheet, rng)


def _transparent(image: Image.Image) -> bytes:
    black = Image.new("RGBA", image.size, (0, 0, 0, 0))
    black.putalpha(ImageOps.invert(image))
    return encode(black)


def _coloured(ink: str, paper: str) -> Callable[[Image.Image], bytes]:
    return lambda image: encode(ImageOps.colorize(image, black=ink, white=paper))


def _resized(side: int) -> Callable[[Image.Image], bytes]:
    return lambda image: encode(image.resize((side, side), Image.Resampling.LANCZOS))


def _mnist(change: Callable[[Image.Image, np.random.Generator], bytes], n: int = 1_000) -> Case:
    """The first n of MNIST's test set, which no model has learnt, as `change` makes them."""

    def sample(item: int) -> Sample:
        image, truth = Image.fromarray(mnist()["x_test"][item]), int(mnist()["y_test"][item])
        return Sample(change(image, np.random.default_rng([17, item])), truth, None)

    return sample, n


def _cut_out(side: int) -> Case:
    return _mnist(lambda image, rng: encode(pictures.cut_out(image, side, rng)))


def _around(name: str) -> Case:
    kind = {"kind": "PNG"} if name == "screenshot" else {"kind": "JPEG", "quality": 80}
    return _mnist(lambda image, rng: encode(pictures.AROUND[name](image, rng), **kind))


def _letter_sample(item: int) -> Sample:
    drawing, character, _ = letters()[item]
    picture = encode(strokes.draw(strokes.fit(drawing, 160), 12))
    return Sample(picture, NOT_A_DIGIT, letter_fold(character))


def _drawn(make: Callable[[int, np.random.Generator], Drawing]) -> Callable[[int], Sample]:
    def sample(item: int) -> Sample:
        rng = np.random.default_rng([11, item])
        drawing = strokes.fit(make(item, rng), rng.uniform(120, 240))
        return Sample(encode(strokes.draw(drawing, rng.uniform(6, 16))), NOT_A_DIGIT, item % FOLDS)

    return sample


def _doodle(item: int, rng: np.random.Generator) -> Drawing:
    kinds = list(doodles.DOODLES.values())
    return strokes.vary(kinds[item % len(kinds)], rng)


def _several(item: int, rng: np.random.Generator) -> Drawing:
    strangers = [drawing for drawing, _, writer in pen() if writer_fold(writer) == item % FOLDS]
    return doodles.several([strangers[i] for i in rng.integers(len(strangers), size=rng.integers(2, 5))], rng)


@once
def strangers(group: str) -> list[Written]:
    """UNIPEN's drawings of a group, everybody in turns: digits, ones, slashed zeros, letters or symbols."""
    if group in ("letters", "symbols"):
        return in_turns([written for written in no_digits() if written.label.isalpha() == (group == "letters")])
    digits = in_turns(people())
    if group == "ones":
        return [written for written in digits if written.digit == 1]
    if group == "slashed zeros":
        return [written for written in digits if written.digit == 0 and style_of(written).startswith("slashed")]
    return digits


def style_of(written: Written) -> str:
    """The style of a digit, see training.data.styles."""
    return styles.style(written.drawing, written.digit)


def _written(group: str, image: Callable[[Drawing, np.random.Generator], bytes]) -> Callable[[int], Sample]:
    """The n-th of a group of UNIPEN's drawings as `image` makes it."""

    def sample(item: int) -> Sample:
        written = strangers(group)[item]
        return Sample(image(written.drawing, np.random.default_rng([13, item])), written.digit, written.fold)

    return sample


def _both(name: str, image: Callable[[Drawing, np.random.Generator], bytes]) -> dict[str, Case]:
    """A case of the pen writers, of a tablet and place that was learnt from, and one of other places' people."""
    return {
        name: (lambda item: _pen_sample(7 * item, image), 1_000),
        f"others {name}": (_written("digits", image), 1_000),
    }


def on_sheet(width: float) -> Callable[[Drawing, np.random.Generator], bytes]:
    """On the page's canvas, 110 to 230 pixels large."""
    return lambda drawing, rng: encode(strokes.draw(strokes.fit(drawing, rng.uniform(110, 230)), width))


def _pixels(*, soft: bool) -> Callable[[Drawing, np.random.Generator], bytes]:
    """28x28, drawn by a pen of 1 to 6 pixels, 10 to 26 pixels tall (4 pens at least); every other one light on dark."""

    def image(drawing: Drawing, rng: np.random.Generator) -> bytes:
        width = int(rng.integers(1, 7))
        height = rng.uniform(max(10, 3.5 * width), 27) - width
        placed = strokes.fit(drawing, height, tuple(14 + rng.uniform(-1, 1, 2) * (27 - height - width) / 2))
        sheet = strokes.draw_pixels(placed, 28, width, soft=float(rng.uniform(0.8, 2)) if soft else 0.0)
        return encode(sheet if rng.random() < 0.5 else ImageOps.invert(sheet))

    return image


def _bitmap(side: int) -> Callable[[Drawing, np.random.Generator], bytes]:
    def image(drawing: Drawing, rng: np.random.Generator) -> bytes:
        sheet = strokes.draw(strokes.fit(drawing, 96, (64, 64)), 96 * rng.uniform(0.06, 0.16), canvas=128)
        return encode(pictures.stretch(sheet, side, rng))

    return image


def _scanned(drawing: Drawing, rng: np.random.Generator) -> bytes:
    """32x32, as a JPEG or PNG."""
    sheet = strokes.draw(strokes.fit(drawing, rng.uniform(18, 27), (16, 16)), rng.uniform(1.3, 4), canvas=32, detail=8)
    return encode(pictures.scan(sheet, rng), *(("PNG",) if rng.random() < 0.5 else ("JPEG",)))


DRESSES: dict[str, Case] = {
    **{f"cut out, {side} px tall": _cut_out(side) for side in (8, 16, 28, 96, 400)},
    "close-up photo": _mnist(lambda image, rng: encode(pictures.close_up(image, rng), "JPEG", quality=85)),
    "plot": _mnist(lambda image, rng: encode(pictures.plot(image, rng))),
    **{name: _around(name) for name in pictures.AROUND},
}
# case -> how to make its n-th picture, and how many there are
CASES: dict[str, Case] = {
    "mnist": _mnist(lambda image, _: encode(image), 10_000),
    **{f"pen {width} px": (_at_width(width), 7_494) for width in (6, 12, 20, 28)},
    "centred": (_as(encode), 1_500),
    "anywhere": (lambda item: _pen_sample(item, _anywhere), 1_500),
    "white on black": (_as(lambda image: encode(ImageOps.invert(image))), 1_500),
    "transparent": (_as(_transparent), 1_500),
    "blue on white": (_as(_coloured("#1f77ff", "#ffffff")), 1_500),
    "yellow on white": (_as(_coloured("#ffe000", "#ffffff")), 1_500),
    "red on cream": (_as(_coloured("#d02020", "#fff4d8")), 1_500),
    "JPEG 40": (_as(lambda image: encode(image, "JPEG", quality=40)), 1_500),
    "28x28": (_as(_resized(28)), 1_500),
    "64x64": (_as(_resized(64)), 1_500),
    "2000x2000": (_as(_resized(2000)), 1_500),
    "photo": (lambda item: _pen_sample(item, _photo), 3_000),
    "letters": (_letter_sample, 2_720),
    "scribbles": (_drawn(lambda _, rng: doodles.scribble(rng)), 500),
    "doodles": (_drawn(_doodle), 550),
    "several digits": (_drawn(_several), 500),
    **{f"others pen {width} px": (_written("digits", on_sheet(width)), 2_000) for width in (6, 12, 20, 28)},
    **_both("28x28, hard pen", _pixels(soft=False)),
    **_both("28x28, soft pen", _pixels(soft=True)),
    **_both("16x16 bitmap", _bitmap(16)),
    **_both("32x32 bitmap", _bitmap(32)),
    **_both("scan", _scanned),
    "others photo": (_written("digits", _photo), 1_000),
    **DRESSES,
    "ones": (_written("ones", on_sheet(12)), 1_300),
    "slashed zeros": (_written("slashed zeros", on_sheet(12)), 200),
    "people's letters": (_written("letters", on_sheet(12)), 3_000),
    "people's symbols": (_written("symbols", on_sheet(12)), 1_000),
    "photographed letters": (_written("letters", _photo), 1_500),
}
PEN_WIDTHS = tuple(name for name in CASES if name.startswith("pen "))
OTHER_FORMATS = tuple(list(CASES)[list(CASES).index("white on black") : list(CASES).index("photo")])
NO_DIGITS = ("letters", "scribbles", "doodles", "several digits")
SMALL = ("28x28, hard pen", "28x28, soft pen", "16x16 bitmap", "32x32 bitmap", "scan")  # each with its "others ..."
PEOPLES = ("people's letters", "people's symbols", "photographed letters")
