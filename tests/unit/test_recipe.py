"""The recipe of backend.preprocessing written plainly, without a thought of speed: the fast one must give its pixels.

The model that ships was trained on these pixels, so a faster way to them may not change a single one.
"""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image, ImageOps

from backend.preprocessing import BlankPicture, normalise
from training.data.strokes import draw

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from tests.conftest import Drawing

PICTURES = 30  # of each kind


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


@pytest.mark.parametrize("kind", [black_on_white, grey, coloured, compressed, large], ids=lambda kind: kind.__name__)
def test_the_fast_recipe_gives_the_plain_recipes_pixels(
    kind: Callable[[Image.Image, np.random.Generator], bytes],
) -> None:
    rng = np.random.default_rng(7)
    for _ in range(PICTURES):
        strokes = [rng.uniform(20, 260, 2) + rng.normal(0, 9, (30, 2)).cumsum(axis=0) for _ in range(2)]
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
