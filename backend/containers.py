"""What a picture's file is made of, told without decoding it: small loops over its parts, each with a limit.

A decoder gets only the parts that decide the pixels. So a comment, a profile, odd EXIF or ten thousand empty parts
cost nothing and break nothing, and what decoding will cost is known before it begins.
"""

from __future__ import annotations

import re
import struct
from contextlib import suppress
from math import ceil
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_PARTS = 4_096  # segments, chunks or tags; libpng writes 512 chunks to 4 MiB, a phone 100 segments
MAX_BLOCKS = 65_536  # of 255 bytes, as GIF splits its data: 4 MiB are 16,500
MAX_FRAMES = 16  # of an animation: the first with ink counts
MAX_SCANS = 100  # libjpeg's own progressive script has 10 scans, the longest known 64


class MalformedFile(ValueError):
    """The file's parts do not fit together, or there are more of them than any camera or program writes."""


class UnknownKind(ValueError):
    """A format that is read, in a way that is not; the message is for the person who sent it."""


class Lean(NamedTuple):
    """A file without what decides no pixel.

    data: the file. exif, xmp: what a camera or a program wrote about it, if anything. coefficients: bytes that a JPEG
    decoder must hold at once. visits: how often it will come to one of the blocks of 8x8, at up to 25 ns.
    """

    data: bytes
    exif: bytes = b""
    xmp: bytes = b""
    coefficients: int = 0
    visits: int = 0


START, END, SCAN, APP1 = 0xD8, 0xD9, 0xDA, 0xE1
ALONE = {0x01, *range(0xD0, 0xD9)}  # markers without a length
FRAME = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
PROGRESSIVE = {0xC2, 0xC6, 0xCA, 0xCE}
NEEDED = FRAME | {0xC4, 0xCC, 0xDA, 0xDB, 0xDD}  # frames, tables, scans, restart interval
COLOURS = (b"JFIF\0", b"Adobe")  # the APP segments that say which colours are meant
EXIF_HEAD, XMP_HEAD = b"Exif\0\0", b"http://ns.adobe.com/xap/1.0/\0"  # of an APP1 segment
MARKER = re.compile(rb"\xff+([\x01-\xfe])")
AFTER_SCAN = re.compile(rb"\xff+[\x01-\xcf\xd8-\xfe]")  # in a scan FF00 is a byte FF, and FFD0 to FFD7 restart


def lean_jpeg(data: bytes) -> Lean:
    """A JPEG's first picture: an MPO's second one, thumbnails, EXIF and comments are left out."""
    kept, frame, buffered, scans, visits = [data[:2]], None, False, 0, 0
    about: dict[bytes, bytes] = {}
    for code, content, whole in _segments(data):
        if code == APP1 and (head := next(filter(content.startswith, (EXIF_HEAD, XMP_HEAD)), None)):
            about.setdefault(head, content[len(head) :])
        elif code in FRAME:
            if frame:
                raise MalformedFile("two frames")
            frame, buffered = _Frame(content), code in PROGRESSIVE
        elif code == SCAN and frame:
            scans, visits = scans + 1, visits + frame.visits(content)
        if code in NEEDED or code == END or content.startswith(COLOURS):
            kept.append(whole)
    if not frame or not 0 < scans <= MAX_SCANS:
        raise MalformedFile("no frame, or too many scans")
    held = frame.coefficients if buffered or scans > 1 else 0
    return Lean(b"".join(kept), about.get(EXIF_HEAD, b""), about.get(XMP_HEAD, b""), held, visits)


def _segments(data: bytes) -> Iterator[tuple[int, bytes, bytes]]:
    """(marker, content, all of it with the marker and a scan's data) up to the end of the first picture."""
    place = 2
    for _ in range(MAX_PARTS):
        found = MARKER.search(data, place)
        if not found:
            return
        code, place = found[1][0], found.end()
        start = place - 2
        if code == END:
            yield code, b"", data[start:place]
            return
        if code in ALONE:
            continue
        content = place + 2
        place += max(2, int.from_bytes(data[place:content], "big"))
        end = place
        if code == SCAN:
            after = AFTER_SCAN.search(data, place)
            end = after.start() if after else len(data)
        yield code, data[content:place], data[start:end]
        place = end
    raise MalformedFile("too many segments")


class _Frame:
    """A JPEG's frame header: how many blocks each component has."""

    def __init__(self, content: bytes) -> None:
        height, width, n = struct.unpack_from(">xHHB", content)
        parts = [struct.unpack_from("BB", content, 6 + 3 * i) for i in range(n)]
        samplings = [divmod(sampling, 16) for _, sampling in parts]
        if not samplings or not all(1 <= side <= 4 for sampling in samplings for side in sampling):
            raise MalformedFile("sampling")
        across = ceil(width / (8 * max(h for h, _ in samplings)))
        down = ceil(height / (8 * max(v for _, v in samplings)))
        self._blocks = {part: across * h * down * v for (part, _), (h, v) in zip(parts, samplings, strict=True)}
        self.coefficients = 128 * sum(self._blocks.values())  # 64 of 2 bytes

    def visits(self, scan: bytes) -> int:
        """How many blocks a scan with this header goes through."""
        return sum(self._blocks.get(part, 0) for part in scan[1 : 1 + 2 * scan[0] : 2])


PIXELS = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND", b"acTL", b"fcTL", b"fdAT")  # the last three: an animation's


def lean_png(data: bytes) -> Lean:
    """A PNG without its texts, profiles and other chunks."""
    kept, exif, xmp = [data[:8]], b"", b""
    for name, whole in _chunks(data):
        if name in PIXELS:
            kept.append(whole)
        elif name == b"eXIf":
            exif = whole[8:-4]
        elif name == b"iTXt" and whole.startswith(b"XML:com.adobe.xmp\0\0", 8):  # not one that is packed
            xmp = whole
    return Lean(b"".join(kept), exif, xmp)


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """(name, all of it) up to IEND, or to where the file breaks off."""
    place = 8
    for _ in range(MAX_PARTS):
        if place + 8 > len(data):
            return
        length, name = struct.unpack_from(">I4s", data, place)
        yield name, data[place : place + 12 + length]
        place += 12 + length
        if name == b"IEND":
            return
    raise MalformedFile("too many chunks")


IMAGE, EXTENSION, CONTROL = 0x2C, 0x21, 0xF9


def lean_gif(data: bytes) -> Lean:
    """A GIF's first frames, without comments and other extensions, up to one that is larger than those before.

    A decoder makes the whole picture as large as such a frame claims to be: 65,535x65,535 in ten bytes.
    """
    end, frames = 13 + _table(data[10]), 0
    right, bottom = struct.unpack_from("<HH", data, 6)
    kept = [data[:end]]
    for start, end in _blocks(data, end):  # noqa: B020 - the end of the last block is needed below
        if data[start] == IMAGE:
            left, top, w, h = struct.unpack_from("<4H", data, start + 1)
            if frames == MAX_FRAMES or (frames and (left + w > right or top + h > bottom)):
                break
            frames, right, bottom = frames + 1, max(right, left + w), max(bottom, top + h)
        if data[start] == IMAGE or data[start + 1] == CONTROL:
            kept.append(data[start:end])
    return Lean(b"".join(kept) + (b";" if end < len(data) else b""))


def _blocks(data: bytes, place: int) -> Iterator[tuple[int, int]]:
    """(start, end) of a GIF's frames and extensions."""
    left = MAX_BLOCKS
    while place < len(data) and data[place] in {IMAGE, EXTENSION}:
        start = place
        place += 11 + _table(data[place + 9]) if data[place] == IMAGE else 2
        while left > 0 and place < len(data) and data[place]:
            place, left = place + 1 + data[place], left - 1
        place, left = place + 1, left - 1
        if left <= 0:
            raise MalformedFile("too many blocks")
        yield start, place


def _table(flags: int) -> int:
    """Bytes of the colour table that these flags announce."""
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0


COMPRESSION, ORIENTATION, TILE_WIDTH = 259, 274, 322
NONE = 1  # of the ways to compress
SIZES = (0, 1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8, 4)  # bytes of a value, by its type's number


def lean_tiff(data: bytes) -> Lean:
    """A TIFF in plain strips; raises UnknownKind for others, which libtiff would read.

    libtiff writes to stderr by itself: a damaged file could fill a log, or wait for ever for who reads it.
    """
    tags = _tags(data)
    if TILE_WIDTH in tags or _short(data, tags.get(COMPRESSION), default=NONE) != NONE:
        raise UnknownKind("A TIFF with compression, tiles or a camera's raw data is not read: save it as PNG.")
    if sum(SIZES[min(kind, 13)] * count for kind, count, _ in tags.values()) > len(data):
        raise MalformedFile("tags that overlap")
    return Lean(data)  # Pillow turns a TIFF by itself


def lean_bmp(data: bytes) -> Lean:
    """A BMP; Pillow unpacks a run-length encoded one by Python's loops. Raises UnknownKind for it."""
    if len(data) > 34 and struct.unpack_from("<I", data, 30)[0] in {1, 2} and data[14] >= 40:
        raise UnknownKind("A compressed BMP is not read: save it as PNG.")
    return Lean(data)


def lean_webp(data: bytes) -> Lean:
    """A WebP as it is: its decoder is C throughout."""
    place = 12
    about: dict[bytes, bytes] = {}
    for _ in range(MAX_PARTS):
        if place + 8 > len(data):
            break
        name, length = struct.unpack_from("<4sI", data, place)
        if name in {b"EXIF", b"XMP "}:
            about.setdefault(name, data[place + 8 : place + 8 + length])
        place += 8 + length + length % 2
    return Lean(data, about.get(b"EXIF", b"").removeprefix(EXIF_HEAD), about.get(b"XMP ", b""))


IN_XMP = re.compile(rb'tiff:Orientation(?:="|>)([1-8])')  # an attribute or an element


def orientation(exif: bytes, xmp: bytes = b"") -> int:
    """1 to 8 as EXIF counts the ways to hold a camera, XMP's word where EXIF has none; 1, upright, by default."""
    way = 0
    if exif:
        with suppress(struct.error, IndexError, MalformedFile):
            way = _short(exif, _tags(exif).get(ORIENTATION), default=0)
    said = None if way else IN_XMP.search(xmp)
    way = int(said[1]) if said else way
    return way if 1 <= way <= 8 else 1


def _tags(tiff: bytes) -> dict[int, tuple[int, int, int]]:
    """The first directory of a TIFF, which EXIF is too: tag -> (type, count, where its value or offset stands)."""
    order = _order(tiff)
    (start,) = struct.unpack_from(f"{order}I", tiff, 4)
    (n,) = struct.unpack_from(f"{order}H", tiff, start)
    if n > MAX_PARTS:
        raise MalformedFile("too many tags")
    places = range(start + 2, start + 2 + 12 * n, 12)
    entries = [(*struct.unpack_from(f"{order}HHI", tiff, place), place + 8) for place in places]
    return {tag: (kind, count, place) for tag, kind, count, place in entries}


def _short(tiff: bytes, entry: tuple[int, int, int] | None, *, default: int) -> int:
    """A tag's one value of two bytes."""
    if entry is None or entry[:2] != (3, 1):
        return default
    value: int = struct.unpack_from(f"{_order(tiff)}H", tiff, entry[2])[0]
    return value


def _order(tiff: bytes) -> str:
    if tiff[:4] not in {b"II*\0", b"MM\0*"}:
        raise MalformedFile("no TIFF")
    return "<" if tiff[0] == ord("I") else ">"
