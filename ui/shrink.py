"""A file that the API would refuse as too large -> a smaller one, made in a process of its own, which can be ended."""

from __future__ import annotations

import re
import subprocess
import sys
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from threading import BoundedSemaphore
from typing import Literal

from PIL import Image

from backend.contract import MAX_BODY_BYTES, MAX_PIXELS, SURE_PIXELS
from ui.pictures import ENOUGH, upright

SIDE = 2048  # pixels: the longer side of what is made; as JPEG it has 1 MB of a photo and 3.5 MB of noise
SECONDS = 10.0  # a photo of 48 megapixels takes 1
MEMORY = 150_000_000  # bytes that decoding may take
PROCESS_MEMORY = 1_000_000_000  # bytes of addresses for the process, libraries and all
MAKERS = BoundedSemaphore(2)
SOF = re.compile(rb"\xff[\xc0-\xc2]\x00[\x08-\x17]\x08(....)", re.DOTALL)  # a JPEG's frame header: height, width


def fit(data: bytes) -> bytes:
    """The same, or smaller where the API would not take it; what cannot be made smaller the API itself refuses."""
    most = MAX_PIXELS if data.startswith(b"\xff\xd8") else SURE_PIXELS  # only JPEG shrinks while it is decoded
    if len(data) <= MAX_BODY_BYTES and pixels(data) <= most:
        return data
    command = [sys.executable, "-m", "ui.shrink"]
    try:
        with MAKERS:
            done = subprocess.run(  # noqa: S603 - this module itself
                command, input=data, cwd=Path(__file__).parents[1], capture_output=True, timeout=SECONDS, check=True
            )
    except (OSError, subprocess.SubprocessError):
        return data
    return done.stdout


def pixels(data: bytes) -> int:
    """Width times height as the file claims them, without decoding; 0 where they are not found.

    A JPEG may hold a thumbnail and a second picture: the largest counts.
    """
    if data.startswith(b"\xff\xd8"):
        return max((_product(match[1], "big") for match in SOF.finditer(data)), default=0)
    if data.startswith(b"\x89PNG"):
        return _product(data[16:24], "big")
    if data.startswith(b"GIF8"):
        return _product(data[6:10], "little")
    kind = data[12:16] if data.startswith(b"RIFF") else b""
    if kind == b"VP8X":
        return _product(data[24:30], "little")
    if kind == b"VP8L":  # 14 bits each
        sides = int.from_bytes(data[21:25], "little")
        return (sides & 0x3FFF) * (sides >> 14 & 0x3FFF)
    return _product(data[26:30], "little") if kind == b"VP8 " else 0


def _product(sides: bytes, order: Literal["big", "little"]) -> int:
    """The first half of the bytes is a number, and the second."""
    middle = len(sides) // 2
    return int.from_bytes(sides[:middle], order) * int.from_bytes(sides[middle:], order)


def smaller(data: bytes) -> bytes:
    """A JPEG, or a PNG where something is see-through. Raises nearly anything where the file is damaged."""
    image: Image.Image = Image.open(BytesIO(data))
    image.draft("RGB" if image.mode != "L" else "L", (SIDE, SIDE))
    # A progressive JPEG's coefficients are all kept, of two bytes each.
    bands = 2 * len(image.getbands()) if image.info.get("progressive") else 0
    if pixels(data) * bands + image.width * image.height * 4 > MEMORY:
        raise ValueError("Decoding it would take too much memory.")
    if image.mode.startswith("I"):  # 16 bits a pixel
        image = image.convert("I").point([v >> 8 for v in range(65536)], "L")
    see_through = image.has_transparency_data
    image = image.convert("RGBA" if see_through else "RGB")
    image.thumbnail((ENOUGH, ENOUGH) if see_through else (SIDE, SIDE))
    buffer = BytesIO()
    upright(image).save(buffer, "PNG" if see_through else "JPEG", quality=90)
    return buffer.getvalue()


def _limit_memory() -> None:
    with suppress(ImportError):  # Windows has none
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (PROCESS_MEMORY, PROCESS_MEMORY))


if __name__ == "__main__":
    Image.MAX_IMAGE_PIXELS = None  # MEMORY is the limit here
    _limit_memory()
    sys.stdout.buffer.write(smaller(sys.stdin.buffer.read()))
