"""What a file keeps on its way to the decoder, and what is known of its cost before it is decoded."""

from __future__ import annotations

import struct
from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from backend import containers
from backend.containers import Lean, MalformedFile, UnknownKind
from tests.benchmarks.drawings import chunk
from training.data.pictures import encode

if TYPE_CHECKING:
    from collections.abc import Callable

SECRET = b"a comment that decides no pixel"
SIZE = (33, 17)
TURNED = b"MM\0*" + struct.pack(">IHHHIHHI", 8, 1, 274, 3, 1, 6, 0, 0)  # one tag, orientation: 6
SOI, EOI = b"\xff\xd8", b"\xff\xd9"


def picture(mode: str = "RGB") -> Image.Image:
    pixels = np.random.default_rng(3).integers(0, 256, (SIZE[1], SIZE[0], 3), np.uint8)
    return Image.fromarray(pixels).convert(mode)


def file(kind: str, image: Image.Image | None = None, **options: Any) -> bytes:
    return encode(image or picture(), kind, **options)


def opened(data: bytes) -> Image.Image:
    return Image.open(BytesIO(data))


def segment(code: int, content: bytes = b"") -> bytes:
    return struct.pack(">BBH", 0xFF, code, 2 + len(content)) + content


def frame(code: int = 0xC0, *, parts: tuple[tuple[int, int], ...] = ((1, 0x11),)) -> bytes:
    """A frame header of 33x17 pixels; parts: (component's id, its sampling, across and down in four bits each)."""
    content = struct.pack(">BHHB", 8, SIZE[1], SIZE[0], len(parts))
    return segment(code, content + b"".join(bytes([part, sampling, 0]) for part, sampling in parts))


def scan(*parts: int, data: bytes = b"\x01\x02") -> bytes:
    content = bytes([len(parts), *(byte for part in parts for byte in (part, 0)), 0, 63, 0])
    return segment(0xDA, content) + data


def jpeg(*pieces: bytes) -> Lean:
    return containers.lean_jpeg(b"".join((SOI, *pieces, EOI)))


def test_a_jpeg_keeps_its_pixels_and_none_of_what_is_written_about_it() -> None:
    about = {"comment": SECRET, "icc_profile": SECRET * 9, "exif": b"Exif\0\0" + TURNED, "xmp": b"<x/>" + SECRET}
    data = file("JPEG", **about)
    lean = containers.lean_jpeg(data + file("JPEG"))  # a second picture, as an MPO has
    assert SECRET not in lean.data
    assert np.array_equal(opened(lean.data), opened(data))
    assert (lean.exif, lean.xmp) == (TURNED, b"<x/>" + SECRET)
    assert lean.data.endswith(EOI)
    assert containers.lean_jpeg(file("JPEG"))[1:3] == (b"", b"")


def test_of_two_exif_segments_the_first_counts() -> None:
    exif = [segment(0xE1, b"Exif\0\0" + name) for name in (b"first", b"second")]
    assert jpeg(*exif, frame(), scan(1)).exif == b"first"


def test_a_cmyk_jpeg_keeps_the_segment_that_says_how_its_inks_are_written() -> None:
    data = file("JPEG", picture("CMYK"))
    assert np.array_equal(opened(containers.lean_jpeg(data).data), opened(data))


@pytest.mark.parametrize(
    ("mode", "subsampling", "blocks"),
    [("L", 0, 5 * 3), ("RGB", 0, 3 * 5 * 3), ("RGB", 1, 3 * 3 * 4), ("RGB", 2, 3 * 2 * 6)],
)
def test_a_jpegs_blocks_are_counted_by_its_sampling(mode: str, subsampling: int, blocks: int) -> None:
    """4:2:2: 3 units across, 3 down, of 4 blocks; 4:2:0: 3 across, 2 down, of 6. A grey one has one component."""
    lean = containers.lean_jpeg(file("JPEG", picture(mode), subsampling=subsampling))
    assert (lean.visits, lean.coefficients) == (blocks, 0)
    progressive = containers.lean_jpeg(file("JPEG", picture(mode), subsampling=subsampling, progressive=True))
    assert progressive.coefficients == 128 * blocks
    assert progressive.visits >= 4 * blocks


def test_each_scan_visits_the_blocks_of_its_components_alone() -> None:
    three = frame(parts=((1, 0x22), (2, 0x11), (7, 0x11)))
    assert jpeg(three, scan(1, 2, 7)).visits == 36
    assert jpeg(three, scan(1)).visits == 24
    assert jpeg(three, scan(7)).visits == 6
    assert jpeg(three, scan(2, 7), scan(1)).visits == 36
    assert jpeg(three, scan(9)).visits == 0


def test_a_decoder_holds_all_blocks_where_a_picture_comes_in_several_scans() -> None:
    assert jpeg(frame(), scan(1)).coefficients == 0
    assert jpeg(frame(), scan(1), scan(1)).coefficients == 128 * 15
    assert jpeg(frame(0xC2), scan(1)).coefficients == 128 * 15


@pytest.mark.parametrize(
    "pieces",
    [
        (scan(1),),
        (frame(),),
        (frame(), frame(), scan(1)),
        (frame(), *[scan(1)] * 101),
        (frame(parts=()), scan(1)),
        (frame(parts=((1, 0x10),)), scan(1)),
        (frame(parts=((1, 0x15),)), scan(1)),
        (frame(parts=((1, 0x51),)), scan(1)),
        (*[segment(0xFE)] * 4096, frame(), scan(1)),
    ],
    ids=[
        "no frame",
        "no scan",
        "two frames",
        "101 scans",
        "no parts",
        "0 down",
        "5 down",
        "5 across",
        "4,096 segments",
    ],
)
def test_a_jpeg_whose_parts_do_not_fit_together_is_refused(pieces: tuple[bytes, ...]) -> None:
    with pytest.raises(MalformedFile):
        jpeg(*pieces)


def test_a_jpeg_at_the_limits_is_read() -> None:
    assert jpeg(frame(), *[scan(1)] * 100).visits == 100 * 15
    assert jpeg(frame(parts=((1, 0x44),)), scan(1)).visits == 2 * 4 * 1 * 4
    assert jpeg(*[segment(0xFE)] * 4093, frame(), scan(1)).visits == 15  # the end is the 4,096th


def test_a_scan_ends_at_the_next_marker_that_is_none_of_its_own() -> None:
    """FF00 is a byte FF, FFD0 to FFD7 restart it."""
    data = b"\x01\xff\x00\x02\xff\xd0\x03\xff\xd7"
    whole = SOI + frame() + scan(1, data=data) + EOI
    assert containers.lean_jpeg(whole).data == whole
    assert jpeg(frame(), scan(1, data=data), segment(0xFE, SECRET), scan(1)).visits == 30


def test_fill_bytes_lone_markers_and_a_length_of_nothing_are_passed_over() -> None:
    odd = b"\xff\xff\xff\xfe\0\0" + b"\xff\x01" + b"\xff\xd0"
    assert jpeg(odd, frame(), scan(1)).visits == 15


def test_a_jpeg_that_breaks_off_in_its_scan_keeps_what_is_there() -> None:
    whole = SOI + frame() + scan(1, data=b"\x01\x02\x03")
    assert containers.lean_jpeg(whole).data == whole


def test_a_png_keeps_its_pixels_and_none_of_what_is_written_about_it() -> None:
    data = file("PNG", picture("P"), transparency=3, exif=TURNED, icc_profile=SECRET * 9, dpi=(72, 72))
    extra = chunk(b"tEXt", b"Comment\0" + SECRET) + chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0<x/>")
    end = data.index(b"IDAT") - 4
    lean = containers.lean_png(data[:end] + extra + data[end:] + SECRET)
    assert SECRET not in lean.data
    assert lean.data.endswith(chunk(b"IEND", b""))
    assert np.array_equal(opened(lean.data).convert("RGBA"), opened(data).convert("RGBA"))
    assert lean.exif == TURNED
    assert b"<x/>" in lean.xmp
    assert containers.lean_png(file("PNG"))[1:3] == (b"", b"")


def test_a_packed_xmp_of_a_png_is_not_read() -> None:
    assert containers.lean_png(b"12345678" + chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0abc")).xmp == b""


def test_a_png_that_breaks_off_keeps_what_is_there() -> None:
    data = file("PNG")
    for cut in (8, 15, 16, 40, len(data) - 12):
        assert data.startswith(containers.lean_png(data[:cut]).data)
    assert containers.lean_png(data[:45]).data == data[:45]


def test_a_png_of_4_096_chunks_is_refused() -> None:
    text, end = chunk(b"tEXt", b""), chunk(b"IEND", b"")
    assert containers.lean_png(b"12345678" + 4095 * text + end).data == b"12345678" + end
    with pytest.raises(MalformedFile):
        containers.lean_png(b"12345678" + 4096 * text + end)


def colours(flags: int) -> bytes:
    """The colour table that these flags announce."""
    return bytes(3 * (2 << (flags & 7))) if flags & 0x80 else b""


def gif_frame(left: int, top: int, width: int, height: int, flags: int = 0) -> bytes:
    """With its colours and a byte of data."""
    return struct.pack("<BHHHHB", 0x2C, left, top, width, height, flags) + colours(flags) + b"\x08\x01\x00\x00"


def gif(*parts: bytes, flags: int = 0) -> bytes:
    return b"GIF89a" + struct.pack("<HHBBB", *SIZE, flags, 0, 0) + colours(flags) + b"".join(parts) + b";"


GIF_COMMENT = b"\x21\xfe\x1f" + SECRET + b"\x00"
GIF_CONTROL = b"\x21\xf9\x04\x01\x02\x00\x03\x00"


@pytest.mark.parametrize("flags", [0, 0x80, 0x83, 0x87])
def test_a_gif_keeps_its_frames_with_their_colours_and_no_comment(flags: int) -> None:
    kept = (GIF_CONTROL, gif_frame(0, 0, *SIZE, flags), GIF_CONTROL, gif_frame(3, 4, 30, 13))
    with_comments = (GIF_COMMENT, *kept[:2], GIF_COMMENT, *kept[2:])
    assert containers.lean_gif(gif(*with_comments, flags=flags)).data == gif(*kept, flags=flags)


@pytest.mark.parametrize("larger", [(0, 0, 34, 17), (0, 0, 33, 18), (4, 0, 30, 17), (0, 5, 33, 13)])
def test_a_gif_ends_before_a_frame_that_is_larger_than_those_before(larger: tuple[int, int, int, int]) -> None:
    first = gif_frame(0, 0, *SIZE)
    assert containers.lean_gif(gif(first, gif_frame(*larger), first)).data == gif(first)


def test_a_gifs_first_frame_may_be_larger_than_its_screen_and_the_next_as_large() -> None:
    frames = (gif_frame(2, 3, *SIZE), gif_frame(0, 0, 35, 20))
    assert containers.lean_gif(gif(*frames)).data == gif(*frames)


def test_a_gif_ends_after_sixteen_frames() -> None:
    frames = [gif_frame(0, 0, *SIZE)] * 17
    assert containers.lean_gif(gif(*frames)).data == gif(*frames[:16])


def test_a_gif_that_breaks_off_in_a_frame_keeps_what_is_there() -> None:
    whole = gif(gif_frame(0, 0, *SIZE))
    for cut in (1, 2, 3):
        assert containers.lean_gif(whole[:-cut]).data == whole[:-cut]


def test_a_gif_of_65_536_blocks_is_refused() -> None:
    def comments(n: int) -> bytes:
        return gif(b"\x21\xfe" + n * b"\x01a" + b"\x00", gif_frame(0, 0, *SIZE))

    assert containers.lean_gif(comments(65_532)).data == gif(gif_frame(0, 0, *SIZE))
    with pytest.raises(MalformedFile):
        containers.lean_gif(comments(65_536))


def tiff(*entries: tuple[int, int, int, int], order: str = "<") -> bytes:
    """Entries: (tag, type, count, value)."""
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}IH", 8, len(entries))
    kinds = {3: "HHIHxx"}
    return head + b"".join(struct.pack(order + kinds.get(entry[1], "HHII"), *entry) for entry in entries)


@pytest.mark.parametrize("order", ["<", ">"])
def test_a_plain_tiff_is_read_and_a_packed_or_tiled_one_refused(order: str) -> None:
    wide = (256, 3, 1, 33)
    for plain in (tiff(wide, order=order), tiff(wide, (259, 3, 1, 1), order=order)):
        assert containers.lean_tiff(plain) == Lean(plain)
    for unknown in (tiff(wide, (259, 3, 1, 5), order=order), tiff(wide, (322, 3, 1, 16), order=order)):
        with pytest.raises(UnknownKind, match="save it as PNG"):
            containers.lean_tiff(unknown)


def test_a_tiff_whose_tags_hold_more_than_the_file_is_refused() -> None:
    """As 200 tags would that each name the same million bytes."""
    size = len(tiff((700, 1, 0, 8)))
    containers.lean_tiff(tiff((700, 1, size, 8)))
    for kind, width in ((1, 1), (2, 1), (4, 4), (5, 8), (12, 8), (13, 4), (99, 4)):
        count = size // width + 1
        with pytest.raises(MalformedFile):
            containers.lean_tiff(tiff((700, kind, count, 8)))


@pytest.mark.parametrize(
    "data", [b"II+\0" + bytes(40), b"MM*\0" + bytes(40), b"II*\0\x08\0\0\0\x01\x10" + bytes(12 * 4097)]
)
def test_what_is_no_tiff_or_has_over_4_096_tags_is_refused(data: bytes) -> None:
    with pytest.raises(MalformedFile):
        containers.lean_tiff(data)


@pytest.mark.parametrize(
    ("header", "way", "read"),
    [(40, 0, True), (40, 1, False), (40, 2, False), (40, 3, True), (124, 1, False), (12, 1, True)],
)
def test_a_bmp_that_is_packed_is_refused(header: int, way: int, read: bool) -> None:
    data = b"BM" + bytes(12) + struct.pack("<I", header) + bytes(12) + struct.pack("<I", way) + bytes(8)
    if read:
        assert containers.lean_bmp(data) == Lean(data)
    else:
        with pytest.raises(UnknownKind, match="save it as PNG"):
            containers.lean_bmp(data)


def webp(*chunks: tuple[bytes, bytes]) -> bytes:
    body = b"".join(struct.pack("<4sI", name, len(data)) + data + b"\0" * (len(data) % 2) for name, data in chunks)
    return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body


def test_a_webp_tells_the_first_exif_and_xmp_behind_parts_of_odd_length() -> None:
    xmp = b'<x tiff:Orientation="3"/>'
    data = webp((b"VP8L", b"odd"), (b"EXIF", b"Exif\0\0" + TURNED), (b"XMP ", xmp), (b"EXIF", b"second"))
    assert containers.lean_webp(data) == Lean(data, TURNED, xmp)
    assert containers.lean_webp(data[:-8]).xmp == xmp
    plain = file("WEBP", lossless=True)
    assert containers.lean_webp(plain) == Lean(plain)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("way", range(10))
def test_a_camera_was_held_one_of_eight_ways(order: str, way: int) -> None:
    assert containers.orientation(tiff((271, 2, 4, 0), (274, 3, 1, way), order=order)) == (way if 1 <= way <= 8 else 1)


@pytest.mark.parametrize(
    ("exif", "xmp", "way"),
    [
        (b"", b'<a tiff:Orientation="5"/>', 5),
        (b"", b"<tiff:Orientation>8</tiff:Orientation>", 8),
        (b"", b'<a tiff:Orientation="9"/>', 1),
        (TURNED, b'<a tiff:Orientation="5"/>', 6),
        (tiff((271, 2, 4, 0)), b'<a tiff:Orientation="5"/>', 5),
        (tiff((274, 4, 1, 6)), b"", 1),  # of another type
        (tiff((274, 3, 2, 6)), b"", 1),  # two of them
        (TURNED[:12], b'<a tiff:Orientation="5"/>', 5),
        (b"no EXIF at all", b'<a tiff:Orientation="5"/>', 5),
        (b"", b"", 1),
    ],
)
def test_exif_counts_and_where_it_says_nothing_xmp(exif: bytes, xmp: bytes, way: int) -> None:
    assert containers.orientation(exif, xmp) == way


@pytest.mark.parametrize("lean", [containers.lean_jpeg, containers.lean_png])
def test_a_lean_file_is_its_own_lean_file(lean: Callable[[bytes], Lean]) -> None:
    kind = {containers.lean_jpeg: "JPEG", containers.lean_png: "PNG"}[lean]
    once = lean(file(kind))
    assert lean(once.data) == once
