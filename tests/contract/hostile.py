"""Pictures and requests made to hurt, each below 4 MiB; deterministic."""

from __future__ import annotations

import struct
import time
import zlib
from contextlib import suppress
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from backend.contract import MAX_BODY_BYTES
from backend.decoding import PictureError
from backend.preprocessing import normalise
from tests.benchmarks.drawings import chunk
from training.data.pictures import encode

if TYPE_CHECKING:
    from collections.abc import Callable


def bar(side: int = 2048) -> Image.Image:
    """A black bar on a see-through sheet: a readable one, as large as is decoded at all."""
    sheet = Image.new("RGBA", (side, side), (255, 255, 255, 0))
    sheet.paste((0, 0, 0, 255), (side * 4 // 10, side // 10, side * 5 // 10, side * 9 // 10))
    return sheet


def noise(side: int, bands: int, seed: int = 0) -> Image.Image:
    shape = (side, side, bands) if bands > 1 else (side, side)
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, shape, np.uint8))


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
    "PNG of 4K": lambda: encode(on_paper(2880), "PNG"),
    "see-through PNG of 16 megapixels": lambda: encode(bar(4000), "PNG"),
    "PNG of 36 megapixels": lambda: encode(on_paper(6000), "PNG"),
    "1-bit scan of 64 megapixels": lambda: encode(on_paper(8000).convert("1"), "PNG"),
    "WebP of 4K": lambda: encode(on_paper(2880), "WEBP"),
    "JPEG of 64 megapixels": lambda: encode(on_paper(8000), "JPEG"),
    "progressive JPEG of 48 megapixels": lambda: encode(on_paper(6928), "JPEG", progressive=True),
    "small digit on 64 megapixels": lambda: encode(speck(8000), "JPEG", subsampling=0),
    "small digit on 36 megapixels": lambda: encode(speck(6000), "PNG"),
    "BMP": lambda: encode(on_paper(1000), "BMP"),
    "TIFF": lambda: encode(on_paper(1000), "TIFF"),
    "1-bit TIFF of 25 megapixels": lambda: encode(on_paper(5000).convert("1"), "TIFF"),
    "JPEG with 4 MB of comments": lambda: stuffed(b"\xff\xfe\xff\xff" + bytes(65_533), 60),
    "JPEG with a megabyte of fill bytes": lambda: stuffed(b"\xff", 1_000_000),
    "JPEG with a megabyte of junk": lambda: stuffed(b"\xff\0", 500_000),
    "PNG with a large EXIF": lambda: with_exif(TAGS),
    "GIF with 16 blank frames before": lambda: late(),  # noqa: PLW0108 - defined below
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
    "blank GIF of 64x64, then a frame of 60,000x2,900": lambda: growing(),  # noqa: PLW0108 - defined below
    "WebP that claims more": lambda: encode(on_paper(1000), "WEBP").replace(b"\xe8\x03", b"\xff\x3f", 1),
    "JPEG of 65,500x65,500": lambda: jpeg_of(65_500, 65_500),
    "PNG with 300,000 empty chunks": lambda: png_with(chunk(b"IDAT", b""), 300_000),
    "PNG with 300,000 private chunks": lambda: png_with(chunk(b"abCd", b""), 300_000),
    "JPEG with a million empty segments": lambda: stuffed(b"\xff\xe1\0\2", 1_000_000),
    "JPEG with 50,000 tables": lambda: stuffed(b"\xff\xdb\0\x43\0" + bytes([1] * 64), 50_000),
    "JPEG with 10,000 frames": lambda: stuffed(frame(), 10_000),
    "GIF with a million comments": lambda: gif_with(b"!\xfe\1a\0", 800_000),
    "GIF with one comment of two million parts": lambda: gif_with(b"!\xfe" + b"\1a" * 2_000_000 + b"\0", 1),
    "a thousand empty scans": lambda: scans(4090, 1000),
    "a thousand scans that refine": lambda: scans(4090, 1000, refine=True),
    "99 scans of 44 megapixels": lambda: scans(6600, 99),
    "scans up to 4 MiB": lambda: scans(560, 60_000),
    "TIFF whose tags overlap": lambda: overlapping(),  # noqa: PLW0108 - defined below
    "TIFF of numbers that are none": lambda: encode(Image.fromarray(np.full((50, 50), np.nan, np.float32)), "TIFF"),
    "TIFF with infinite ink": lambda: encode(Image.fromarray(np.diag([np.inf] * 50).astype(np.float32)), "TIFF"),
    "TIFF with a JPEG inside": lambda: encode(noise(50, 3), "TIFF", compression="jpeg"),
    "fax of 64 megapixels": lambda: encode(on_paper(8000).convert("1"), "TIFF", compression="group4"),
    "EPS": lambda: b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 50 50\n",
    "SVG": lambda: b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>',
    "4 MiB of zeros": lambda: bytes(MAX_BODY_BYTES),
}


def speck(side: int) -> Image.Image:
    """A bar of 60 pixels on a large sheet."""
    paper = Image.new("RGB", (side, side), "white")
    paper.paste("black", (side // 3, side // 3, side // 3 + 12, side // 3 + 60))
    return paper


def stuffed(part: bytes, count: int) -> bytes:
    """A JPEG with something many times before its first segment."""
    data = encode(on_paper(280), "JPEG")
    return data[:2] + part * count + data[2:]


def frame() -> bytes:
    """A JPEG's frame header."""
    data = encode(on_paper(280), "JPEG")
    at = data.index(b"\xff\xc0")
    return data[at : at + 2 + int.from_bytes(data[at + 2 : at + 4], "big")]


def png_with(part: bytes, count: int) -> bytes:
    data = encode(on_paper(280), "PNG")
    return data[:33] + part * count + data[33:]


TAGS = b"".join(struct.pack("<HHLL", tag, 7, 4, 0) for tag in range(300, 4300))


def with_exif(tags: bytes) -> bytes:
    """A PNG with EXIF of these tags."""
    exif = b"II*\0\x08\0\0\0" + struct.pack("<H", len(tags) // 12) + tags + bytes(4)
    return png_with(chunk(b"eXIf", exif), 1)


def growing() -> bytes:
    """A GIF's second frame that is larger than the picture, which decoders then make as large."""
    data = encode(Image.new("L", (64, 64), 255), "GIF", save_all=True, append_images=[on_paper(64).convert("L")])
    second = data.index(b",", data.index(b",") + 1)
    return data[: second + 5] + struct.pack("<2H", 60_000, 2_900) + data[second + 9 :]


def gif_with(part: bytes, count: int) -> bytes:
    data = encode(on_paper(280).quantize(4), "GIF")
    at = 13 + 3 * 2 ** ((data[10] & 7) + 1)
    return data[:at] + part * count + data[at:]


def late() -> bytes:
    """The last of 16 frames is not blank; the others differ by the colour of their paper."""
    blank = [Image.new("RGB", (1000, 1000), (255, 255, 255 - n)) for n in range(15)]
    return encode(blank[0], "GIF", save_all=True, append_images=[*blank[1:], on_paper(1000)])


def scans(side: int, count: int, *, refine: bool = False) -> bytes:
    """A progressive JPEG whose scans hold nothing: each makes the decoder walk over all blocks, at 26 bytes each."""
    blocks = ((side + 7) // 8) ** 2
    runs = "".join(
        "0" + format(min(left, 32_767) - 16_384 if left >= 16_384 else 0, "014b") for left in range(blocks, 0, -32_767)
    )
    bits = runs + "1" * (-len(runs) % 8)
    empty = int(bits, 2).to_bytes(len(bits) // 8, "big").replace(b"\xff", b"\xff\0")
    first = segment(0xDA, bytes([1, 1, 0, 0, 0, 0])) + bytes((blocks + 7) // 8)
    again = segment(0xDA, bytes([1, 1, 0, 1, 63, 16 if refine else 0])) + empty
    tables = segment(0xC4, bytes([0, 1]) + bytes(16)) + segment(0xC4, bytes([16, 1]) + bytes(15) + b"\xe0")
    head = segment(0xDB, b"\0" + bytes([1] * 64)) + segment(0xC2, struct.pack(">BHHB", 8, side, side, 1) + b"\1\x11\0")
    return b"\xff\xd8" + head + tables + first + again * count + b"\xff\xd9"


def segment(marker: int, content: bytes) -> bytes:
    """One of a JPEG's segments."""
    return struct.pack(">BBH", 0xFF, marker, len(content) + 2) + content


def overlapping() -> bytes:
    """A TIFF of 500 tags that each claim the same megabyte."""
    tags = b"".join(struct.pack("<HHLL", 40_000 + n, 3, 500_000, 8) for n in range(500))
    return b"II*\0" + struct.pack("<L", 1_000_008) + bytes(1_000_000) + struct.pack("<H", 500) + tags + bytes(4)


def jpeg_of(width: int, height: int) -> bytes:
    """A small JPEG whose frame header claims another size."""
    data = encode(Image.new("L", (16, 16)), "JPEG")
    at = data.index(b"\xff\xc0") + 5
    return data[:at] + struct.pack(">HH", height, width) + data[at + 4 :]


def samples() -> list[bytes]:
    """Valid small files of every format, and of the kinds of each that are decoded in a way of their own."""
    sheet, opaque = bar(64), on_paper(64)
    grey, blank = opaque.convert("L"), Image.new("L", (64, 64), 255)
    deep = Image.fromarray(np.asarray(grey).astype(np.uint16) * 9)
    good = [encode(sheet, "PNG"), encode(opaque.quantize(4), "PNG"), encode(opaque.convert("1"), "PNG")]
    good += [encode(opaque, "JPEG"), encode(opaque, "JPEG", progressive=True), encode(opaque.convert("CMYK"), "JPEG")]
    good += [encode(sheet, "WEBP"), encode(sheet, "WEBP", lossless=True), encode(opaque.quantize(4), "GIF")]
    good += [
        encode(opaque, kind, save_all=True, append_images=[noise(64, 3)]) for kind in ("GIF", "WEBP", "PNG", "MPO")
    ]
    good += [encode(opaque.convert(mode), kind) for kind in ("BMP", "TIFF") for mode in ("1", "L", "RGB")]
    good += [
        encode(deep, "PNG"),
        encode(deep, "TIFF"),
        encode(grey.convert("LA"), "PNG"),
        encode(grey.convert("F"), "TIFF"),
    ]
    good += [encode(opaque, kind, exif=turned()) for kind in ("JPEG", "PNG", "WEBP")]
    good += [encode(blank, kind, save_all=True, append_images=[grey]) for kind in ("GIF", "WEBP", "PNG")]
    return [*good, encode(on_paper(900), "PNG")]


def wrecks(seed: int, total: int) -> list[bytes]:
    """About `total` bytes of files with bytes changed, cut, doubled or shifted."""
    rng, good = np.random.default_rng(seed), samples()
    made: list[bytes] = []
    while sum(map(len, made)) < total:
        made.append(wreck(bytearray(good[len(made) % len(good)]), rng))
    return made


def read_wrecks(count: int) -> tuple[int, float]:
    """Wreck samples, each second one twice -> how many are read, and the worst one's seconds of the processor.

    Any error but a PictureError goes through.
    """
    rng, good, worst, read = np.random.default_rng(2026), samples(), 0.0, 0
    for n in range(count):
        data = good[n % len(good)]
        for _ in range(1 + n % 2):
            data = wreck(bytearray(data), rng) or data
        started = time.process_time()
        with suppress(PictureError):
            normalise(data)
            read += 1
        worst = max(worst, time.process_time() - started)
    return read, worst


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
