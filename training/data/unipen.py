"""UNIPEN train_r01_v07: isolated digits, letters and symbols of the contributors in SITES, as pen strokes.

The format (Guyon et al. 1994): a file under data/ names a file of coordinates under include/ and the components of
each character, counted from 0 over the pen-down and the pen-up parts that hold coordinates.
"""

from __future__ import annotations

import re
import tarfile
import zipfile
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from training.data.strokes import Drawing, Stroke

    Component = tuple[bool, NDArray[np.float64], str]  # pen down, points (n, 2), writer

# contributor -> site: one institution's people wrote for several contributions, some of them twice
SITES = {
    **{name: name for name in ("art", "gmd", "kai", "lav", "lou", "mot", "pri", "sie", "syn", "uqb", "val")},
    **{"apb": "app", "app": "app"},
    **{"cea": "ced", "ceb": "ced", "ced": "ced"},
}
LEFT_OVER = r"\@"  # no at sign (that is "@"): single strokes that a segmentation left over, 1,585 of them
KINDS = ("1a", "1b", "1c", "1d")  # digits, capitals, small letters, symbols
SEGMENT = re.compile(r'^\.SEGMENT\s+CHARACTER\s+(\S+)\s+\S+\s+"(.*)"\s*$', re.MULTILINE)
INCLUDE = re.compile(r"^\.INCLUDE\s+(\S+/data/\S+)", re.MULTILINE)
PART = re.compile(r"^\.(PEN_DOWN|PEN_UP|WRITER_ID)\b([^\n]*\n(?:[^.\n][^\n]*\n|\n)*)", re.MULTILINE)


class Character(NamedTuple):
    """A character as it was written: y downwards, in the tablet's units."""

    strokes: Drawing
    label: str
    site: str
    writer: str


def read(path: Path) -> Iterator[Character]:
    """Every character of the archive that is SITES', in the order of its files' names. Raises KeyError, ValueError."""
    files = _files(path)
    parsed: dict[str, list[Component]] = {}
    for name in sorted(name for name in files if name.startswith(KINDS)):
        text = files[name].decode("latin-1")
        segments = SEGMENT.findall(text)
        include = INCLUDE.search(text)
        if include is None or not segments:
            raise ValueError(f"UNIPEN file data/{name} names no coordinates or no segment")
        source = include[1]
        if source not in parsed:
            parsed[source] = components(files[f"include/{source}"].decode("latin-1"))
        site = SITES[name.split("/")[1]]
        for where, label in segments:
            strokes, writer = _between(parsed[source], where)
            if strokes and label != LEFT_OVER:
                yield Character(strokes, re.sub(r"\\(.)", r"\1", label), site, f"{site}/{writer}")


def content(characters: Iterable[Character]) -> bytes:
    """What was parsed, as bytes to take a digest of: how many, then labels, people and strokes of each."""
    lines = [
        f"{label} {writer} {[len(stroke) for stroke in strokes]}\n".encode()
        + np.concatenate(strokes).astype("<f4").tobytes()
        for strokes, label, _, writer in characters
    ]
    return b"".join([f"{len(lines)}\n".encode(), *lines])


def spoilt(drawing: Drawing) -> bool:
    """Whether a drawing is left out: of a few points, a blot, or several characters in one segment (LOG.md)."""
    points = np.concatenate(drawing)
    width, height = np.ptp(points, axis=0)
    if len(points) < 5 or max(width, height) == 0:
        return True
    return _way(drawing) > 8 * max(width, height) or (width > 1.4 * height and _apart(drawing, height))


def is_dots(drawing: Drawing) -> bool:
    """Whether the pen went less than half of a drawing's size while it was down: a colon may, a digit does not.

    One of the digits does, a "4" of three dots at 0.09 of its size; all others went once their size or more.
    """
    return _way(drawing) < 0.5 * max(np.ptp(np.concatenate(drawing), axis=0))


def _way(drawing: Drawing) -> float:
    return sum(float(np.hypot(*np.diff(stroke, axis=0).T).sum()) for stroke in drawing)


def _apart(drawing: Drawing, height: float) -> bool:
    """Whether two groups of strokes, each over a third of the height, stand side by side with a gap between them."""
    order = sorted(drawing, key=lambda stroke: stroke[:, 0].min())
    for n in range(1, len(order)):
        left, right = np.concatenate(order[:n]), np.concatenate(order[n:])
        tall = min(np.ptp(left[:, 1]), np.ptp(right[:, 1])) > height / 3
        if tall and left[:, 0].max() < right[:, 0].min():
            return True
    return False


def _files(path: Path) -> dict[str, bytes]:
    """Members of SITES' contributors by name: "1a/syn/..." for what stands under data/, "include/syn/..."."""
    members = _unzipped(path) if zipfile.is_zipfile(path) else _untarred(path)
    found = {}
    for name, content in members:
        place = re.search(r"(?:^|/)(?:data/(1[abcd]/(\w+)/.*)|(include/(\w+)/data/.*))$", name)
        if place and (place[2] or place[4]) in SITES:
            found[place[1] or place[3]] = content
    return found


def _unzipped(path: Path) -> Iterator[tuple[str, bytes]]:
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            if not name.endswith("/"):
                yield name, archive.read(name)


def _untarred(path: Path) -> Iterator[tuple[str, bytes]]:
    with tarfile.open(path) as archive:
        for member in archive:
            if member.isfile():
                yield member.name, archive.extractfile(member).read()  # type: ignore[union-attr]  # it is a file


def components(text: str) -> list[Component]:
    """The parts of a coordinate file that hold points, in order, with the person who wrote each."""
    columns = re.search(r"^\.COORD\s+X\s+Y((?:[ \t]+\w+)*)", text, re.MULTILINE)
    width = 2 + len(columns[1].split()) if columns else 0
    found: list[Component] = []
    writer = ""
    for keyword, content in PART.findall(text):
        if keyword == "WRITER_ID":
            writer = re.sub(r"[^a-z0-9]", "", content.split("\n")[0].lower())
            continue
        numbers = content.split()
        if numbers:
            across = width or len(content.strip().split("\n", 1)[0].split())
            points = np.array(numbers, float).reshape(-1, across)[:, :2] * (1, -1)
            found.append((keyword == "PEN_DOWN", points, writer))
    return found


def _between(parts: list[Component], where: str) -> tuple[Drawing, str]:
    """The strokes that `where` names ("3-5", "3:10-4:2", "1,7"), and who wrote the first of them."""
    strokes: list[Stroke] = []
    writer = ""
    for piece in where.split(","):
        start, _, stop = piece.partition("-")
        (first, after), (last, until) = _place(start), _place(stop or start)
        for index in range(first, last + 1):
            down, points, writer = parts[index]
            begin = after or 0 if index == first else 0
            end = until + 1 if index == last and until is not None else len(points)
            if down and len(points[begin:end]):
                strokes.append(points[begin:end])
    return strokes, writer


def _place(text: str) -> tuple[int, int | None]:
    component, _, point = text.partition(":")
    return int(component), int(point) if point else None
