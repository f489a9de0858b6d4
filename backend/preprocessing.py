"""A picture's bytes -> the 28x28 ink that the model sees; the one implementation, used by the API and by training.

The recipe is MNIST's own (LeCun et al. 1998, section III.A: scale the longer side to 20 pixels, put the centre of mass
in the middle of 28x28), after finding what is ink: the colour distance from the paper, or, where the paper is not even
(a photo), the darkness against the paper around it.

    PictureError
     +- UnsupportedPicture   none of the four formats
     +- UnreadablePicture    one of them, but broken
     +- TooManyPixels        more than is decoded
     +- BlankPicture         nothing drawn
"""

from __future__ import annotations

from functools import cache
from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, ImageChops, ImageFilter, ImageOps, PngImagePlugin, UnidentifiedImageError

from backend import canvas
from backend.contract import MAX_JPEG_PIXELS, MAX_PIXELS, SIDE

if TYPE_CHECKING:
    from numpy.typing import NDArray

PngImagePlugin.MAX_TEXT_MEMORY = 1024 * 1024  # bytes of comments a PNG may unpack to: 64 MB by default, a bomb
FORMATS = ("PNG", "JPEG", "WEBP", "GIF")
DIGIT_SIDE = 20  # pixels: the longer side of the ink inside the SIDE x SIDE picture
WORKING_SIDE = 280  # pixels: larger pictures are reduced to between this and twice this
LARGEST_AS_IT_IS = 2 * WORKING_SIDE - 1
MIN_CONTRAST = 24  # of 255: less than this between paper and ink is a blank sheet
NOISE = 0.08  # of the darkest ink: JPEG ringing at quality 40 stays below it
# Pillow's decoders raise all of these on corrupt files.
BROKEN = (OSError, SyntaxError, ValueError, EOFError, IndexError, KeyError, TypeError, OverflowError, MemoryError)
EDGE = 0.25  # of the darkest ink: where the bounding box begins
BLANK = "The sheet is empty: there is nothing drawn on it."
UNEVEN = 10  # of 255: a border that varies more than this is not one colour but a photo


class PictureError(ValueError):
    """These bytes cannot become a drawing; the message is for the person who sent them."""


class UnsupportedPicture(PictureError):
    """The bytes are none of PNG, JPEG, WebP and GIF."""


class UnreadablePicture(PictureError):
    """The bytes begin like a picture and then break."""


class TooManyPixels(PictureError):
    """The picture would decode to more pixels than the limit."""


class BlankPicture(PictureError):
    """The picture holds no ink."""


def normalise(data: bytes) -> NDArray[np.uint8]:
    """Encoded picture -> (28, 28) uint8, ink 255 on paper 0. Raises PictureError."""
    ink = canvas.read_ink(data, LARGEST_AS_IT_IS)
    return normalise_image(decode(data)) if ink is None else _centre(ink)


def normalise_image(image: Image.Image) -> NDArray[np.uint8]:
    """Decoded picture of mode L, RGB or opaque RGBA -> (28, 28) uint8, ink 255 on paper 0. Raises BlankPicture."""
    factor = max(image.size) // WORKING_SIDE
    if factor > 1:
        image = (image.convert("RGB") if image.mode == "RGBA" else image).reduce(factor)
    return _centre(np.asarray(_ink(image)))


def decode(data: bytes) -> Image.Image:
    """Encoded picture -> its first frame, upright, opaque, mode L, RGB or RGBA. Raises PictureError."""
    try:
        image = Image.open(BytesIO(data), formats=FORMATS)
        _check_size(image)
        image.load()
        ImageOps.exif_transpose(image, in_place=True)
        return _flatten(image)
    except UnidentifiedImageError:
        raise UnsupportedPicture("This is not a PNG, JPEG, WebP or GIF picture.") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise TooManyPixels("The picture has too many pixels.") from None
    except PictureError:
        raise
    except BROKEN:
        raise UnreadablePicture("The picture is damaged and cannot be read.") from None


def pixels(data: bytes) -> int:
    """How many pixels decoding would take, told by the file's head alone; 0 for what is no picture."""
    try:
        with Image.open(BytesIO(data), formats=FORMATS) as image:
            return image.width * image.height // (MAX_JPEG_PIXELS // MAX_PIXELS if image.format == "JPEG" else 1)
    except (*BROKEN, Image.DecompressionBombError, Image.DecompressionBombWarning):
        return 0


def _check_size(image: Image.Image) -> None:
    if image.format == "JPEG" and image.width * image.height <= MAX_JPEG_PIXELS:
        image.draft("RGB" if image.mode != "L" else "L", (2 * WORKING_SIDE, 2 * WORKING_SIDE))
    if image.width * image.height > MAX_PIXELS:
        raise TooManyPixels(f"The picture has more than {MAX_PIXELS:,} pixels.")


def _flatten(image: Image.Image) -> Image.Image:
    """Any mode -> L, RGB or opaque RGBA; transparent pixels become paper."""
    if image.mode.startswith("I"):  # 16 bits a pixel: the high byte is all that 28x28 can show
        return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    if image.mode in ("1", "L"):
        image = image.convert("L")
    if image.has_transparency_data:
        return _composite(image if image.mode == "RGBA" else image.convert("RGBA"))
    return image if image.mode in ("L", "RGB") else image.convert("RGB")


def _composite(image: Image.Image) -> Image.Image:
    """Lay RGBA on paper: the border's colour or, where that is see-through, white under dark ink, black under light."""
    alpha = image.getchannel("A")
    if not ImageChops.invert(alpha).getbbox():  # nothing is see-through; getextrema() takes twice as long
        return image
    border = _border(image)
    opaque = border[:3, border[3] > 127]
    if 2 * opaque.shape[1] > border.shape[1]:
        colour = tuple(_median(opaque).tolist())
    else:
        luminance = np.asarray(image.convert("L"))[np.asarray(alpha) > 127]
        colour = (0, 0, 0) if luminance.size and luminance.mean() > 127 else (255, 255, 255)
    return Image.alpha_composite(Image.new("RGBA", image.size, colour), image).convert("RGB")


def _border(image: Image.Image) -> NDArray[np.uint8]:
    """The outermost ring as (bands, n); cut out first, for a large picture's array is a second copy of it."""
    w, h = image.size
    boxes = ((0, 0, w, 1), (0, h - 1, w, h), (0, 0, 1, h), (w - 1, 0, w, h))
    ring = b"".join(image.crop(box).tobytes() for box in boxes)
    return np.ascontiguousarray(np.frombuffer(ring, np.uint8).reshape(-1, len(image.getbands())).T)


def _ink(image: Image.Image) -> Image.Image:
    """L, RGB or opaque RGBA -> L, cut to what is not exactly paper: how much ink each pixel holds, 0 for paper."""
    colour = _paper(_border(image))
    if not colour:
        return _photo_ink(image.convert("L"))
    away = ImageChops.difference(image, Image.new(image.mode, image.size, colour if len(colour) > 1 else colour[0]))
    first, *rest = away.crop(away.getbbox(alpha_only=False)).split()[:3]  # on a drawing a quarter of the pixels is left
    for band in rest:
        first = ImageChops.lighter(first, band)
    return first


def _paper(border: NDArray[np.uint8]) -> tuple[int, ...]:
    """(bands, n) -> the paper's colour, empty where it has more than one."""
    if (border == border[:, :1]).all():  # a canvas: spares the 40 us below
        return tuple(border[:, 0].tolist())
    paper = _median(border)
    uneven = _upper_quartile(np.abs(border - paper[:, None]).max(axis=0)) > UNEVEN
    return () if uneven else tuple(paper.tolist())


def _median(values: NDArray[np.uint8]) -> NDArray[np.int16]:
    """(bands, n) -> (bands,), rounded down; np.median takes 40 us more, and 20 ms the first time for numpy.ma."""
    n = values.shape[1]
    middle: NDArray[np.int16] = np.sort(values, axis=1)[:, [(n - 1) // 2, n // 2]].sum(axis=1, dtype=np.int16) // 2
    return middle


def _upper_quartile(values: NDArray[np.int16]) -> float:
    """As np.percentile(values, 75) has it, which takes 60 us for this."""
    whole, quarters = divmod(3 * (len(values) - 1), 4)
    low, high = np.sort(values)[whole : whole + 2].tolist()
    return float(low + quarters * (high - low) / 4)


def _photo_ink(grey: Image.Image) -> Image.Image:
    """L -> L: ink on unevenly lit paper, as darkness relative to the paper around it.

    The paper is a grey closing (Serra 1982) of the picture at 64 pixels: strokes thinner than its window of 15 vanish,
    shadows stay. Ink is told from noise by Otsu's threshold (1979). Raises BlankPicture.
    """
    if _light_on_dark(grey):
        grey = ImageOps.invert(grey)
    grey = grey.filter(ImageFilter.MedianFilter(3))
    paper = grey.resize((64, 64), Image.Resampling.BOX)
    for rank in 7 * [ImageFilter.MaxFilter(3)] + 7 * [ImageFilter.MinFilter(3)]:
        paper = paper.filter(rank)
    light = np.asarray(paper.filter(ImageFilter.BoxBlur(2)).resize(grey.size, Image.Resampling.BILINEAR), np.float32)
    ink = np.clip(1 - np.asarray(grey, np.float32) / np.maximum(light, 1), 0, 1)
    low, high = _otsu(ink)
    if high - low < MIN_CONTRAST / 255:
        raise BlankPicture(BLANK)
    sharpened = np.clip((ink - low) / (high - low) * 1.5 - 0.45, 0, 1)
    return Image.fromarray((sharpened * 255).astype(np.uint8))


def _light_on_dark(grey: Image.Image) -> bool:
    """Whether the strokes are lighter than what is around them: the sign of the skew once the lighting is out."""
    small = grey.resize((64, 64), Image.Resampling.BOX)
    detail = np.asarray(small, np.float32) - np.asarray(small.filter(ImageFilter.BoxBlur(10)), np.float32)
    return bool((detail**3).sum() > 0)


def _otsu(ink: NDArray[np.floating[Any]]) -> tuple[float, float]:
    """(h, w) in 0..1 -> the mean of each of the two classes that Otsu's threshold makes."""
    counts, edges = np.histogram(ink, bins=64, range=(0, 1))
    middle = (edges[:-1] + edges[1:]) / 2
    below, mass = np.cumsum(counts), np.cumsum(counts * middle)
    above = below[-1] - below
    low, high = mass / np.maximum(below, 1), (mass[-1] - mass) / np.maximum(above, 1)
    best = np.argmax(below * above * (high - low) ** 2)
    return float(low[best]), float(high[best])


def _centre(ink: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(h, w) -> (28, 28): the ink's longer side 20 pixels, its centre of mass in the middle. Raises BlankPicture."""
    columns, rows = ink.max(axis=0), ink.max(axis=1)
    peak = int(rows.max())
    if peak < MIN_CONTRAST:
        raise BlankPicture(BLANK)
    x, y = np.flatnonzero(columns > EDGE * peak), np.flatnonzero(rows > EDGE * peak)
    crop = ink[y[0] : y[-1] + 1, x[0] : x[-1] + 1]
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
    sheet = Image.new("L", (w + 2 * pad, h + 2 * pad))
    sheet.paste(Image.fromarray(crop), (pad, pad))
    window = (x + pad - side / 2, y + pad - side / 2, x + pad + side / 2, y + pad + side / 2)
    small = np.asarray(sheet.resize((SIDE, SIDE), Image.Resampling.HAMMING, window))
    scaled: NDArray[np.uint8] = (small * (255 / small.max())).astype(np.uint8)
    return scaled


def _centre_of_mass(ink: NDArray[np.uint8]) -> tuple[float, float]:
    """(h, w) -> x, y in pixels from the top left corner."""
    weights = ink.astype(np.float32)  # exact: a row of 560 pixels is below 2**24
    columns, rows = weights.sum(axis=0).astype(np.float64), weights.sum(axis=1).astype(np.float64)
    total = rows.sum()
    x, y = columns @ np.arange(len(columns)) / total, rows @ np.arange(len(rows)) / total
    return float(x) + 0.5, float(y) + 0.5
