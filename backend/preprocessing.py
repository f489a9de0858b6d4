"""A picture's bytes -> the 28x28 ink that the model sees; the one implementation, used by the API and by training.

The recipe is MNIST's own (LeCun et al. 1998, section III.A: scale the longer side to 20 pixels, put the centre of mass
in the middle of 28x28), after finding what is ink (backend/ink.py).
"""

from __future__ import annotations

from contextlib import suppress
from functools import cache, partial
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from PIL import Image

from backend import canvas
from backend.contract import INK_SIDE, SIDE
from backend.decoding import (
    LARGEST_AS_IT_IS,
    BlankPicture,
    Look,
    Picture,
    PictureError,
    TooManyPixels,
    UnreadablePicture,
    UnsupportedPicture,
    decode,
    look,
    pixels,
    upright,
)
from backend.ink import (
    BLANK,
    EDGE,
    MIN_CONTRAST,
    NOISE,
    Ink,
    alone,
    find,
    find_faint,
    on_clean_paper,
    without_strangers,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from backend.decoding import Box

__all__ = [
    "BLANK",
    "EDGE",
    "LARGEST_AS_IT_IS",
    "MIN_CONTRAST",
    "NOISE",
    "BlankPicture",
    "Found",
    "PictureError",
    "Sheet",
    "TooManyPixels",
    "UnreadablePicture",
    "UnsupportedPicture",
    "decode",
    "draw_ink",
    "find_digit",
    "find_ink",
    "normalise",
    "normalise_found",
    "normalise_image",
    "normalise_ink",
    "pixels",
]

DIGIT_SIDE = 20  # pixels: the longer side of the ink inside the SIDE x SIDE picture
SMALL = 80  # pixels: a digit that is smaller in a reduced picture is looked at again, closer
SHEET_SIDE = 700  # pixels: a sheet with a number is reduced to between this and twice this
AROUND = 0.5  # of a digit's size: what of the picture around it is looked at then


class Found(NamedTuple):
    """A digit's ink; width and height of the picture, or of its part, that it was found in; how that lies (EXIF)."""

    ink: Ink
    size: tuple[int, int]
    orientation: int = 1


class Sheet(NamedTuple):
    """(h, w) ink, 255 the darkest, 0 for paper; where it is in the picture as decoded; the picture's pixels for one."""

    ink: NDArray[np.uint8]
    left: int
    top: int
    across: float
    down: float


def normalise(data: bytes) -> NDArray[np.uint8]:
    """Encoded picture -> (28, 28) uint8, ink 255 on paper 0. Raises PictureError."""
    return normalise_found(find_digit(data))


def find_digit(data: bytes) -> Found:
    """Encoded picture -> the ink that is taken for the digit. Raises PictureError."""
    if drawn := canvas.read_ink(data, LARGEST_AS_IT_IS):
        size = canvas.size(data)
        return Found(alone(on_clean_paper(Ink.of(*drawn)), size), size)
    picture = Picture(data)
    for seen in picture.looks():  # the first frame with ink
        with suppress(BlankPicture):
            return Found(*_closely(seen, picture.look), picture.orientation)
    raise BlankPicture(BLANK)


def normalise_found(found: Found) -> NDArray[np.uint8]:
    """(28, 28) uint8, ink 255 on paper 0."""
    if found.orientation == 1:
        return _centre(found.ink)
    turned = upright(Image.fromarray(found.ink.pixels), found.orientation)
    return _centre(Ink.of(np.asarray(turned)))


def draw_ink(found: Found) -> NDArray[np.uint8]:
    """The ink in its place: (h, w) uint8, 255 the darkest, the longer side INK_SIDE at most."""
    sheet = found.ink._replace(pixels=_clean(found.ink)).on(found.size)
    sheet.thumbnail((INK_SIDE, INK_SIDE), Image.Resampling.BOX)
    return np.asarray(upright(sheet, found.orientation))


def normalise_image(image: Image.Image) -> NDArray[np.uint8]:
    """Decoded picture -> (28, 28) uint8, ink 255 on paper 0. Raises BlankPicture."""
    return _centre(_closely(look(image), partial(look, image))[0])


def find_ink(data: bytes) -> Sheet:
    """Encoded picture -> all the ink of its first frame, for what is more than one digit. Raises PictureError."""
    if drawn := canvas.read_ink(data, 2 * SHEET_SIDE - 1):
        return _sheet(on_clean_paper(Ink.of(*drawn)), 1, 1)
    picture = Picture(data)
    seen = picture.look(side=SHEET_SIDE)
    image = upright(seen.image, picture.orientation)
    w, h = picture.size
    ink = without_strangers((find_faint if seen.stretched else find)(image), image.size, several=True)
    return _sheet(ink, w / image.width, h / image.height)


def _sheet(ink: Ink, across: float, down: float) -> Sheet:
    """Raises BlankPicture."""
    if ink.peak < 1:
        raise BlankPicture(BLANK)
    return Sheet(_clean(ink), ink.left, ink.top, across, down)


def _clean(ink: Ink) -> NDArray[np.uint8]:
    """The ink's pixels, 255 the darkest, without noise."""
    clean = ink.pixels.tobytes().translate(_stretch(ink.peak))
    return np.frombuffer(clean, np.uint8).reshape(ink.pixels.shape)


def normalise_ink(ink: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(h, w) of a digit, 0 for paper, something drawn -> (28, 28) uint8, as `normalise` gives it."""
    return _centre(Ink.of(ink))


def _closely(seen: Look, look_at: Callable[[Box], Look]) -> tuple[Ink, tuple[int, int]]:
    """The ink of a picture, and its size; of a small digit on a large page from the file's own pixels around it."""
    find_ink = find_faint if seen.stretched else find
    found = find_ink(seen.image)
    ink = alone(found, seen.image.size)
    if seen.reduced == 1 or ink.size >= SMALL:
        return ink, seen.image.size
    left, top, right, bottom = ink.box(EDGE * ink.peak)
    margin, (w, h) = AROUND * ink.size + 2, seen.image.size
    sheet = ink.sheet or (0, 0, w, h)
    box = (
        max(sheet[0], ink.left + left - margin) / w,
        max(sheet[1], ink.top + top - margin) / h,
        min(sheet[2], ink.left + right + margin) / w,
        min(sheet[3], ink.top + bottom + margin) / h,
    )
    closer = look_at(box).image
    return alone(find_ink(closer), closer.size, pattern=ink is not found), closer.size


def _centre(ink: Ink) -> NDArray[np.uint8]:
    """Ink -> (28, 28): its longer side 20 pixels, its centre of mass in the middle."""
    peak = ink.peak
    left, top, right, bottom = ink.box(EDGE * peak)
    crop = ink.pixels[top:bottom, left:right]
    if peak == 255:  # as of a drawing in black: a third of the next way's time
        return _place(crop * (crop > NOISE * peak))
    stretched = crop.tobytes().translate(_stretch(peak))  # a third of the time of Pillow's point()
    return _place(np.frombuffer(stretched, np.uint8).reshape(crop.shape))


@cache
def _stretch(peak: int) -> bytes:
    """For each of 256 greys what it becomes: `peak` 255, noise 0."""
    return bytes(min(255, v * 255 // peak) * (v > NOISE * peak) for v in range(256))


def _place(crop: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(h, w), cut to its ink -> (28, 28)."""
    h, w = crop.shape
    side = max(h, w) * SIDE / DIGIT_SIDE
    x, y = _centre_of_mass(crop)
    pad = int(side / 2) + 1
    padded = np.zeros((h + 2 * pad, w + 2 * pad), np.uint8)
    padded[pad : pad + h, pad : pad + w] = crop
    sheet = Image.frombuffer("L", (w + 2 * pad, h + 2 * pad), padded, "raw", "L", 0, 1)  # fromarray() takes 1.3 us more
    window = (x + pad - side / 2, y + pad - side / 2, x + pad + side / 2, y + pad + side / 2)
    small = np.asarray(sheet.resize((SIDE, SIDE), Image.Resampling.HAMMING, window))
    scaled: NDArray[np.uint8] = (small * (255 / max(1, small.max()))).astype(np.uint8)
    return scaled


def _centre_of_mass(ink: NDArray[np.uint8]) -> tuple[float, float]:
    """(h, w) -> x, y in pixels from the top left corner."""
    h, w = ink.shape
    weights = ink.astype(np.float32)  # exact: a row of 560 pixels is below 2**24
    columns = (np.ones(h, np.float32) @ weights).astype(np.float64)  # BLAS: half of sum()'s time
    rows = (weights @ np.ones(w, np.float32)).astype(np.float64)
    total = rows.sum()
    return float(columns @ np.arange(w) / total) + 0.5, float(rows @ np.arange(h) / total) + 0.5
