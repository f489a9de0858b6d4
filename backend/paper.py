"""Which colour a picture's paper has: that of its border, what prevails, or what lies behind see-through pixels."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from PIL import Image, ImageChops, ImageFilter

if TYPE_CHECKING:
    from numpy.typing import NDArray

UNEVEN = 10  # of 255: a border that varies more than this is not one colour but a photo
DARKER = 0.6  # of the paper's lightness: what is darker by more is no shadow on it
BEYOND = 4  # pixels: with 7, the window's half, strokes along the border of a close-up are lost, too
BLACK, LIT = 60, 0.1  # of 255, of the border: a board is as dark, and as much is more than a reflection on it
APART = 24  # of 255: what differs more than this from the paper is something else


def ring(image: Image.Image) -> NDArray[np.uint8]:
    """The outermost pixels as (bands, n); cut out first, for a large picture's array is a second copy of it."""
    w, h = image.size
    boxes = ((0, 0, w, 1), (0, h - 1, w, h), (0, 0, 1, h), (w - 1, 0, w, h))
    outermost = b"".join(image.crop(box).tobytes() for box in boxes)
    return np.ascontiguousarray(np.frombuffer(outermost, np.uint8).reshape(-1, len(image.getbands())).T)


EVEN = np.zeros(0, np.int16)


class Paper(NamedTuple):
    """A colour, empty where there is more than one; how far from it each pixel of the border is.

    spread: how far the farthest is. noise: how far from it the paper itself may be, strokes left out.
    """

    colour: tuple[int, ...]
    away: NDArray[np.int16]
    spread: int
    noise: float


def paper_of(border: NDArray[np.uint8]) -> Paper:
    """(bands, n) -> the colour that most of a border has."""
    if (border == border[:, :1]).all():  # a canvas: spares the 40 us below
        return Paper(tuple(border[:, 0].tolist()), EVEN, 0, 0)
    colour = median(border)
    away = distance(border, colour)
    usual, spread = _upper_quartile(away), int(away.max())
    return Paper(() if usual > UNEVEN else tuple(colour.tolist()), away, spread, max(3 * usual, min(spread, 6 * usual)))


def prevailing(image: Image.Image, border: NDArray[np.uint8], usual: tuple[int, ...]) -> tuple[int, ...]:
    """The colour of an evenly lit sheet at whose border something far darker or lighter stands out; else empty.

    A scan's dark edge, the corners of a turned scan and rules have hardly any tone between theirs and the paper's,
    and are darker than any shadow: that tells them from a photo. Against the colour that most of the border has, it
    must cover nearly all: a thick digit covers more than its paper. Where less than half of the border has it, two
    thirds. Where the border is partly lighter than a sheet that is not black, the sheet lies in a shadow.
    """
    if np.ptp(border, axis=1).max() < 255 * DARKER / 2:
        return ()
    pixels = np.asarray(image.resize((64, 64), Image.Resampling.BOX)).reshape(64 * 64, -1).T[:3]
    grey = pixels.mean(axis=0).astype(np.int16)
    tones = np.convolve(np.bincount(grey, minlength=256), np.ones(2 * UNEVEN + 1), "same")
    level = int(tones.argmax())
    colour = median(np.ascontiguousarray(pixels[:, np.abs(grey - level) <= UNEVEN]))
    away, outer = distance(pixels, colour), distance(border[:3], colour)
    far = DARKER * max(level, 255 - level)
    between = max(np.mean((each > UNEVEN) & (each < far)) for each in (away, outer))
    against = bool(usual) and distance(colour.astype(np.uint8)[:, None], np.array(usual, np.int16)[:3])[0] > UNEVEN
    outside = np.mean(outer <= UNEVEN)
    least = 0.5 if outside > 0.5 else 0.66
    if against:
        least = 0.75
    if level > BLACK and np.mean(border[:3].mean(axis=0) > level + APART) > LIT:
        return ()
    even = np.mean(away <= UNEVEN) > least and between < 0.12
    return tuple(colour.tolist()) if even and outside > 0.01 else ()


def distance(pixels: NDArray[np.uint8], colour: NDArray[np.int16]) -> NDArray[np.int16]:
    """(bands, n) -> (n,): how far each pixel is from a colour in the band where it is farthest."""
    far: NDArray[np.int16] = np.abs(pixels - colour[:, None]).max(axis=0)
    return far


def median(values: NDArray[np.uint8]) -> NDArray[np.int16]:
    """(bands, n) -> (bands,), rounded down; np.median takes 40 us more, and 20 ms the first time for numpy.ma."""
    n = values.shape[1]
    middle: NDArray[np.int16] = np.sort(values, axis=1)[:, [(n - 1) // 2, n // 2]].sum(axis=1, dtype=np.int16) // 2
    return middle


def _upper_quartile(values: NDArray[np.int16]) -> float:
    """As np.percentile(values, 75) has it, which takes 60 us for this."""
    whole, quarters = divmod(3 * (len(values) - 1), 4)
    low, high = np.sort(values)[whole : whole + 2].tolist()
    return float(low + quarters * (high - low) / 4)


def without_strokes(tones: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(h, w) -> the same without dark strokes thinner than 15 pixels, with shadows: a grey closing (Serra 1982).

    Its window may reach over the border: else the corner where a shadow's edge leaves the picture is filled with light.
    """
    closed = 255 - _most(255 - _most(np.pad(tones, BEYOND)))
    return closed[BEYOND:-BEYOND, BEYOND:-BEYOND]


def _most(tones: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(h, w) -> the most within 7 pixels to each side: at 128 pixels 0.03 ms, where Pillow's MaxFilter takes 2."""
    most = np.pad(tones, 7)
    for step in (1, 2, 4, 7):  # windows of 2, 4, 8 and 15
        most = np.maximum(most[step:], most[:-step])
        most = np.maximum(most[:, step:], most[:, :-step])
    return most


def flatten(image: Image.Image) -> Image.Image:
    """L, RGB or RGBA -> L, RGB or opaque RGBA: see-through pixels become paper."""
    if image.mode != "RGBA":
        return image
    alpha = image.getchannel("A")
    if not ImageChops.invert(alpha).getbbox():  # nothing is see-through; getextrema() takes twice as long
        return image
    sheet = Image.new("RGBA", image.size, _behind(image, alpha))
    return Image.alpha_composite(sheet, image).convert("RGB")


def _behind(image: Image.Image, alpha: Image.Image) -> tuple[int, ...]:
    """The border's colour; where that is see-through, a sheet's beside the hole; where all is ink, white or black."""
    border = ring(image)
    opaque = border[:3, border[3] > 127]
    if 2 * opaque.shape[1] > border.shape[1]:
        return tuple(median(opaque).tolist())
    solid = np.asarray(alpha) > 127
    if _filled(solid, alpha) > 0.6:  # strokes fill a third of their box
        beside = solid & (np.asarray(alpha.filter(ImageFilter.MinFilter(3))) <= 127)
        pixels = np.asarray(image)[..., :3]
        colour = median(np.ascontiguousarray(pixels[beside].T))
        away = distance(np.ascontiguousarray(pixels[solid].T), colour) > APART
        if 0.002 < away.mean() < 0.5:  # a sheet of this colour with something on it
            return tuple(colour.tolist())
    luminance = np.asarray(image.convert("L"))[solid]
    return (0, 0, 0) if luminance.size and luminance.mean() > 127 else (255, 255, 255)


def _filled(solid: NDArray[np.bool_], alpha: Image.Image) -> float:
    """How much of the bounding box of all that is not quite see-through is solid."""
    left, top, right, bottom = alpha.getbbox() or (0, 0, 1, 1)
    return float(np.count_nonzero(solid) / ((right - left) * (bottom - top)))
