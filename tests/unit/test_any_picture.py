"""Any picture at all -> 28x28 of ink or a PictureError, nothing else. Hypothesis looks for the one that breaks it."""

from __future__ import annotations

from io import BytesIO

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from PIL import Image, ImageDraw, ImageOps, PngImagePlugin

from backend.decoding import BlankPicture, PictureError, UnsupportedPicture, decode, pixels
from backend.preprocessing import normalise
from tests.contract import hostile

MODES = {
    "PNG": ("1", "L", "LA", "P", "RGB", "RGBA", "I;16"),
    "JPEG": ("L", "RGB", "CMYK"),
    "WEBP": ("RGB", "RGBA"),
    "GIF": ("L", "P"),
    "BMP": ("1", "L", "RGB"),
    "TIFF": ("1", "L", "RGB", "RGBA", "I;16", "CMYK"),
}
SIDES = st.integers(1, 64) | st.sampled_from([280, 281, 560, 700])
quick = settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)


@st.composite
def sheets(draw: st.DrawFn) -> Image.Image:
    """Paper of any colour with up to four rectangles or lines of any colour, or noise."""
    w, h = draw(SIDES), draw(SIDES)
    if draw(st.integers(0, 4)) == 0:
        return Image.fromarray(np.random.default_rng(w * h).integers(0, 256, (h, w, 4), np.uint8))
    colours = st.tuples(*[st.sampled_from([0, 1, 127, 128, 254, 255])] * 4)
    sheet = Image.new("RGBA", (w, h), draw(colours))
    pencil = ImageDraw.Draw(sheet)
    for _ in range(draw(st.integers(0, 4))):
        x, y = (
            sorted([draw(st.integers(-5, w + 5)) for _ in "ab"]),
            sorted([draw(st.integers(-5, h + 5)) for _ in "ab"]),
        )
        if draw(st.booleans()):
            pencil.rectangle((x[0], y[0], x[1], y[1]), fill=draw(colours))
        else:
            pencil.line((x[0], y[0], x[1], y[1]), fill=draw(colours), width=draw(st.integers(1, 30)))
    return sheet


@st.composite
def files(draw: st.DrawFn) -> bytes:
    """A sheet in any mode of any of the formats, turned as EXIF can say."""
    sheet = draw(sheets())
    kind = draw(st.sampled_from(sorted(MODES)))
    mode = draw(st.sampled_from(MODES[kind]))
    deep = Image.fromarray(np.asarray(sheet.convert("L")).astype(np.uint16) * 257) if mode == "I;16" else None
    exif = Image.Exif()
    exif[0x0112] = draw(st.integers(0, 9))
    buffer = BytesIO()
    options = {"transparency": draw(st.sampled_from([0, 255]))} if kind == "GIF" else {"exif": exif}
    (deep or sheet.convert(mode)).save(buffer, kind, **options)
    return buffer.getvalue()


def outcome(data: bytes) -> np.ndarray | PictureError:
    try:
        return normalise(data)
    except PictureError as error:
        return error


@quick
@given(data=files())
def test_any_picture_becomes_28x28_of_ink_or_is_blank(data: bytes) -> None:
    x = outcome(data)
    if isinstance(x, PictureError):
        assert str(x).endswith(".")
        return
    assert (x.shape, x.dtype) == ((28, 28), np.uint8)
    assert x.max() >= 254, "the darkest ink is black"


@pytest.mark.filterwarnings("ignore:Tag offset too large:UserWarning")  # Pillow on a broken EXIF; the rest is read
@quick
@given(data=files(), cut=st.floats(0, 1), places=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), max_size=8))
def test_a_wrecked_picture_is_read_or_refused(data: bytes, cut: float, places: list[tuple[float, int]]) -> None:
    wreck = bytearray(data[: int(cut * len(data)) + 1])
    for place, value in places:
        wreck[int(place * (len(wreck) - 1))] = value
    x = outcome(bytes(wreck))
    assert isinstance(x, PictureError) or x.shape == (28, 28)
    assert pixels(bytes(wreck)) >= 0


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")  # Pillow on a broken TIFF; then it raises, or the rest is read
def test_wrecks_of_every_format_cost_no_second_and_raise_nothing_else() -> None:
    """`make siege` tries 100,000."""
    count = 2_000
    read, worst = hostile.read_wrecks(count)
    assert worst < 1.0
    assert count / 10 < read < count * 9 / 10


@quick
@given(data=st.binary(max_size=500))
@example(data=b"")
@example(data=b"P6 1 1 255 abc")
@example(data=b"\x89PNG\r\n\x1a\n")
def test_what_is_no_picture_is_refused(data: bytes) -> None:
    assert isinstance(outcome(data), PictureError)


@quick
@given(sheet=sheets())
def test_no_other_format_is_decoded(sheet: Image.Image) -> None:
    for kind in ("PPM", "TGA"):
        buffer = BytesIO()
        sheet.convert("RGB").save(buffer, kind)
        assert isinstance(outcome(buffer.getvalue()), UnsupportedPicture)


@quick
@given(shade=st.integers(0, 255), other=st.integers(0, 255))
def test_however_faint_a_drawing_is_it_is_none_only_where_nothing_differs(shade: int, other: int) -> None:
    sheet, buffer = Image.new("L", (60, 60), shade), BytesIO()
    sheet.paste(other, (20, 10, 30, 50))
    sheet.save(buffer, "PNG")
    assert isinstance(outcome(buffer.getvalue()), BlankPicture) == (shade == other)


@pytest.mark.parametrize("noise", [0.5, 2, 5])
@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_noise_on_paper_is_no_drawing(noise: float, kind: str) -> None:
    rng, buffer = np.random.default_rng(3), BytesIO()
    sheet = np.clip(rng.normal(240, noise, (280, 280)), 0, 255).astype(np.uint8)
    Image.fromarray(sheet).save(buffer, kind)
    assert isinstance(outcome(buffer.getvalue()), BlankPicture)


def test_a_first_frame_is_what_counts() -> None:
    frames, buffer = [Image.new("L", (60, 60), 255) for _ in range(3)], BytesIO()
    frames[0].paste(0, (20, 10, 30, 50))
    frames[1].paste(0, (0, 20, 60, 30))
    frames[0].save(buffer, "GIF", save_all=True, append_images=frames[1:])
    assert decode(buffer.getvalue()).convert("L").getpixel((25, 15)) == 0


def test_numbers_that_are_no_shades_are_a_sentence_and_no_work() -> None:
    data = hostile.REFUSED["TIFF with infinite ink"]()
    assert str(outcome(data)) == "The picture holds numbers that are no shades and cannot be read."
    assert pixels(data) == 2500
    assert pixels(b"no picture") == 0


@pytest.mark.parametrize("told", ["EXIF", 'tiff:Orientation="{}"', "<tiff:Orientation>{}<"])
@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "TIFF"])
def test_what_exif_or_xmp_turns_is_upright(kind: str, orientation: int, told: str) -> None:
    """As Pillow's own transposition has it."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = bar(kind, exif=exif) if told == "EXIF" else with_xmp(kind, told.format(orientation))
    upright = ImageOps.exif_transpose(Image.open(BytesIO(data)))
    assert np.asarray(decode(data).convert("L")) == pytest.approx(np.asarray(upright.convert("L")))


def test_exif_counts_before_xmp() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    assert decode(with_xmp("JPEG", 'tiff:Orientation="3"', exif=exif)).size == (20, 40)


def with_xmp(kind: str, orientation: str, **options: object) -> bytes:
    xmp, about = f"<x:xmpmeta><rdf:Description {orientation}/></x:xmpmeta>", PngImagePlugin.PngInfo()
    about.add_itxt("XML:com.adobe.xmp", xmp)
    where = {"PNG": {"pnginfo": about}, "TIFF": {"tiffinfo": {700: xmp.encode()}}}
    return bar(kind, **where.get(kind, {"xmp": xmp.encode()}), **options)


def bar(kind: str, **options: object) -> bytes:
    """A picture of 40x20 that is black at its upper left."""
    buffer, sheet = BytesIO(), Image.new("L", (40, 20), 255)
    sheet.paste(0, (0, 0, 16, 8))
    sheet.save(buffer, kind, **options)
    return buffer.getvalue()
