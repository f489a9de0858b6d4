"""Pictures and requests made to hurt, each below 4 MiB; deterministic."""

from __future__ import annotations

import struct
import zlib
from io import BytesIO
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from backend.contract import MAX_BODY_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable


def encode(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def bar(side: int = 2048) -> Image.Image:
    """A black bar on a see-through sheet: a readable one, as large as is decoded at all."""
    sheet = Image.new("RGBA", (side, side), (255, 255, 255, 0))
    sheet.paste((0, 0, 0, 255), (side * 4 // 10, side // 10, side * 5 // 10, side * 9 // 10))
    return sheet


def noise(side: int, bands: int, seed: int = 0) -> Image.Image:
    shape = (side, side, bands) if bands > 1 else (side, side)
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, shape, np.uint8))


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png(width: int, height: int, *chunks: bytes) -> bytes:
    """A PNG that promises width x height RGBA and delivers 10 MB of zeros, with other chunks before."""
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0))
    pixels = chunk(b"IDAT", zlib.compress(bytes(10_000_000)))
    return b"\x89PNG\r\n\x1a\n" + head + b"".join(chunks) + pixels + chunk(b"IEND", b"")


def on_paper(side: int = 2048) -> Image.Image:
    """The bar on white."""
    paper = Image.new("RGB", (side, side), "white")
    paper.paste(bar(side), (0, 0), bar(side))
    return paper


def deep() -> Image.Image:
    return Image.fromarray(np.asarray(on_paper().convert("L")).astype(np.uint16) * 257)


def turned() -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = 6
    return exif


def film(kind: str, bands: int) -> bytes:
    return encode(on_paper(300), kind, save_all=True, append_images=[noise(300, bands)] * 5)


# Large and odd, but readable: each must be answered 200.
ALLOWED: dict[str, Callable[[], bytes]] = {
    "RGBA PNG of 2048x2048": lambda: encode(bar(), "PNG"),
    "16-bit PNG": lambda: encode(deep(), "PNG"),
    "palette PNG": lambda: encode(on_paper().quantize(4), "PNG"),
    "1-bit PNG": lambda: encode(on_paper().convert("1"), "PNG"),
    "grey PNG with alpha": lambda: encode(bar().convert("LA"), "PNG"),
    "CMYK JPEG": lambda: encode(on_paper().convert("CMYK"), "JPEG"),
    "progressive JPEG of 16 megapixels": lambda: encode(on_paper(4090), "JPEG", progressive=True),
    "turned JPEG": lambda: encode(on_paper(), "JPEG", exif=turned()),
    "lossless WebP": lambda: encode(bar(), "WEBP", lossless=True),
    "animated GIF": lambda: film("GIF", 1),
    "animated WebP": lambda: film("WEBP", 3),
    "GIF of 2048x2048": lambda: encode(on_paper().quantize(4), "GIF"),
}

COMMENT = chunk(b"zTXt", b"k\0\0" + zlib.compress(bytes(900_000)))
PROFILE = chunk(b"iCCP", b"k\0\0" + zlib.compress(bytes(100_000_000), 1))

# Bombs and wrecks: each must be answered 4xx.
REFUSED: dict[str, Callable[[], bytes]] = {
    "PNG of 50,000x50,000": lambda: png(50_000, 50_000),
    "PNG of 50,000x80": lambda: png(50_000, 80),
    "PNG of 11,000x11,000": lambda: png(11_000, 11_000),
    "PNG of 2,000,000,000 wide": lambda: png(2_000_000_000, 1),
    "PNG of 0x0": lambda: png(0, 0),
    "PNG with 2 GB of comments": lambda: png(100, 100, *[COMMENT] * 2_200),
    "PNG with a 100 MB colour profile": lambda: png(100, 100, PROFILE),
    "GIF of 65,535x65,535": lambda: b"GIF89a\xff\xff\xff\xff\0\0\0,\0\0\0\0\xff\xff\xff\xff\0",
    "WebP that claims more": lambda: encode(on_paper(1000), "WEBP").replace(b"\xe8\x03", b"\xff\x3f", 1),
    "JPEG of 65,500x65,500": lambda: jpeg_of(65_500, 65_500),
    "BMP": lambda: encode(noise(50, 3), "BMP"),
    "TIFF": lambda: encode(noise(50, 3), "TIFF"),
    "EPS": lambda: b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 50 50\n",
    "SVG": lambda: b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>',
    "4 MiB of zeros": lambda: bytes(MAX_BODY_BYTES),
}


def jpeg_of(width: int, height: int) -> bytes:
    """A small JPEG whose frame header claims another size."""
    data = encode(Image.new("L", (16, 16)), "JPEG")
    at = data.index(b"\xff\xc0") + 5
    return data[:at] + struct.pack(">HH", height, width) + data[at + 4 :]


def wrecks(seed: int, total: int) -> list[bytes]:
    """About `total` bytes of valid small files of every format with bytes changed, cut, doubled or shifted."""
    rng = np.random.default_rng(seed)
    sheet = bar(64)
    opaque = Image.new("RGB", sheet.size, "white")
    opaque.paste(sheet, (0, 0), sheet)
    good = [encode(sheet, "PNG"), encode(opaque.quantize(4), "PNG"), encode(opaque.convert("1"), "PNG")]
    good += [encode(opaque, "JPEG"), encode(opaque, "JPEG", progressive=True), encode(opaque.convert("CMYK"), "JPEG")]
    good += [encode(sheet, "WEBP"), encode(sheet, "WEBP", lossless=True), encode(opaque.quantize(4), "GIF")]
    good += [encode(opaque, kind, save_all=True, append_images=[noise(64, 3)]) for kind in ("GIF", "WEBP")]
    made: list[bytes] = []
    while sum(map(len, made)) < total:
        made.append(wreck(bytearray(good[len(made) % len(good)]), rng))
    return made


def wreck(data: bytearray, rng: np.random.Generator) -> bytes:
    kind = rng.integers(4)
    at, end = sorted(rng.integers(0, len(data), 2))
    if kind == 0:
        for place in rng.integers(0, len(data), rng.integers(1, 12)):
            data[place] = rng.integers(256)
    elif kind == 1:
        del data[at:]
    elif kind == 2:
        data[at:at] = data[at:end]
    else:
        data[at : at + 4] = rng.choice([b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\0\0\0\1"])
    return bytes(data)
