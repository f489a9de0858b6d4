"""The canvas' own PNG is read the short way, and comes out as Pillow's way has it; anything else is left to Pillow."""

from __future__ import annotations

import struct
import tracemalloc
import zlib
from functools import partial

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings
from PIL import Image, ImageDraw

from backend import canvas
from backend.decoding import LARGEST_AS_IT_IS, decode
from backend.preprocessing import find_digit, find_ink, normalise, normalise_image
from tests.benchmarks import drawings
from tests.benchmarks.drawings import chunk
from training.data.pictures import encode

PAPERS = ("white", "black", "#fff4d8")


canvas_png = partial(drawings.canvas_png, most=100)  # bytes of a chunk: Chromium writes several too


def read_ink(data: bytes) -> canvas.Drawn | None:
    """As preprocessing asks for it."""
    return canvas.read_ink(data, LARGEST_AS_IT_IS)


def sheet(*, ink: str = "black", paper: str = "white", mode: str = "RGBA", side: int = 280) -> Image.Image:
    """A 7, in the middle."""
    image = Image.new(mode, (side, side), paper)
    ImageDraw.Draw(image).line([(90, 60), (200, 70), (120, 220)], fill=ink, width=17)
    return image


@st.composite
def strokes(draw: st.DrawFn) -> Image.Image:
    """Lines of any colour on any opaque paper, some of them over the edge."""
    w, h = draw(st.integers(2, 60)), draw(st.integers(2, 60))
    colour = st.tuples(*[st.sampled_from([0, 1, 127, 128, 254, 255])] * 3)
    image = Image.new("RGBA", (w, h), draw(colour))
    for _ in range(draw(st.integers(1, 4))):
        points = [(draw(st.integers(-3, w + 3)), draw(st.integers(-3, h + 3))) for _ in "ab"]
        ImageDraw.Draw(image).line(points, fill=draw(colour), width=draw(st.integers(1, 9)))
    return image


@settings(max_examples=300, deadline=None, derandomize=True)
@given(strokes())
def test_ink_is_what_pillow_finds(image: Image.Image) -> None:
    """Where the short way answers, it answers the same to the bit; where it does not, nothing is lost."""
    data = canvas_png(image)
    try:
        truth = normalise_image(decode(data))
    except ValueError as error:
        with pytest.raises(type(error)):
            normalise(data)
    else:
        assert (normalise(data) == truth).all()
        assert find_digit(data).size == image.size


@settings(max_examples=100, deadline=None, derandomize=True)
@given(strokes())
def test_a_numbers_ink_is_what_pillow_finds_and_where(image: Image.Image) -> None:
    """Pillow's own PNG of the same pixels never takes the short way."""
    try:
        truth = find_ink(encode(image))
    except ValueError as error:
        with pytest.raises(type(error)):
            find_ink(canvas_png(image))
        return
    found = find_ink(canvas_png(image))
    assert (found.left, found.top, found.across, found.down) == (truth.left, truth.top, truth.across, truth.down)
    assert (found.ink == truth.ink).all()


@pytest.mark.parametrize("paper", PAPERS)
@pytest.mark.parametrize("ink", ["#1f77ff", "#d02020", "#808080"])
def test_a_canvas_drawing_takes_the_short_way(ink: str, paper: str) -> None:
    """Any ink on any paper: the ink's box, and how far each pixel is from the paper."""
    found = read_ink(canvas_png(sheet(ink=ink, paper=paper)))
    assert found is not None
    assert found.pixels.shape < (180, 140)
    assert (normalise(canvas_png(sheet(ink=ink, paper=paper))) == normalise_image(sheet(ink=ink, paper=paper))).all()


def dotted(x: int, y: int) -> Image.Image:
    """The 7, and a pixel whose red is a little less than the paper's."""
    image = sheet()
    image.putpixel((x, y), (254, 255, 255, 255))
    return image


OTHERS = {
    "Pillow's own PNG": encode(sheet()),
    "JPEG": encode(sheet().convert("RGB"), "JPEG"),
    "no alpha": canvas_png(sheet(mode="RGB")),
    "see-through paper": canvas_png(sheet(paper="#ffffff00")),
    "see-through ink": canvas_png(sheet(ink="#00000080")),
    "ink over the left edge": canvas_png(sheet().crop((100, 0, 280, 280))),
    "ink over the right edge": canvas_png(sheet().crop((0, 0, 180, 280))),
    "ink over the top edge": canvas_png(sheet().crop((0, 65, 280, 280))),
    "ink over the bottom edge": canvas_png(sheet().crop((0, 0, 280, 200))),
    "a pixel at the bottom left": canvas_png(dotted(0, 279)),
    "a pixel at the bottom": canvas_png(dotted(150, 279)),
    "a pixel at the right": canvas_png(dotted(279, 278)),
    "a pixel at the top": canvas_png(dotted(150, 0)),
    "blank": canvas_png(sheet(ink="white")),
    "too large": canvas_png(sheet(side=LARGEST_AS_IT_IS + 1)),
    "another chunk": canvas_png(sheet(), extra=chunk(b"gAMA", struct.pack(">I", 45455))),
    "another filter": canvas_png(sheet(), filters=1),
    "broken off": canvas_png(sheet())[:-20],
    "changed": canvas_png(sheet())[:80] + b"?" + canvas_png(sheet())[81:],
    "wrong checksum": canvas_png(sheet())[:-13] + b"?" + canvas_png(sheet())[-12:],  # of the last IDAT
    "nothing": b"",
}


@pytest.mark.parametrize("kind", OTHERS)
def test_any_other_file_is_left_to_pillow(kind: str) -> None:
    """None, and no exception: what is wrong with a file is Pillow's to say."""
    assert read_ink(OTHERS[kind]) is None


def test_a_bomb_stops_at_the_size_that_its_head_tells() -> None:
    """100 MB of zeros behind a head of 280x280 are not unpacked."""
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 280, 280, 8, 6, 0, 0, 0))
    bomb = chunk(b"IDAT", zlib.compress(bytes(100_000_000), 9))
    tracemalloc.start()
    assert read_ink(b"\x89PNG\r\n\x1a\n" + head + bomb + chunk(b"IEND", b"")) is None
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2_000_000
