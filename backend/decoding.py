"""A picture's bytes -> its pixels, in bounded time and memory; whatever a decoder does, one family of errors comes out.

PictureError
 +- UnsupportedPicture   none of the formats that are read; says what to do
 +- UnreadablePicture    one of them, but broken
 +- TooManyPixels        more than is decoded
 +- BlankPicture         nothing drawn
"""

from __future__ import annotations

import logging
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from io import BytesIO
from math import ceil
from typing import TYPE_CHECKING, NamedTuple, cast

import numpy as np
from PIL import Image

from backend import containers
from backend.contract import FORMATS, MAX_MEGAPIXELS, MAX_PIXELS
from backend.paper import flatten

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from backend.containers import Lean

WORKING_SIDE = 280  # pixels: larger pictures are reduced to between this and twice this
LARGEST_AS_IT_IS = 2 * WORKING_SIDE - 1
MAX_MEMORY = 144 * 1024**2  # bytes that decoding may take
FAINT = 24 * 256  # of 65,536: less than this from dark to light is not seen in 8 bits
STRIP = 1_000_000  # pixels that are converted at once
VISIT = 4  # pixels of a PNG: what a JPEG decoder's visit of a block costs
MAX_ANIMATED = 16_000_000  # pixels: so many of an animation's are looked at for one that is not blank

logging.getLogger("PIL").addHandler(logging.NullHandler())  # else its word on each damaged TIFF goes to stderr


class PictureError(ValueError):
    """These bytes cannot become a drawing; the message is for the person who sent them."""


class UnsupportedPicture(PictureError):
    """The bytes are none of the formats that are read."""


class UnreadablePicture(PictureError):
    """The bytes begin like a picture and then break."""


class TooManyPixels(PictureError):
    """The picture would decode to more pixels than the limit."""


class BlankPicture(PictureError):
    """The picture holds no ink."""


class Format(NamedTuple):
    """How one format is read: by which class of which plugin of Pillow, from what lean form of the file.

    copies: how many of the picture its decoder holds at once, itself one of them, as measured.
    """

    name: str
    file: str  # "plugin.class"
    lean: Callable[[bytes], Lean]
    copies: int = 1

    def open(self, file: BytesIO) -> Image.Image:
        """Read the file's head."""
        return _opener(self.file)(file)


@cache
def _opener(name: str) -> Callable[[BytesIO], Image.Image]:
    """A class of one of Pillow's plugins, imported when the first such file comes."""
    plugin, kind = name.split(".")
    opener: Callable[[BytesIO], Image.Image] = getattr(import_module(f"PIL.{plugin}"), kind)
    return opener


PNG = Format("PNG", "PngImagePlugin.PngImageFile", containers.lean_png)
JPEG = Format("JPEG", "JpegImagePlugin.JpegImageFile", containers.lean_jpeg)
GIF = Format("GIF", "GifImagePlugin.GifImageFile", containers.lean_gif)
WEBP = Format("WebP", "WebPImagePlugin.WebPImageFile", containers.lean_webp, 4)  # two canvases, their bytes
BMP = Format("BMP", "BmpImagePlugin.BmpImageFile", containers.lean_bmp)
TIFF = Format("TIFF", "TiffImagePlugin.TiffImageFile", containers.lean_tiff)
READ = (
    (b"\x89PNG\r\n\x1a\n", PNG),
    (b"\xff\xd8\xff", JPEG),
    (b"GIF87a", GIF),
    (b"GIF89a", GIF),
    (b"BM", BMP),
    (b"II*\0", TIFF),
    (b"MM\0*", TIFF),
)
HEIC = "This is a HEIC picture. iPhone: Settings, Camera, Formats, Most Compatible; or save it as JPEG."
VIDEO = "This is a video: send a picture of it, such as a screenshot."
RAW = "This is a JPEG 2000 or JPEG XL picture, which is not read: save it as JPEG or PNG."
# What else people send, by its first bytes -> what to do.
NOT_READ = (
    (0, b"%PDF", "This is a PDF document: export the page as PNG, or take a screenshot of it."),
    (0, b"<svg", "This is an SVG drawing: export it as PNG."),
    (0, b"<!doctype html", "This is a web page, not a picture: save the picture itself."),
    (0, b"<html", "This is a web page, not a picture: save the picture itself."),
    (0, b"\0\0\1\0", "This is an icon (ICO): save it as PNG."),
    (0, b"8BPS", "This is a Photoshop file: export it as PNG."),
    (0, b"%!PS", "This is a PostScript file: export it as PNG."),
    (0, b"PK\3\4", "This is an archive or a document, not a picture: send the picture that is in it."),
    (0, b"version https://git-lfs", "This is a Git LFS pointer, not the picture itself: run git lfs pull."),
    (0, b"\xff\x0a", RAW),
    (0, b"\xff\x4f\xff\x51", RAW),
    (4, b"jxl ", RAW),
    (4, b"jp  ", RAW),
    (4, b"ftypavif", "This is an AVIF picture, which is not read: save it as PNG or JPEG."),
    (4, b"ftypavis", "This is an AVIF picture, which is not read: save it as PNG or JPEG."),
    *((4, b"ftyp" + brand, HEIC) for brand in (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")),
    (4, b"ftyp", VIDEO),
    (0, b"\x1a\x45\xdf\xa3", VIDEO),
)
NO_PICTURE = f"This is not a {FORMATS} picture."


TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


class Look(NamedTuple):
    """A picture of mode L, RGB or opaque RGBA.

    reduced: how many of the file's pixels make one side of one of its own. stretched: whether its contrast is not the
    file's, which was next to nothing.
    """

    image: Image.Image
    reduced: int = 1
    stretched: bool = False


Box = tuple[float, float, float, float]  # left, top, right, bottom, each 0 to 1
WHOLE: Box = (0, 0, 1, 1)


class Picture:
    """One file: what decoding it will cost, and its frames, each looked at as a whole or in part."""

    def __init__(self, data: bytes) -> None:
        self._format = _format(data)
        with _damage():
            self._lean = self._format.lean(data)
            self._image = self._open()
        self._full = self._image.size
        self.orientation = containers.orientation(self._lean.exif, self._lean.xmp)
        self._check()

    @property
    def pixels(self) -> int:
        """How many pixels of a PNG are as much work."""
        return VISIT * self._lean.visits if self._format is JPEG else self._full[0] * self._full[1]

    def looks(self) -> Iterator[Look]:
        """The whole of each frame, first to last; of an animation as many as one large picture has pixels."""
        yield self.look()
        with _damage():
            frames = getattr(self._image, "n_frames", 1) if self._format is not TIFF else 1
        for n in range(1, min(frames, containers.MAX_FRAMES, MAX_ANIMATED // self.pixels)):
            with _damage():
                self._image.seek(n)
            yield self.look()

    @property
    def size(self) -> tuple[int, int]:
        """Width and height as it is seen, upright."""
        return self._full[::-1] if self.orientation > 4 else self._full

    def look(self, box: Box = WHOLE, side: int = WORKING_SIDE) -> Look:
        """What is within a box, reduced to below 2 * `side` pixels a side."""
        with _damage():
            drafted = self._draft(box, side) if self._format is JPEG else 1
            self._image.load()
            levels = _levels(self._image)
            seen = look(self._image, box, levels, side)
        return Look(seen.image, seen.reduced * drafted, bool(levels))

    def _open(self) -> Image.Image:
        return self._format.open(BytesIO(self._lean.data))

    def _draft(self, box: Box, side: int) -> int:
        """Open the file so that its decoder reduces it by 1, 2, 4 or 8, and return that."""
        self._image = self._open()
        w, h = self._full
        if box == WHOLE:
            enough = min(w, h) // (2 * side)
        else:
            enough = int(max(w * (box[2] - box[0]), h * (box[3] - box[1]))) // side
        scale = next(scale for scale in (8, 4, 2, 1) if enough >= scale or scale == 1)
        while scale < 8 and 4 * w * h > scale**2 * (MAX_MEMORY - self._lean.coefficients):
            scale *= 2
        self._image.draft("L" if self._image.mode == "L" else "RGB", (w // scale, h // scale))
        return scale

    def _check(self) -> None:
        """Raise TooManyPixels for what would cost too much."""
        w, h = self._full
        if w * h > MAX_PIXELS:
            raise TooManyPixels(f"The picture has {w * h / 1e6:.0f} megapixels; {MAX_MEGAPIXELS} are the most.")
        if self.pixels > MAX_PIXELS:
            raise TooManyPixels("This JPEG goes over its pixels too many times: save it anew, or smaller.")
        if self._memory() > MAX_MEMORY:
            raise TooManyPixels(
                f"A {self._format.name} of {w * h / 1e6:.0f} megapixels takes too much memory to decode: "
                "save it as JPEG, or smaller."
            )

    def _memory(self) -> int:
        if self._format is JPEG:
            return self._lean.coefficients
        mode = self._image.mode
        each = 1 if mode in {"1", "L", "P"} else 2 if mode.startswith("I;16") else 4
        return self._full[0] * self._full[1] * each * self._format.copies


def decode(data: bytes) -> Image.Image:
    """Encoded picture -> its first frame, upright, opaque, mode L, RGB or RGBA. Raises PictureError."""
    picture = Picture(data)
    return upright(picture.look().image, picture.orientation)


def pixels(data: bytes) -> int:
    """How much work decoding would be, in pixels of a PNG, by the file's head alone; 0 where it is not a picture."""
    try:
        return Picture(data).pixels
    except PictureError:
        return 0


def look(
    image: Image.Image, box: Box = WHOLE, levels: tuple[float, float] | None = None, side: int = WORKING_SIDE
) -> Look:
    """The part of a decoded picture of any mode within a box; see-through pixels become paper."""
    w, h = image.size
    edges = (int(w * box[0]), int(h * box[1]), ceil(w * box[2]), ceil(h * box[3]))
    factor = max(edges[2] - edges[0], edges[3] - edges[1]) // side
    if factor > 1:
        return Look(flatten(_reduce(image, edges, factor, levels)), factor)
    return Look(flatten(_plain(image if box == WHOLE else image.crop(edges), levels)))


def upright(image: Image.Image, orientation: int) -> Image.Image:
    """Turn and mirror a picture as `orientation` says, in EXIF's numbers."""
    return image.transpose(TURNS[orientation]) if orientation in TURNS else image


def _reduce(
    image: Image.Image, edges: tuple[int, int, int, int], factor: int, levels: tuple[float, float] | None
) -> Image.Image:
    """Cut and shrink by strips, for a large picture's second copy would not fit in memory; L, RGB or RGBA."""
    left, top, right, bottom = edges
    rows = factor * max(1, STRIP // (factor * (right - left)))
    strips = [
        _plain(image.crop((left, y, right, min(y + rows, bottom))), levels).reduce(factor)
        for y in range(top, bottom, rows)
    ]
    if len(strips) == 1:
        return strips[0]
    whole = Image.new(strips[0].mode, (strips[0].width, sum(strip.height for strip in strips)))
    for n, strip in enumerate(strips):
        whole.paste(strip, (0, n * rows // factor))
    return whole


def _plain(image: Image.Image, levels: tuple[float, float] | None) -> Image.Image:
    """Any mode -> L, RGB or RGBA."""
    if image.mode[0] in "IF":
        return _shallow(image, levels)
    if image.mode == "1":
        image = image.convert("L")
    if image.has_transparency_data:
        return image if image.mode == "RGBA" else image.convert("RGBA")
    return image if image.mode in {"L", "RGB"} else image.convert("RGB")


def _levels(image: Image.Image) -> tuple[float, float] | None:
    """Of a picture with 16 or 32 bits a pixel the lowest and highest, where these would not differ in 8 bits."""
    if image.mode[0] not in "IF":
        return None
    low, high = cast("tuple[float, float]", image.getextrema())  # one band has two numbers
    return (low, high) if high - low < FAINT else None


def _shallow(image: Image.Image, levels: tuple[float, float] | None) -> Image.Image:
    """16 or 32 bits a pixel -> 8: the high byte of 16, which is all that 28x28 can show, or between two levels."""
    values = np.asarray(image)
    if image.mode == "F" and not np.isfinite(values).all():
        raise UnreadablePicture("The picture holds numbers that are no shades and cannot be read.")
    if not levels:
        return Image.fromarray(np.clip(values / 256, 0, 255).astype(np.uint8))
    low, high = levels
    return Image.fromarray(np.clip((values - low) * (255 / max(high - low, 1e-9)), 0, 255).astype(np.uint8))


def _format(data: bytes) -> Format:
    """Which of READ it is. Raises UnsupportedPicture with what to do."""
    for begin, read in READ:
        if data.startswith(begin):
            return read
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return WEBP
    text = data[:1024].removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if text.startswith((b"<?xml", b"<!--", b"<!doctype svg")) and b"<svg" in text:
        text = b"<svg"
    for place, begin, remedy in NOT_READ:
        if data[place:].startswith(begin) or (place == 0 and text.startswith(begin)):
            raise UnsupportedPicture(remedy)
    raise UnsupportedPicture(NO_PICTURE)


@contextmanager
def _damage() -> Iterator[None]:
    """Whatever goes wrong while a file is decoded -> UnreadablePicture."""
    try:
        yield
    except PictureError:
        raise
    except containers.UnknownKind as error:
        raise UnsupportedPicture(str(error)) from None
    except Exception:  # noqa: BLE001  # Pillow raises struct.error, AttributeError, AssertionError and ten others
        raise UnreadablePicture("The picture is damaged and cannot be read.") from None
