"""What the model sees of many kinds of pictures; in tests/unit/seen.png each has a row, three digits of it.

The model and its threshold were made with these 28x28 pictures. Whoever changes them on purpose measures the model anew
(`python -m training.evaluate`), runs `python -m tests.unit.test_seen`, and looks at the picture.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image, ImageChops, ImageFilter

from backend.preprocessing import find_digit
from tests.unit.test_surroundings import AROUND, CUBIC, FAINT, HANDS, digit, seen
from training.data.pictures import encode, photograph, scan, stretch
from training.data.strokes import draw_pixels, fit

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import ArrayLike, NDArray

    Make = Callable[[int], Image.Image | bytes]

SEEN = Path(__file__).with_name("seen.png")
DIGITS = (2, 4, 7)
BLUE = (20, 20, 120)
MOST, MEAN = 24, 0.5  # of 255: versions of libjpeg and NumPy round differently


def rng() -> np.random.Generator:
    return np.random.default_rng(5)


def inked(n: int, side: float = 150) -> NDArray[np.float64]:
    """(280, 280): 1 where there is ink."""
    return (255 - np.asarray(digit(n, side))) / 255


def coloured(n: int, ink: tuple[int, ...], paper: tuple[int, ...], side: float = 150) -> Image.Image:
    share = inked(n, side)[..., None]
    return Image.fromarray((np.array(paper) * (1 - share) + np.array(ink) * share).round().astype(np.uint8))


def see_through(colours: ArrayLike, alpha: NDArray[np.floating[Any]]) -> Image.Image:
    """A picture, or one colour, with this opacity."""
    return Image.fromarray(np.dstack([np.broadcast_to(colours, (280, 280, 3)), alpha]).astype(np.uint8))


def edged(across: int, down: int) -> NDArray[np.floating[Any]]:
    """Solid, but for so many columns and rows at the left, right, top and bottom."""
    alpha = np.full((280, 280), 255.0)
    alpha[:, :across] = alpha[:down] = 0
    alpha[:, 280 - across // 2 :] = alpha[280 - down :] = 0
    return alpha


def on_page(picture: Image.Image, colour: int | tuple[int, int, int], margin: int = 60) -> Image.Image:
    page = Image.new(picture.mode, (picture.width + 2 * margin, picture.height + 2 * margin), colour)
    page.paste(picture, (margin, margin + 15))
    return page


def aslant(n: int, angle: float, desk: int) -> Image.Image:
    """A white sheet that lies aslant on a desk."""
    sheet = digit(n, 120).rotate(angle, CUBIC, expand=True, fillcolor=255)
    whole = Image.new("L", (280, 280), 255).rotate(angle, CUBIC, expand=True, fillcolor=0)
    page = Image.new("L", (sheet.width + 40, sheet.height + 40), desk)
    page.paste(sheet, (20, 20), whole)
    return page


def shaded(n: int, low: float, noise: float) -> Image.Image:
    """Paper in light that falls from 1 to `low` from the left to the right."""
    light = np.linspace(1, low, 280) * (1 - 0.85 * inked(n))
    grain = rng().normal(0, noise, light.shape)
    return Image.fromarray(np.clip(light * 230 + grain, 0, 255).astype(np.uint8))


def in_pixels(n: int, side: int, width: float, soft: float) -> Image.Image:
    strokes = [np.array(stroke, float) for stroke in HANDS[str(n)][0]]
    return draw_pixels(fit(strokes, side * 0.7, (side / 2, side / 2)), side, width, soft=soft)


def small_on(n: int, size: tuple[int, int], kind: str, mode: str = "L") -> bytes:
    page = Image.new("L", size, 255)
    page.paste(digit(n, 70, 100), (size[0] // 3, size[1] // 4))
    return encode(page.convert(mode), kind)


KINDS: dict[str, Make] = {
    "black on white": digit,
    "light on dark": lambda n: ImageChops.invert(digit(n)),
    "blue on yellow": lambda n: coloured(n, (20, 60, 200), (255, 244, 160)),
    "red on grey": lambda n: coloured(n, (190, 30, 40), (120, 120, 120)),
    "see-through": lambda n: see_through((0, 0, 0), 255 * inked(n)),
    "see-through, white ink": lambda n: see_through((255, 255, 255), 255 * inked(n)),
    "sheet with see-through edges": lambda n: see_through(coloured(n, BLUE, (255, 244, 160)), edged(20, 20)),
    "sheet with one see-through edge": lambda n: see_through(coloured(n, BLUE, (90, 140, 90)), edged(50, 0)),
    "sheet with a see-through top": lambda n: see_through(
        coloured(n, BLUE, (60, 70, 90)), 255.0 * (np.indices((280, 280))[0] > 20)
    ),
    "faint pencil": lambda n: coloured(n, (205, 205, 210), (250, 250, 250)),
    "faint pencil with grain": lambda n: Image.fromarray(
        (240 + rng().normal(0, 1, (280, 280)) - 18 * inked(n)).astype("u1")
    ),
    "1 bit": lambda n: digit(n).convert("1"),
    "palette": lambda n: coloured(n, (200, 20, 20), (240, 240, 255)).quantize(8),
    "CMYK": lambda n: encode(digit(n).convert("CMYK"), "JPEG"),
    "16 bits": lambda n: Image.fromarray(np.asarray(digit(n)).astype(np.uint16) * 257),
    "floats": lambda n: encode(Image.fromarray(np.asarray(digit(n)).astype(np.float32) * 250), "TIFF"),
    "faint floats": lambda n: encode(Image.fromarray((3 - 2 * inked(n)).astype(np.float32)), "TIFF"),
    "JPEG of quality 20": lambda n: encode(digit(n), "JPEG", quality=20),
    "pixels of 12 a side": lambda n: in_pixels(n, 12, 1, 0),
    "hard pixels": lambda n: in_pixels(n, 28, 1, 0),
    "soft pixels": lambda n: in_pixels(n, 28, 3, 0.7),
    "stretched bitmap": lambda n: stretch(digit(n), 16, rng()),
    "scan": lambda n: scan(digit(n), rng()),
    "photo": lambda n: photograph(digit(n), rng()),
    "photo of chalk": lambda n: ImageChops.invert(shaded(n, 0.5, 3)),
    "photo in shade": lambda n: shaded(n, 0.35, 3),
    "photo in shade with grain": lambda n: shaded(n, 0.6, 12).filter(ImageFilter.GaussianBlur(1)),
    "sheet on a dark desk": lambda n: on_page(digit(n, 120), 40),
    "sheet aslant on a desk": lambda n: aslant(n, 12, 60),
    "coloured card on white": lambda n: on_page(coloured(n, (30, 30, 30), (250, 220, 90), 120), (255, 255, 255)),
    "light on a dark card": lambda n: on_page(coloured(n, (255, 255, 255), (30, 60, 90), 120), (255, 255, 255), 90),
    "over the right edge": lambda n: digit(n, 200).crop((0, 0, 190, 280)),
    "large JPEG": lambda n: encode(digit(n).resize((2400, 2400)).convert("RGB"), "JPEG"),
    "large grey JPEG, long": lambda n: encode(on_page(digit(n), 255, 0).resize((700, 2900)), "JPEG"),
    "small on a page": lambda n: small_on(n, (1700, 1100), "PNG"),
    "small on a page, JPEG": lambda n: small_on(n, (3000, 2200), "JPEG", "RGB"),
}
KINDS |= {f"around: {name}": lambda n, make=make: make(digit(n, 130)) for name, make in AROUND.items()}  # type: ignore[misc]
KINDS |= {
    f"faint: {name}": lambda n, make=make: Image.fromarray(make(np.asarray(digit(n))))  # type: ignore[misc]
    for name, make in FAINT.items()
}


def row(kind: str) -> NDArray[np.uint8]:
    """(28, 84) of a kind's three digits."""
    return np.hstack([seen(KINDS[kind](n)) for n in DIGITS])


@pytest.fixture(scope="module")
def rows() -> dict[str, NDArray[np.uint8]]:
    picture = Image.open(SEEN)
    names = json.loads(picture.info["kinds"])
    assert names == list(KINDS)
    return dict(zip(names, np.vsplit(np.asarray(picture), len(names)), strict=True))


@pytest.mark.parametrize("kind", KINDS)
def test_the_model_sees_what_it_was_made_with(kind: str, rows: dict[str, NDArray[np.uint8]]) -> None:
    apart = np.abs(row(kind).astype(int) - rows[kind])
    assert (apart.max() <= MOST, apart.mean() <= MEAN) == (True, True), (apart.max(), apart.mean())


@pytest.mark.parametrize("colours", [((30, 30, 30), (250, 220, 90)), ((255, 255, 255), (30, 60, 90))])
def test_ink_on_a_card_is_told_where_it_is(colours: tuple[tuple[int, ...], tuple[int, ...]]) -> None:
    card = coloured(4, *colours, 120)
    found = find_digit(encode(on_page(card, (255, 255, 255), 60))).ink
    left, top, right, bottom = found.box(128)
    y, x = np.nonzero(inked(4, 120) > 0.5)
    expected = (x.min() + 60, y.min() + 75, x.max() + 61, y.max() + 76)
    assert (found.left + left, found.top + top, found.left + right, found.top + bottom) == pytest.approx(
        expected, abs=2
    )


def main() -> None:
    from PIL.PngImagePlugin import PngInfo

    info = PngInfo()
    info.add_text("kinds", json.dumps(list(KINDS)))
    Image.fromarray(np.vstack([row(kind) for kind in KINDS])).save(SEEN, pnginfo=info, optimize=True)


if __name__ == "__main__":
    main()
