"""One picture of each kind: MAKERS[kind](item, random numbers) -> Made, every picture through backend.preprocessing."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from PIL import Image, ImageFilter, ImageOps

from backend.preprocessing import BlankPicture, normalise, normalise_image
from training.data import doodles, glyphs, handwriting, numbers, pictures, strokes, styles
from training.data.readers import (
    FOLDS,
    NEVER_HELD_OUT,
    TEST,
    alike,
    drawn_no_digits,
    drawn_people,
    fashion,
    hands,
    letter_fold,
    letters,
    mnist,
    no_digits,
    pen,
    pens_of_fold,
    people,
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


def _crowd(item: int, rng: np.random.Generator) -> Made:
    """A sheet full of strokes, half of them as large as the sheet, where ink may be more than paper."""
    drawing = doodles.crowd(rng)
    if rng.random() < 0.5:
        x = _draw(drawing, rng, 0.4)
    else:
        x = normalise_image(strokes.draw(strokes.fit(drawing, rng.uniform(120, 270)), rng.uniform(4, 24), detail=2))
    return Made(x, NOT_A_DIGIT, item % FOLDS)


def _marks(item: int, rng: np.random.Generator) -> Made:
    """Dots that a pen draws without joining them."""
    drawing, size = doodles.marks(rng), rng.uniform(60, 230)
    widest = 0.5 * size / max(1.5, len(drawing) - 1)
    sheet = strokes.draw(strokes.fit(drawing, size), rng.uniform(3, min(28, widest)), detail=2)
    return Made(normalise_image(sheet), NOT_A_DIGIT, item % FOLDS)


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


class Source(NamedTuple):
    """A drawing with its label (NOT_A_DIGIT for a letter) and the fold that holds it out."""

    drawing: Drawing
    y: int
    fold: int


def _unipen(item: int, rng: np.random.Generator) -> Source:
    written = people()[drawn_people()[item]]
    return Source(_another_hand(written.drawing, written.label, written.fold, rng), written.digit, written.fold)


def _another_hand(drawing: Drawing, label: str, fold: int, rng: np.random.Generator) -> Drawing:
    """Two in five drawings are put between two people's of the same fold, or further away: nobody's, so of more people.

    Four others are tried; where none is near, the drawing stays.
    """
    if rng.random() < 0.6:
        return drawing
    others = alike()[label, fold, len(drawing)]
    for place in rng.integers(len(others), size=4):
        found = styles.between(drawing, others[place], rng.uniform(-0.4, 0.6))
        if found is not None:
            return found
    return drawing


def _anybody(item: int, rng: np.random.Generator) -> Source:
    """A digit of UNIPEN's people or, one in three, of the pen writers."""
    if rng.random() < 0.67:
        return _unipen(item, rng)
    drawing, digit, writer = pen()[int(rng.integers(len(pen())))]
    return Source(_another_hand(drawing, str(digit), writer_fold(writer), rng), digit, writer_fold(writer))


def _restyled(_: int, rng: np.random.Generator) -> Source:
    """A digit with what is rare: a slash, a flag, a foot, a closed or open top, a bar."""
    digit = int(rng.choice(list(styles.RESTYLED), p=list(styles.RESTYLED.values())))
    drawing, fold = hands(digit)[int(rng.integers(len(hands(digit))))]
    return Source(styles.restyled(drawing, digit, rng), digit, fold)


def _unipen_letter(item: int, rng: np.random.Generator) -> Source:
    written = no_digits()[drawn_no_digits()[item]]
    return Source(_another_hand(written.drawing, written.label, written.fold, rng), NOT_A_DIGIT, written.fold)


def _any_letter(item: int, rng: np.random.Generator) -> Source:
    """A letter of UNIPEN's people, of an alphabet or of another script, upright; without lookalikes of digits."""
    chance = rng.random()
    if chance > 0.3:
        return _unipen_letter(item, rng)
    drawn = [(drawing, name) for drawing, name, _ in letters()] if chance < 0.15 else glyphs.glyphs()
    drawing, name = drawn[int(rng.integers(len(drawn)))]
    if 0 not in doodles.turns(name):
        return _unipen_letter(item, rng)
    return Source(drawing, NOT_A_DIGIT, letter_fold(name))


def _font(item: int, _: np.random.Generator) -> Source:
    """A digit of a handwriting font."""
    drawing, name = handwriting.digits()[item % len(handwriting.digits())]
    return Source(drawing, int(name[-1]), handwriting.fold(name))


def _font_letter(item: int, _: np.random.Generator) -> Source:
    """A letter or a sign of a handwriting font."""
    drawing, name = handwriting.no_digits()[item % len(handwriting.no_digits())]
    return Source(drawing, NOT_A_DIGIT, handwriting.fold(name))


def _on_canvas(drawing: Drawing, rng: np.random.Generator) -> NDArray[np.uint8]:
    return _draw(strokes.vary(drawing, rng, strength=rng.choice([0.3, 0.7, 1.2])), rng, 0.9)


def _on_photo(drawing: Drawing, rng: np.random.Generator) -> NDArray[np.uint8]:
    placed = strokes.fit(strokes.vary(drawing, rng), rng.uniform(60, 220), tuple(rng.uniform(110, 170, 2)))
    return normalise(pictures.photograph(strokes.draw(placed, rng.uniform(3, 18), detail=2), rng))


def _in_pixels(drawing: Drawing, rng: np.random.Generator) -> NDArray[np.uint8]:
    """A sheet of 14 to 64 pixels, most of 28, drawn by a pen of 1 to 6 pixels; in either polarity, some as JPEG."""
    side = int(rng.choice([28, 28, 28, 28, 14, 16, 20, 32, 40, 50, 64]))
    width = min(float(rng.choice([1, 1, 1, 2, 2, 3, 3, 4, 5, 6])), max(1, side // 5))
    height = max(rng.uniform(0.35, 0.98) * (side - width), min(3.5 * width, side - width))
    room = (side - width - height) / 2
    middle = side / 2 + rng.uniform(-room, room, 2)
    placed = strokes.fit(strokes.vary(drawing, rng, strength=0.7), height, tuple(middle))
    soft = 0.0 if rng.random() < 0.5 else float(rng.uniform(0.7, 2.2))
    sheet = strokes.draw_pixels(placed, side, width, soft=soft)
    if rng.random() < 0.5:
        sheet = ImageOps.invert(sheet)
    if rng.random() < 0.2:
        return normalise(pictures.encode(sheet, "JPEG", quality=int(rng.integers(50, 96))))
    return normalise_image(sheet)


def _as_bitmap(drawing: Drawing, rng: np.random.Generator) -> NDArray[np.uint8]:
    """A bitmap of 8, 16 or 32 pixels that the ink fills."""
    side = int(rng.choice([8, 16, 16, 32]))
    thick = rng.uniform(0.05, 0.14 if side == 8 else 0.2) * 96
    placed = strokes.fit(strokes.vary(drawing, rng, strength=0.7), 96, (64, 64))
    sheet = strokes.draw(placed, thick, canvas=128, detail=2)
    return normalise_image(pictures.stretch(sheet, side, rng))


def _as_scan(drawing: Drawing, rng: np.random.Generator) -> NDArray[np.uint8]:
    """A scan of 24 to 128 pixels, half of them of 32."""
    side = int(rng.choice([32, 32, 32, 24, 48, 64, 128]))
    size = rng.uniform(0.55, 0.92) * side
    room = (side - size) / 2
    middle = side / 2 + 0.7 * rng.uniform(-room, room, 2)
    placed = strokes.fit(strokes.vary(drawing, rng), size, tuple(middle))
    sheet = strokes.draw(placed, size * rng.uniform(0.05, 0.2), canvas=side, detail=6)
    picture = pictures.scan(sheet, rng)
    if rng.random() < 0.5:
        return normalise(pictures.encode(picture, "JPEG", quality=int(rng.integers(40, 96))))
    return normalise_image(picture)


def _anywhere(drawing: Drawing, rng: np.random.Generator) -> NDArray[np.uint8]:
    """On a canvas, a small sheet, a scan or a photo."""
    ways = (_on_canvas, _in_pixels, _as_scan, _on_photo)
    return ways[int(rng.choice(len(ways), p=[0.36, 0.36, 0.2, 0.08]))](drawing, rng)


def _piece(item: int, rng: np.random.Generator) -> Made:
    """A piece cut out of touching digits, half of them a digit with a neighbour's rest, half of them none."""
    found = numbers.parts(rng, item % FOLDS)
    wish = rng.random() < 0.5
    chosen = [part for part in found if (part.y == NOT_A_DIGIT) == wish] or found
    if not chosen:
        raise BlankPicture
    part = chosen[int(rng.integers(len(chosen)))]
    return Made(part.x, part.y, item % FOLDS)


def _blurred(drawing: Drawing, rng: np.random.Generator) -> NDArray[np.uint8]:
    """A drawing whose edges fade over up to a tenth of its size: softness is no evidence of a digit."""
    placed = strokes.fit(strokes.vary(drawing, rng), 96, (64, 64))
    sheet = strokes.draw(placed, 96 * rng.uniform(0.03, 0.2), canvas=128, detail=2)
    return normalise_image(sheet.filter(ImageFilter.GaussianBlur(96 * rng.uniform(0.01, 0.06))))


def _made(
    source: Callable[[int, np.random.Generator], Source],
    draw: Callable[[Drawing, np.random.Generator], NDArray[np.uint8]],
) -> Callable[[int, np.random.Generator], Made]:
    def make(item: int, rng: np.random.Generator) -> Made:
        drawing, y, fold = source(item, rng)
        return Made(draw(drawing, rng), y, fold)

    return make


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
    "crowd": _crowd,
    "marks": _marks,
    "unipen": _made(_unipen, _on_canvas),
    "photo": _made(_anybody, _on_photo),
    "pixels": _made(_anybody, _in_pixels),
    "bitmap": _made(_anybody, _as_bitmap),
    "scan": _made(_anybody, _as_scan),
    "blurred": _made(_anybody, _blurred),
    "restyled": _made(_restyled, _anywhere),
    "font": _made(_font, _anywhere),
    "piece": _piece,
    "unipen-letter": _made(_unipen_letter, _on_canvas),
    "font-letter": _made(_font_letter, _anywhere),
    "letter-photo": _made(_any_letter, _on_photo),
    "letter-pixels": _made(_any_letter, _in_pixels),
    "letter-bitmap": _made(_any_letter, _as_bitmap),
    "letter-scan": _made(_any_letter, _as_scan),
    "letter-blurred": _made(_any_letter, _blurred),
}
