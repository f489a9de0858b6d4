"""What an evaluation sends, by case: encoded pictures as people meet the API, each with its digit and its fold.

`CASES[case]` -> (how to make its n-th picture, how many there are). `Outcome` is what came back for one of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from PIL import Image, ImageOps

from training.data import doodles, pictures, strokes
from training.data.makers import NOT_A_DIGIT
from training.data.pictures import encode
from training.data.readers import FOLDS, letter_fold, letters, mnist, pen, writer_fold

if TYPE_CHECKING:
    from collections.abc import Callable

    from training.data.strokes import Drawing

TABLET = 500  # units: the side of the tablet that the pen digits were written on


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


def _mnist_sample(item: int) -> Sample:
    return Sample(encode(Image.fromarray(mnist()["x_test"][item])), int(mnist()["y_test"][item]), None)


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


# case -> how to make its n-th picture, and how many there are
CASES: dict[str, tuple[Callable[[int], Sample], int]] = {
    "mnist": (_mnist_sample, 10_000),
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
}
PEN_WIDTHS = tuple(name for name in CASES if name.startswith("pen "))
OTHER_FORMATS = tuple(list(CASES)[list(CASES).index("white on black") : list(CASES).index("photo")])
NO_DIGITS = ("letters", "scribbles", "doodles", "several digits")
