"""One picture of each kind: MAKERS[kind](item, random numbers) -> Made, every picture through backend.preprocessing."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from PIL import Image

from backend.preprocessing import normalise, normalise_image
from training.data import doodles, glyphs, pictures, strokes
from training.data.readers import (
    FOLDS,
    NEVER_HELD_OUT,
    TEST,
    fashion,
    letter_fold,
    letters,
    mnist,
    pen,
    pens_of_fold,
    writer_fold,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from training.data.strokes import Drawing

NOT_A_DIGIT = -1  # the y of what belongs to no label


class Made(NamedTuple):
    """A picture made: (28, 28) uint8, its label's index, the fold that holds it out."""

    x: NDArray[np.uint8]
    y: int
    fold: int


def thickness(rng: np.random.Generator) -> float:
    """Pen width over the drawing's longer side: from a fine pen on a full sheet to 28 px on a digit of 60."""
    if rng.random() < 0.5:
        return float(np.exp(rng.uniform(np.log(0.02), np.log(0.48))))
    return float(rng.uniform(0.05, 0.42))


def _draw(drawing: Drawing, rng: np.random.Generator, thinner: float = 1.0) -> NDArray[np.uint8]:
    width = max(100 * thinner * thickness(rng), 1.2)
    return normalise_image(strokes.draw_small(strokes.fit(drawing, 100), width))


def _pen(item: int, rng: np.random.Generator) -> Made:
    drawing, digit, writer = pen()[item]
    varied = strokes.vary(drawing, rng, strength=rng.choice([0.5, 1.0, 1.5]))
    return Made(_draw(varied, rng), digit, writer_fold(writer))


def _pen_photo(item: int, rng: np.random.Generator) -> Made:
    drawing, digit, writer = pen()[item]
    placed = strokes.fit(strokes.vary(drawing, rng), rng.uniform(60, 200), tuple(rng.uniform(110, 170, 2)))
    sheet = strokes.draw(placed, rng.uniform(4, 16), detail=2)
    return Made(normalise(pictures.photograph(sheet, rng)), digit, writer_fold(writer))


def _pen_small(item: int, rng: np.random.Generator) -> Made:
    """Drawn on a sheet of 28 to 64 pixels, half of them through a JPEG of low quality."""
    drawing, digit, writer = pen()[item]
    side = int(rng.choice([28, 40, 64]))
    scale = side / strokes.CANVAS
    placed = strokes.fit(strokes.vary(drawing, rng), scale * rng.uniform(140, 230), (side / 2, side / 2))
    sheet = strokes.draw(placed, scale * rng.uniform(10, 28), canvas=side, detail=8)
    if rng.random() < 0.5:
        x = normalise(pictures.encode(sheet, "JPEG", quality=int(rng.integers(35, 95))))
    else:
        x = normalise_image(sheet)
    return Made(x, digit, writer_fold(writer))


def _mnist(item: int, _: np.random.Generator) -> Made:
    arrays = mnist()
    return Made(normalise_image(Image.fromarray(arrays["x_train"][item])), int(arrays["y_train"][item]), NEVER_HELD_OUT)


def _mnist_test(item: int, _: np.random.Generator) -> Made:
    arrays = mnist()
    return Made(normalise_image(Image.fromarray(arrays["x_test"][item])), int(arrays["y_test"][item]), TEST)


def _mnist_bent(item: int, rng: np.random.Generator) -> Made:
    arrays = mnist()
    bent = pictures.bend(Image.fromarray(arrays["x_train"][item]), rng)
    return Made(normalise_image(bent), int(arrays["y_train"][item]), NEVER_HELD_OUT)


def _fashion(part: str, fold: int) -> Callable[[int, np.random.Generator], Made]:
    def make(item: int, _: np.random.Generator) -> Made:
        return Made(
            normalise_image(Image.fromarray(fashion()[f"x_{part}"][item])), int(fashion()[f"y_{part}"][item]), fold
        )

    return make


def _no_digit(drawing: Drawing, turns: Sequence[int], other: Drawing, rng: np.random.Generator) -> Drawing:
    """The drawing in one of `turns`; where none is left, beside another, for "oo" is no digit though "o" is."""
    return doodles.turn(drawing, int(rng.choice(turns))) if turns else doodles.several([drawing, other], rng)


def _letter(item: int, rng: np.random.Generator, turns: Sequence[int] = (0,)) -> Made:
    drawing, character, _ = letters()[item]
    allowed = [turn for turn in doodles.turns(character) if turn in turns]
    return _character(character, _no_digit(drawing, allowed, letters()[item - 1][0], rng), rng)


def _letter_turned(item: int, rng: np.random.Generator) -> Made:
    return _letter(item, rng, range(1, 8))


def _glyph(item: int, rng: np.random.Generator) -> Made:
    """A letter of another script, two in five as it stands."""
    drawing, name = glyphs.glyphs()[item]
    allowed = doodles.turns(name)
    upright = 0 in allowed and rng.random() < 0.4
    turns = (0,) if upright else allowed
    return _character(name, _no_digit(drawing, turns, glyphs.glyphs()[item - 1][0], rng), rng)


def _character(name: str, drawn: Drawing, rng: np.random.Generator) -> Made:
    return Made(_draw(strokes.vary(drawn, rng), rng, 0.65), NOT_A_DIGIT, letter_fold(name))


def _doodle(item: int, rng: np.random.Generator) -> Made:
    which = item % len(doodles.DOODLES)
    drawing = list(doodles.DOODLES.values())[which]
    return Made(_draw(strokes.vary(drawing, rng, strength=1.3), rng, 0.6), NOT_A_DIGIT, which % FOLDS)


def _scribble(item: int, rng: np.random.Generator) -> Made:
    return Made(_draw(doodles.scribble(rng), rng, 0.6), NOT_A_DIGIT, item % FOLDS)


def _invented(item: int, rng: np.random.Generator) -> Made:
    drawing = strokes.vary(doodles.invented(rng), rng, strength=0.7)
    return Made(_draw(drawing, rng, 0.65), NOT_A_DIGIT, item % FOLDS)


def _several(item: int, rng: np.random.Generator) -> Made:
    fold = item % FOLDS
    items = rng.choice(pens_of_fold(fold), int(rng.choice([2, 2, 2, 3, 4])))
    drawing = doodles.several([pen()[i][0] for i in items], rng)
    return Made(_draw(strokes.vary(drawing, rng, strength=0.6), rng, 0.5), NOT_A_DIGIT, fold)


def _turned(item: int, rng: np.random.Generator) -> Made:
    drawing, digit, writer = pen()[item]
    drawn = _no_digit(drawing, doodles.turns(str(digit)), pen()[item - 1][0], rng)
    return Made(_draw(strokes.vary(drawn, rng), rng, 0.6), NOT_A_DIGIT, writer_fold(writer))


def _dot(item: int, rng: np.random.Generator) -> Made:
    dot = doodles.arc(0, 0, 1, flat=rng.uniform(0.3, 1))
    sheet = strokes.draw(strokes.fit([dot], rng.uniform(0.1, 10)), rng.uniform(8, 34), detail=2)
    return Made(normalise_image(sheet), NOT_A_DIGIT, item % FOLDS)


MAKERS: dict[str, Callable[[int, np.random.Generator], Made]] = {
    "pen": _pen,
    "pen-photo": _pen_photo,
    "pen-small": _pen_small,
    "mnist": _mnist,
    "mnist-bent": _mnist_bent,
    "mnist-test": _mnist_test,
    "fashion": _fashion("train", NEVER_HELD_OUT),
    "fashion-test": _fashion("test", TEST),
    "letter": _letter,
    "letter-turned": _letter_turned,
    "glyph": _glyph,
    "doodle": _doodle,
    "scribble": _scribble,
    "invented": _invented,
    "several": _several,
    "turned": _turned,
    "dot": _dot,
}
