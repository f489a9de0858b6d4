"""Files that the API would not take: made smaller where that is cheap, left alone where they are made to hurt."""

from __future__ import annotations

import io
import struct
import time
from typing import Any

import numpy as np
import pytest
from PIL import Image

from backend.contract import MAX_BODY_BYTES, SURE_PIXELS
from tests.contract.hostile import chunk, jpeg_of
from ui import shrink
from ui.pictures import ENOUGH
from ui.shrink import fit, pixels


def encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def noise(side: int = 2400) -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (side, side, 3), np.uint8))


def see_through(side: int) -> Image.Image:
    sheet = Image.new("RGBA", (side, side))
    sheet.paste((0, 0, 0, 255), (side // 3, side // 3, side // 2, side * 2 // 3))
    return sheet


FLAT = Image.new("RGB", (4096, 2304), "white")
LARGE: dict[str, bytes] = {
    "JPEG of many bytes": encoded(noise(), "JPEG", quality=98),
    "PNG of many bytes": encoded(noise(), "PNG", compress_level=1),
    "WebP of many bytes": encoded(noise(1700), "WEBP", lossless=True, quality=0, method=0),
    "PNG of 4K": encoded(FLAT, "PNG"),
    "WebP of 4K": encoded(FLAT, "WEBP", method=0),
    "lossless WebP of 4K": encoded(FLAT, "WEBP", lossless=True, quality=0, method=0),
    "GIF of 4K": encoded(FLAT, "GIF"),
    "palette": encoded(FLAT.quantize(4), "PNG"),
    "JPEG of 70 megapixels": encoded(Image.new("L", (10_000, 7000), 200), "JPEG"),
}


@pytest.mark.parametrize("data", LARGE.values(), ids=LARGE)
def test_what_is_too_large_in_bytes_or_pixels_becomes_a_jpeg_that_fits(data: bytes) -> None:
    small = fit(data)
    image = Image.open(io.BytesIO(small))
    assert (image.format, max(image.size)) == ("JPEG", shrink.SIDE if pixels(data) > SURE_PIXELS else image.width)
    assert len(small) <= MAX_BODY_BYTES
    assert image.width * image.height <= SURE_PIXELS


def test_what_is_see_through_stays_so() -> None:
    image = Image.open(io.BytesIO(fit(encoded(see_through(3000), "PNG"))))
    assert (image.format, image.mode, max(image.size)) == ("PNG", "RGBA", ENOUGH)
    assert image.getpixel((0, 0)) == (0, 0, 0, 0)


def test_sixteen_bits_keep_their_shades() -> None:
    deep = np.full((3000, 3000), 200 * 256, np.uint16)
    deep[900:1500, 900:1500] = 40 * 256
    image = Image.open(io.BytesIO(fit(encoded(Image.fromarray(deep), "PNG")))).convert("L")
    assert image.getpixel((0, 0)) == pytest.approx(200, abs=2)
    assert image.getpixel((800, 800)) == pytest.approx(40, abs=2)


@pytest.mark.parametrize("kind", ["WEBP", "PNG"])
def test_what_exif_turns_is_upright_afterwards(kind: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    image = Image.open(io.BytesIO(fit(encoded(Image.new("RGB", (4400, 2200), "white"), kind, exif=exif))))
    assert image.size == (1024, 2048)
    assert image.getexif().get(0x0112, 1) == 1


def test_a_phones_jpeg_goes_as_it_is_for_the_api_shrinks_it_while_it_is_decoded() -> None:
    for data in (
        encoded(Image.new("L", (8064, 6048), 200), "JPEG"),
        encoded(FLAT, "MPO", save_all=True, append_images=[FLAT.reduce(8)]),
        encoded(FLAT.convert("CMYK"), "JPEG"),
    ):
        assert fit(data) is data


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF"])
def test_what_fits_is_not_touched(kind: str) -> None:
    data = encoded(Image.new("RGB", (2000, 2000), "white"), kind)
    assert fit(data) is data
    assert pixels(data) in (2000 * 2000, 1999 * 1999)  # lossless WebP writes one less


def test_the_size_of_a_picture_with_a_thumbnail_inside_is_its_own() -> None:
    exif = Image.Exif()
    exif[0x927C] = encoded(Image.new("L", (160, 120)), "JPEG")
    assert pixels(encoded(Image.new("L", (3000, 2000)), "JPEG", exif=exif)) == 6_000_000


def bomb(scans: int) -> bytes:
    """A progressive JPEG of 4 MP whose last scan comes again and again."""
    data = encoded(Image.new("L", (2100, 2100), 200), "JPEG", progressive=True)
    last = data[data.rindex(b"\xff\xda") : -2]
    return data[:-2] + scans * last + data[-2:]


HEAD = struct.pack(">IIBBBBB", 50_000, 50_000, 8, 2, 0, 0, 0)
HOSTILE: dict[str, bytes] = {
    "a thousand scans": bomb(20_000),
    "a JPEG that claims 4,000 megapixels": jpeg_of(65_500, 65_500),
    "a PNG that claims 2,500 megapixels": b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", HEAD),
    "a progressive JPEG of 64 megapixels": encoded(Image.new("RGB", (8000, 8000)), "JPEG", progressive=True),
    "a GIF of 4,000 megapixels": b"GIF89a\xff\xff\xff\xff\0\0\0,\0\0\0\0\xff\xff\xff\xff\0",
    "a million markers": b"\xff\xd8" + b"\xff\xfe\0\2" * 1_100_000,
    "5 MB of nothing": bytes(5_000_000),
    "a JPEG's head and 5 MB of nothing": b"\xff\xd8" + bytes(5_000_000),
}


@pytest.mark.parametrize("data", HOSTILE.values(), ids=HOSTILE)
def test_what_is_made_to_hurt_goes_to_the_api_as_it_is_and_soon(data: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shrink, "SECONDS", 2.0)
    started = time.monotonic()
    assert fit(data) is data
    assert time.monotonic() - started < 6
