"""What people hold a picture in: each becomes a file with the same pixels, or a sentence that says why not."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from backend import contract
from ui import formats
from ui.client import BadPicture, Client
from ui.formats import FORMATS
from ui.pictures import TURNS, NotAPicture, TooManyBytes, encode, upright

PIXELS = np.add.outer(7 * np.arange(28), 2 * np.arange(28)).astype(np.uint8)  # no row or column as another


def decoded(data: bytes) -> np.ndarray[Any, Any]:
    return np.asarray(Image.open(io.BytesIO(data)))


def png(pixels: np.ndarray[Any, Any] = PIXELS) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


class Tensor:
    """What PyTorch and TensorFlow offer."""

    def __array__(self, *_: object, **__: object) -> np.ndarray[Any, Any]:
        return PIXELS[None]


GIVEN: dict[str, Any] = {
    "bytes": png(),
    "bytearray": bytearray(png()),
    "memoryview": memoryview(png()),
    "BytesIO": io.BytesIO(png()),
    "PIL image": Image.fromarray(PIXELS),
    "PIL image of floats": Image.fromarray(PIXELS.astype(np.float32)),
    "PIL image of 32 bits": Image.fromarray(PIXELS.astype(np.int32)),
    "uint8": PIXELS,
    "int64": PIXELS.astype(np.int64),
    "float64 of 0 to 255": PIXELS.astype(float),
    "float32 of 0 to 1": (PIXELS / 255).astype(np.float32),
    "float16 of 0 to 1": (PIXELS / 255).astype(np.float16),
    "(28, 28, 1)": PIXELS[:, :, None],
    "(1, 28, 28)": PIXELS[None],
    "(1, 28, 28, 1)": PIXELS[None, :, :, None],
    "not contiguous": PIXELS.T.copy().T,
    "tensor": Tensor(),
}


@pytest.mark.parametrize("given", GIVEN.values(), ids=GIVEN)
def test_each_kind_becomes_a_file_with_the_same_pixels(given: Any) -> None:
    assert (decoded(encode(given)) == PIXELS).all()


def test_paths_and_open_files_become_their_bytes(tmp_path: Path) -> None:
    path = tmp_path / "x.png"
    path.write_bytes(png())
    assert encode(path) == encode(str(path)) == png()
    with path.open("rb") as file:
        file.read(5)
        assert encode(file) == png()


def test_a_buffer_that_was_just_written_is_read_from_its_start() -> None:
    buffer = io.BytesIO()
    Image.fromarray(PIXELS).save(buffer, "PNG")
    assert encode(buffer) == png()


@pytest.mark.parametrize("shape", [(28, 28, 3), (28, 28, 4), (3, 28, 28), (1, 3, 28, 28)], ids=str)
def test_colours_stay_in_either_order(shape: tuple[int, ...]) -> None:
    x = np.arange(np.prod(shape)).reshape(shape).astype(np.uint8)
    wanted = x.reshape(shape[-3:])
    assert (decoded(encode(x)) == (wanted.transpose(1, 2, 0) if wanted.shape[0] == 3 else wanted)).all()


def test_sixteen_bits_stay_sixteen() -> None:
    deep = PIXELS.astype(np.uint16) * 257
    assert (decoded(encode(deep)) == deep).all()
    assert (decoded(encode(deep.astype(np.int64))) == deep).all()


def test_truth_values_are_black_and_white() -> None:
    assert (decoded(encode(PIXELS > 90)) == 255 * (PIXELS > 90)).all()


REFUSED: dict[str, Any] = {
    "below 0": PIXELS - 300.0,
    "over 65535": PIXELS.astype(np.int64) * 1000,
    "float over 255": PIXELS * 10.0,
    "NaN": np.full((28, 28), np.nan),
    "infinity": np.full((28, 28), np.inf),
    "flat": PIXELS.ravel(),
    "two pictures": np.stack([PIXELS, PIXELS]),
    "nothing": np.zeros((0, 28)),
    "text": np.array([["a", "b"]]),
    "complex": PIXELS * 1j,
    "None": None,
    "a number": 7,
    "a list": [[0, 255]],
    "a text file": io.StringIO("text"),
}


@pytest.mark.parametrize("given", REFUSED.values(), ids=REFUSED)
def test_what_is_no_picture_is_a_sentence(given: Any) -> None:
    with pytest.raises(NotAPicture, match=r"^[A-Z].*\.$"):
        encode(given)
    with pytest.raises(BadPicture):
        Client("http://127.0.0.1:9", retries=0).predict(given)


def test_a_pillow_image_of_half_a_file_is_a_sentence() -> None:
    half = png(np.random.default_rng(0).integers(0, 256, (99, 99), np.uint8))[:2000]
    with pytest.raises(NotAPicture):
        encode(Image.open(io.BytesIO(half)))


@pytest.mark.parametrize("orientation", [1, *TURNS])
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "TIFF"])
def test_a_turned_pillow_image_is_sent_upright(orientation: int, kind: str) -> None:
    """As Pillow's own transposition has it, for all eight values of EXIF."""
    exif, buffer = Image.Exif(), io.BytesIO()
    exif[0x0112] = orientation
    Image.fromarray(PIXELS).resize((56, 28)).save(buffer, kind, exif=exif)
    image = Image.open(buffer)
    from PIL import ImageOps

    assert (decoded(encode(image)) == np.asarray(ImageOps.exif_transpose(image))).all()


def test_odd_exif_costs_nobody_the_picture() -> None:
    """A resolution unit as text, which Pillow reads but cannot write anew."""
    entries = b"\x01\x12\0\x03\0\0\0\x01\0\x06\0\0" + b"\x01\x28\0\x02\0\0\0\x04cm\0\0"
    exif = b"Exif\0\0MM\0*\0\0\0\x08\0\x02" + entries + bytes(4)
    buffer = io.BytesIO()
    Image.fromarray(PIXELS).resize((56, 28)).save(buffer, "JPEG", exif=exif)
    assert upright(Image.open(buffer)).size == (28, 56)
    assert decoded(encode(Image.open(buffer))).shape == (56, 28)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "HSV", "LAB", "I;16"])
def test_every_mode_of_pillow_is_sent(mode: str) -> None:
    image = Image.new(mode, (28, 28)) if mode in ("LAB", "I;16") else Image.fromarray(PIXELS).convert(mode)
    assert decoded(encode(image)).shape[:2] == (28, 28)


@pytest.mark.parametrize("side", [1800, 3000])
def test_a_large_pillow_image_is_made_to_fit_the_api(side: int) -> None:
    """1800: noise of 9.7 MB as PNG. 2600: more pixels than any limit."""
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (side, side, 3), np.uint8))
    data = encode(noise)
    assert len(data) <= contract.MAX_BODY_BYTES
    assert decoded(data).shape[0] * decoded(data).shape[1] <= contract.SURE_PIXELS


@pytest.mark.parametrize("given", [bytes, lambda n: io.BytesIO(bytes(n))], ids=["bytes", "file"])
def test_too_many_bytes_are_told_before_they_are_sent(given: Any) -> None:
    assert len(encode(given(contract.MAX_BODY_BYTES))) == contract.MAX_BODY_BYTES
    with pytest.raises(TooManyBytes, match="4 MiB at most"):
        encode(given(contract.MAX_BODY_BYTES + 1))


def test_an_endless_device_is_not_read(tmp_path: Path) -> None:
    with pytest.raises(NotAPicture, match="not a file"):
        encode(Path("/dev/zero"))


SAMPLES = {
    "image/heic": b"\0\0\0\x18ftypheic\0\0\0\0",
    "image/avif": b"\0\0\0\x1cftypavif\0\0\0\0",
    "image/jxl": b"\xff\x0a\0\0",
    "image/x-icon": b"\0\0\1\0\1\0",
    "image/vnd.adobe.photoshop": b"8BPS\0\1",
    "image/svg+xml": b'\xef\xbb\xbf<?xml version="1.0"?>\n<!-- a --><svg/>',
    "application/pdf": b"%PDF-1.7",
}


def test_every_format_has_a_sample_here() -> None:
    assert {each.media_type for each in FORMATS if each.remedy} == set(SAMPLES)


@pytest.mark.parametrize("media_type", [kind for kind in SAMPLES if kind not in contract.IMAGE_TYPES])
def test_a_format_that_is_not_taken_has_its_own_remedy_and_is_not_sent(media_type: str) -> None:
    sentence = formats.remedy(SAMPLES[media_type])
    assert sentence.endswith(".")
    with pytest.raises(BadPicture) as raised:
        Client("http://127.0.0.1:9", retries=0).predict(SAMPLES[media_type])
    assert str(raised.value) == sentence


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF"])
def test_what_the_api_takes_has_no_remedy(kind: str) -> None:
    buffer = io.BytesIO()
    Image.fromarray(PIXELS).save(buffer, kind)
    found = formats.recognise(buffer.getvalue())
    assert found
    assert found.media_type == f"image/{kind.lower()}"
    assert formats.remedy(buffer.getvalue()) == ""


def test_long_rows_of_comments_do_not_stop_the_recognition_of_svg() -> None:
    """Nested repetition in a pattern took minutes for such a file."""
    assert formats.recognise(b"<!--" + b"<!---->" * 200) is None
