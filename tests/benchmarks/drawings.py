"""The 200 drawings that every contender is asked about: digits of 131 people's own pens, as the canvas sends them.

pens.json holds the pen's ways (UNIPEN train_r01_v07, CC BY 4.0), made by `python -m tests.benchmarks.drawings`.
"""

from __future__ import annotations

import json
import struct
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from training.data.strokes import CANVAS, draw, fit

if TYPE_CHECKING:
    from PIL import Image

    from training.data.strokes import Drawing

PENS = Path(__file__).with_name("pens.json")
COUNT = 200
UNIT = 1000  # the longer side of a digit in pens.json


class Drawn(NamedTuple):
    """A picture's file and the digit that was meant."""

    png: bytes
    label: str


def drawings(count: int = COUNT) -> list[Drawn]:
    """The same `count` drawings on every machine: digits in turn, pens of 6 to 24 pixels, 80 to 230 pixels high."""
    pens: list[list[list[list[int]]]] = json.loads(PENS.read_text(encoding="utf-8"))
    rng = np.random.default_rng(28)
    made = []
    for n in range(count):
        side, pen = rng.uniform(80, 230), rng.uniform(6, 24)
        away = (side + pen) / 2 + 1  # of its middle from the sheet's edges
        strokes = fit(
            [np.array(stroke, float) for stroke in pens[n % COUNT]], side, tuple(rng.uniform(away, CANVAS - away, 2))
        )
        made.append(Drawn(canvas_png(draw(strokes, pen).convert("RGBA")), str(n % 10)))
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


def main() -> None:
    """Write pens.json: of each digit in turn, of as many people as there are."""
    from training.data import readers

    found = readers.in_turns(readers.people())
    by_digit = [[each.drawing for each in found if each.digit == n] for n in range(10)]
    pens = [_rounded(by_digit[n % 10][n // 10]) for n in range(COUNT)]
    PENS.write_text(json.dumps(pens, separators=(",", ":")).replace("]]],[[[", "]]],\n[[[") + "\n", encoding="utf-8")


def _rounded(drawing: Drawing) -> list[list[list[int]]]:
    """Whole numbers, each point at least a fiftieth of the digit from the one before."""
    found = []
    for stroke in fit(drawing, UNIT):
        kept = [stroke[0]]
        kept += [point for point in stroke[1:] if np.linalg.norm(point - kept[-1]) >= UNIT / 50]
        found.append(np.round(kept).astype(int).tolist())
    return found


if __name__ == "__main__":
    main()
