"""The 200 drawings that every contender is asked about: tests/strokes.json in other hands, as the canvas sends them."""

from __future__ import annotations

import json
import struct
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from training.data.strokes import draw, fit, vary

if TYPE_CHECKING:
    from PIL import Image

STROKES = Path(__file__).parents[1] / "strokes.json"
COUNT = 200


class Drawn(NamedTuple):
    """A picture's file and the digit that was meant."""

    png: bytes
    label: str


def drawings(count: int = COUNT) -> list[Drawn]:
    """The same `count` drawings on every machine: digits in turn, pens of 10 to 24 pixels, 100 to 220 pixels high."""
    hands: dict[str, list[list[list[list[float]]]]] = json.loads(STROKES.read_text(encoding="utf-8"))
    rng = np.random.default_rng(28)
    made = []
    for n in range(count):
        digit = str(n % 10)
        styles = hands[digit]
        strokes = [np.array(stroke, float) for stroke in styles[n // 10 % len(styles)]]
        placed = fit(vary(strokes, rng), rng.uniform(100, 220), tuple(rng.uniform(125, 155, 2)))
        made.append(Drawn(canvas_png(draw(placed, rng.uniform(10, 24)).convert("RGBA")), digit))
    return made


def canvas_png(image: Image.Image, *, filters: int = 2, extra: bytes = b"", most: int = 1 << 20) -> bytes:
    """RGBA -> a PNG as Chromium's canvas writes it: each row as its difference to the one above, zlib at its fastest.

    Pillow's own files are a third smaller and take twice as long to decode.
    """
    pixels = np.asarray(image)
    h, w, bands = pixels.shape
    rows = np.diff(pixels.reshape(h, w * bands), axis=0, prepend=np.zeros((1, w * bands), np.uint8))
    packed = zlib.compress(np.insert(rows, 0, filters, axis=1).tobytes(), 1)  # 2: the filter "up"
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", w, h, 8, 6 if bands == 4 else 2, 0, 0, 0))
    body = b"".join(chunk(b"IDAT", packed[at : at + most]) for at in range(0, len(packed), most))
    return b"\x89PNG\r\n\x1a\n" + head + extra + body + chunk(b"IEND", b"")


def chunk(kind: bytes, content: bytes) -> bytes:
    """One of a PNG's chunks."""
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
