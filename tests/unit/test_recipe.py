"""The recipe of backend.preprocessing written plainly, without a thought of speed: the fast one must give its pixels.

The model that ships was trained on these pixels, so a faster way to them may not change a single one.
"""

from __future__ import annotations

import json
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image, ImageOps

from backend.preprocessing import BlankPicture, normalise
from training.data.strokes import draw, fit, vary

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from tests.conftest import Drawing

PICTURES = 30  # of each kind
HANDS = json.loads((Path(__file__).parents[1] / "strokes.json").read_text(encoding="utf-8"))


def plain(data: bytes) -> NDArray[np.uint8]:
    """Opaque picture on even paper -> (28, 28)."""
    image = Image.open(BytesIO(data))
    factor = max(image.size) // 280
    image = image.convert("RGB")
    pixels = np.asarray(image.reduce(factor) if factor > 1 else image, np.int32)
    border = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    ink = np.abs(pixels - np.median(border, axis=0).astype(int)).max(axis=2)
    peak = int(ink.max())
    rows, columns = np.nonzero(ink > 0.25 * peak)
    ink = ink[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
    ink = np.where(ink > 0.08 * peak, np.minimum(255, ink * 255 // peak), 0).astype(np.uint8)
    return squared(ink)


def squared(ink: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(h, w), cut to the ink -> (28, 28) about its centre of mass."""
    side = max(ink.shape) * 28 / 20
    y, x = (np.argwhere(ink) + 0.5).T @ ink[ink > 0] / ink.sum(dtype=np.float64)
    pad = int(side / 2) + 1
    window = (x + pad - side / 2, y + pad - side / 2, x + pad + side / 2, y + pad + side / 2)
    small = Image.fromarray(np.pad(ink, pad)).resize((28, 28), Image.Resampling.HAMMING, window)
    return (np.asarray(small) * (255 / np.max(small))).astype(np.uint8)


def black_on_white(sheet: Image.Image, _: np.random.Generator) -> bytes:
    return encoded(sheet.convert("RGBA"))


def grey(sheet: Image.Image, _: np.random.Generator) -> bytes:
    return encoded(ImageOps.invert(sheet))


def coloured(sheet: Image.Image, rng: np.random.Generator) -> bytes:
    paper, ink = rng.integers(0, 100, 3), rng.integers(130, 256, 3)
    return encoded(ImageOps.colorize(sheet, tuple(paper.tolist()), tuple(ink.tolist())))


def compressed(sheet: Image.Image, _: np.random.Generator) -> bytes:
    return encoded(sheet.convert("RGB"), "JPEG")


def large(sheet: Image.Image, _: np.random.Generator) -> bytes:
    return encoded(sheet.resize((700, 600)).convert("RGBA"))


def encoded(image: Image.Image, kind: str = "PNG") -> bytes:
    buffer = BytesIO()
    image.save(buffer, kind)
    return buffer.getvalue()


def written(rng: np.random.Generator, side: int, width: float) -> Image.Image:
    """One of the ten digits, as large as the sheet: its strokes end at the edges, or beyond."""
    styles = HANDS[str(rng.integers(10))]
    strokes = [np.array(stroke, float) for stroke in styles[rng.integers(len(styles))]]
    return draw(fit(vary(strokes, rng), rng.uniform(0.8, 1.05) * side, (side / 2, side / 2)), width, canvas=side)


def filling(rng: np.random.Generator) -> bytes:
    """From a hair to a pen that covers more than it leaves."""
    side = int(rng.choice([20, 28, 64, 280]))
    return encoded(written(rng, side, side * rng.uniform(0.04, 0.2)))


def noisy(rng: np.random.Generator) -> bytes:
    """A pencil on grey paper, at a scanner's noise."""
    sheet = np.asarray(written(rng, 32, 2.5)) * 0.5 + 90
    return encoded(Image.fromarray((sheet + rng.normal(0, 6, sheet.shape)).clip(0, 255).astype(np.uint8)))


@pytest.mark.parametrize("make", [filling, noisy], ids=lambda make: make.__name__)
def test_digits_that_fill_a_small_sheet_are_left_whole(make: Callable[[np.random.Generator], bytes]) -> None:
    """Neither a 1 from edge to edge nor a thick 8 is a rule or a frame, nor is a pencil noise."""
    rng = np.random.default_rng(11)
    pictures = [data for data in (make(rng) for _ in range(200)) if has_even_paper(data)]
    assert len(pictures) > 100
    changed = [n for n, data in enumerate(pictures) if not np.array_equal(normalise(data), plain(data))]
    assert len(changed) <= 2, changed


def has_even_paper(data: bytes) -> bool:
    """Whether three quarters of the border are within 10 of its median: else it is treated as a photo."""
    pixels = np.asarray(Image.open(BytesIO(data)), np.int32)
    border = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    return bool(np.percentile(np.abs(border - int(np.median(border))), 75) <= 10)


@pytest.mark.parametrize("kind", [black_on_white, grey, coloured, compressed, large], ids=lambda kind: kind.__name__)
def test_the_fast_recipe_gives_the_plain_recipes_pixels(
    kind: Callable[[Image.Image, np.random.Generator], bytes],
) -> None:
    rng = np.random.default_rng(7)
    for _ in range(PICTURES):
        # None reaches the border: what does, beside another that does not, may be no ink.
        strokes = [rng.uniform(40, 220, 2) + rng.normal(0, 9, (30, 2)).cumsum(axis=0) for _ in range(2)]
        strokes = [stroke.clip(20, 260) for stroke in strokes]
        data = kind(draw(strokes, rng.uniform(4, 34), detail=2), rng)
        assert np.array_equal(normalise(data), plain(data))


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA"])
def test_one_pixel_of_ink_is_a_picture_and_none_is_a_blank_sheet(mode: str) -> None:
    sheet = Image.new(mode, (280, 280), "white")
    with pytest.raises(BlankPicture):
        normalise(encoded(sheet))
    sheet.putpixel((9, 270), 0 if mode == "L" else (0, 0, 0, 255)[: len(mode)])
    assert normalise(encoded(sheet)).max() == 255


@pytest.mark.parametrize("negative", [False, True], ids=["paper", "blackboard"])
@pytest.mark.parametrize("digit", "358")
def test_a_photo_in_uneven_light_is_seen_as_the_drawing_itself(drawing: Drawing, digit: str, negative: bool) -> None:
    """Light that falls by a third from one side to the other, which is nearly as much as the pencil is darker."""
    data = drawing(digit)
    light = np.linspace(160, 250, 280)
    photo = (np.asarray(Image.open(BytesIO(data)).convert("L")) / 255 * 0.4 + 0.6) * light
    seen = normalise(encoded(Image.fromarray((255 - photo if negative else photo).astype(np.uint8))))
    assert np.corrcoef(seen.ravel(), normalise(data).ravel())[0, 1] > 0.98


def on_nothing(shade: int) -> Callable[[NDArray[np.uint8]], Image.Image]:
    """Ink of one grey on a see-through sheet."""
    return lambda grey: Image.merge("LA", [Image.new("L", grey.shape[::-1], shade), Image.fromarray(255 - grey)])


@pytest.mark.parametrize(
    "made",
    [lambda grey: Image.fromarray((96 + grey * (64 / 255)).astype(np.uint16) * 257), on_nothing(0), on_nothing(255)],
    ids=["greys of 16 bits", "dark ink on nothing", "light ink on nothing"],
)
def test_other_modes_are_seen_as_the_drawing_itself(
    seven: bytes, made: Callable[[NDArray[np.uint8]], Image.Image]
) -> None:
    picture = made(np.asarray(Image.open(BytesIO(seven)).convert("L")))
    assert np.corrcoef(normalise(encoded(picture)).ravel(), normalise(seven).ravel())[0, 1] > 0.98
