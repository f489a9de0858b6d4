"""A browser canvas' PNG -> its ink, without decoding the whole sheet: half the time that a drawing took.

Chromium's canvas writes RGBA, each row as its difference from the row above. So a blank sheet's rows and columns are
zeros, the ink is found before it is decoded, and its own pixels alone are summed up. Every other file is left to
Pillow; tests/unit/test_canvas.py holds the two ways against each other.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from PIL import Image
from zlib_ng import zlib_ng

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

SIGNATURE = b"\x89PNG\r\n\x1a\n"
RGBA = (8, 6, 0, 0, 0)  # IHDR after width and height: 8 bits, RGB and alpha, not interlaced
MAX_CHUNKS = 1_000  # Chromium writes one or a few
UP = 2  # the row filter that writes differences from the row above (PNG specification, 9.2)


class Drawn(NamedTuple):
    """The ink's bounding box: (h, w) how far each pixel is from the paper, and where it is in the sheet."""

    pixels: NDArray[np.uint8]
    left: int
    top: int


def read_ink(data: bytes, largest: int) -> Drawn | None:
    """A drawing's ink; None where this is no such drawing.

    The sheet must be opaque, `largest` pixels a side at most, its border of one colour and something on it.
    """
    try:
        rows = _rows(data, largest)
    except (struct.error, ValueError, zlib_ng.error):  # type: ignore[misc] # an exception, which its stub calls an object
        return None  # Pillow says what is broken
    if rows is None or rows[:, 0].tobytes() != bytes([UP]) * len(rows):
        return None
    first, paper = rows[0, 1:].tobytes(), rows[0, 1:5]
    even = paper[3] == 255 and first == first[:4] * (len(first) // 4)
    return _ink(rows, paper) if even else None


def size(data: bytes) -> tuple[int, int]:
    """A PNG's width and height. Raises struct.error where it has no head."""
    w, h = struct.unpack_from(">II", data, len(SIGNATURE) + 8)
    return w, h


def _rows(data: bytes, largest: int) -> NDArray[np.uint8] | None:
    """(h, 1 + 4 w): the file's rows as they are stored, each after its filter's number."""
    if not data.startswith(SIGNATURE):
        return None
    (kind, head), *body, (last, _) = _chunks(data)
    if kind != b"IHDR" or last != b"IEND" or {name for name, _ in body} != {b"IDAT"}:
        return None
    w, h, *form = struct.unpack(">IIBBBBB", head)
    if tuple(form) != RGBA or not 1 < w <= largest or not 1 < h <= largest:
        return None
    inflating, size = zlib_ng.decompressobj(), h * (1 + 4 * w)
    stored = inflating.decompress(b"".join(part for _, part in body), size + 1)
    return np.frombuffer(stored, np.uint8).reshape(h, -1) if inflating.eof and len(stored) == size else None


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """A PNG's chunks: (name, content). Raises struct.error where the file breaks off, or a checksum is wrong."""
    place = len(SIGNATURE)
    for _ in range(MAX_CHUNKS):
        if place >= len(data):
            return
        length, name = struct.unpack_from(">I4s", data, place)
        if struct.unpack_from(">I", data, place + 8 + length)[0] != zlib_ng.crc32(data[place + 4 : place + 8 + length]):
            raise struct.error("checksum")
        yield name, data[place + 8 : place + 8 + length]
        place += 12 + length
    raise struct.error("too many chunks")


def _ink(rows: NDArray[np.uint8], paper: NDArray[np.uint8]) -> Drawn | None:
    """(h, 1 + 4 w) differences from the row above -> the ink, if it is opaque and nowhere at the border."""
    box = _box(rows)
    if not box or box[0] == 0 or 4 * box[2] + 1 == rows.shape[1] or rows[-1, 1:].any():
        return None
    left, top, right, bottom = box
    pixels = np.ascontiguousarray(rows[top:bottom, 1 + 4 * left : 1 + 4 * right]).view("<u4")
    grey = pixels.astype(np.uint8)
    if paper[0] == paper[1] == paper[2] and (grey * np.uint32(0x010101) == pixels).all():  # and opaque
        ink = _away(grey, paper[0])
    else:
        bands = pixels.view(np.uint8).reshape(*pixels.shape, 4)
        if bands[..., 3].any():
            return None
        ink = np.maximum.reduce([_away(bands[..., k], paper[k]) for k in range(3)])
    if ink[-1].any():  # the row after the ink is paper
        return None
    return Drawn(ink[:-1], left, top)


def _box(rows: NDArray[np.uint8]) -> tuple[int, int, int, int] | None:
    """Where pixels differ from the row above, by Pillow's search, which takes half of NumPy's time.

    The first row, which is paper, is left out; the last too, for a row's end is missing after it.
    """
    h, length = rows.shape
    stored = rows.reshape(-1)[length + 1 :]
    changes = Image.frombuffer("RGBA", (length // 4, h - 2), stored, "raw", "RGBA", length, 1)
    box = changes.getbbox(alpha_only=False)
    return box and (box[0], box[1] + 1, box[2], box[3] + 1)


def _away(changes: NDArray[np.uint8], paper: np.uint8) -> NDArray[np.uint8]:
    """(h, w) differences from the row above, of one band -> how far each pixel is from the paper."""
    sums = _sum_down(changes)
    if paper == 255:
        return np.negative(sums, out=sums)  # 255 - (255 + sums), modulo 256
    pixels, sheet = sums + paper, np.full(changes.shape[1], paper)  # a row: NumPy's scalars take thrice
    far: NDArray[np.uint8] = np.maximum(pixels, sheet) - np.minimum(pixels, sheet)
    return far


def _sum_down(changes: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Running sums down the columns, modulo 256, by doubling (Hillis and Steele 1986): a fifth of `cumsum`'s time."""
    sums, step = np.array(changes, order="C"), 1
    while step < len(sums):
        sums[step:] += sums[:-step].copy()
        step *= 2
    return sums
