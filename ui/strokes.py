"""A drawing as strokes of the pen: as the canvas keeps it, as a picture, and as text short enough for a link."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from io import BytesIO
from itertools import accumulate, groupby, pairwise
from math import isfinite
from typing import TYPE_CHECKING, Any, NamedTuple

from PIL import Image, ImageDraw

from ui.visit import Picture

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

SIDE = 400  # pixels of the sheet
SQUARE, WIDE = (SIDE, SIDE), (600, 300)  # a sheet for a digit, and one for a number
PEN = (6, 48, 22)  # pixels: thinnest, thickest, at first; the model was trained on the whole range
LONGEST = 8000  # characters of a drawing as text: 2,900 points, thirty digits; longer links are cut by some programs
VERSION = "1"  # the text's first character
FINE = 2  # the text keeps half pixels
OUTSIDE = SIDE  # pixels that a stroke may run beyond the square sheet; the wide one lies within
Point = tuple[float, float]  # pixels of the sheet, y downwards


class Stroke(NamedTuple):
    """The points that the pen passed near: the canvas draws curves through the middles between them."""

    points: tuple[Point, ...]
    width: int = PEN[-1]


class NoDrawing(Exception):
    """The text is none that `pack` writes."""


def picture(strokes: tuple[Stroke, ...], name: str = "drawing.png", size: tuple[int, int] = SQUARE) -> Picture:
    """The drawing as a sheet of this size would send it: PNG, black on white, and the canvas' own record."""
    return Picture(_png(strokes, size), on_canvas(strokes), name=name)


def on_canvas(strokes: Iterable[Stroke]) -> dict[str, Any]:
    """As the canvas keeps a drawing: one of Fabric's paths a stroke."""
    return {"version": "7.4.0", "background": "#ffffff", "objects": [_path(stroke) for stroke in strokes]}


def commands(points: tuple[Point, ...]) -> list[list[Any]]:
    """A stroke's curve as an SVG path's commands, as the canvas' brush writes them."""
    curves = [["Q", *point, *middle] for point, middle in zip(points, _middles(points), strict=False)]
    x, y = points[-1]
    dot = 0.02 if len(points) == 1 else 0  # a line of no length would not be drawn
    return [["M", *points[0]], *curves, ["L", x + dot, y]]


def of_canvas(record: dict[str, Any]) -> tuple[Stroke, ...]:
    """The strokes of a record that the canvas keeps; none where it holds something else."""
    try:
        return tuple(_of_path(each) for each in record["objects"])
    except (KeyError, TypeError, ValueError, IndexError, OverflowError):
        return ()


def pack(strokes: Iterable[Stroke]) -> str:
    """Text of characters that a URL takes as they are; empty without strokes, and where it would be over LONGEST."""
    data = bytes(byte for stroke in strokes for number in _numbers(stroke) for byte in _varint(number))
    text = VERSION + urlsafe_b64encode(data).decode().rstrip("=") if data else ""
    return text if len(text) <= LONGEST else ""


def unpack(text: str) -> tuple[Stroke, ...]:
    """The strokes that `pack` wrote. Raises NoDrawing for every other text."""
    if not text.startswith(VERSION) or len(text) > LONGEST:
        raise NoDrawing
    try:
        data = urlsafe_b64decode(text[1:] + "=" * (-len(text[1:]) % 4))
    except ValueError:
        raise NoDrawing from None
    strokes = tuple(_strokes(_integers(data)))
    if not strokes or pack(strokes) != text:  # cut off, out of bounds, or of characters that base64 passes over
        raise NoDrawing
    return strokes


def _of_path(path: dict[str, Any]) -> Stroke:
    """Raises what `of_canvas` catches where it is no stroke of the pen."""
    (_, *first), *curves, (_, *last) = path["path"]
    places = [curve[1:3] for curve in curves] or [first]
    points = tuple((float(x), float(y)) for x, y in (*places, last))
    if not all(isfinite(c) for point in points for c in point):
        raise ValueError("A stroke has no end.")
    return Stroke(points, int(path["strokeWidth"]))


def _numbers(stroke: Stroke) -> Iterator[int]:
    """Width, number of points, and each point's way from the one before, as integers from 0 on."""
    low, high = FINE * -OUTSIDE, FINE * (SIDE + OUTSIDE)
    fine = [tuple(min(high, max(low, round(FINE * c))) for c in point) for point in stroke.points]
    places = [place for place, _ in groupby(fine)]
    if not places:
        return
    yield from (min(PEN[1], max(PEN[0], stroke.width)), len(places))
    for (x, y), (u, v) in pairwise([(0, 0), *places]):
        yield from (2 * step if step >= 0 else -2 * step - 1 for step in (u - x, v - y))


def _varint(number: int) -> Iterator[int]:
    """Seven bits a byte, the lowest first; the eighth bit says that another byte follows."""
    while number > 0x7F:
        yield number & 0x7F | 0x80
        number >>= 7
    yield number


def _integers(data: bytes) -> list[int]:
    numbers, number, shift = [], 0, 0
    for byte in data:
        number |= (byte & 0x7F) << shift
        shift = min(shift + 7, 21)  # nothing here is longer: what a stranger makes so is another number
        if byte < 0x80:
            numbers.append(number)
            number = shift = 0
    return numbers


def _strokes(numbers: list[int]) -> Iterator[Stroke]:
    while numbers:
        (width, count), numbers = (*numbers, 0)[:2], numbers[2:]
        steps, numbers = numbers[: 2 * count], numbers[2 * count :]
        ways = [step // 2 if step % 2 == 0 else -(step + 1) // 2 for step in steps]
        xs, ys = accumulate(ways[::2]), accumulate(ways[1::2])
        yield Stroke(tuple((x / FINE, y / FINE) for x, y in zip(xs, ys, strict=False)), width)


def _path(stroke: Stroke) -> dict[str, Any]:
    xs, ys = zip(*_curve(stroke.points), strict=True)
    return {
        "type": "Path",
        "originX": "center",
        "originY": "center",
        "left": (min(xs) + max(xs)) / 2,
        "top": (min(ys) + max(ys)) / 2,
        "fill": None,
        "stroke": "#000000",
        "strokeWidth": stroke.width,
        "strokeLineCap": "round",
        "strokeLineJoin": "round",
        "path": commands(stroke.points),
    }


def _png(strokes: Iterable[Stroke], size: tuple[int, int]) -> bytes:
    scale = 4  # drawn larger and reduced: smooth edges
    sheet = Image.new("L", (scale * size[0], scale * size[1]), 255)
    pen = ImageDraw.Draw(sheet)
    for stroke in strokes:
        places = [(scale * x, scale * y) for x, y in _curve(stroke.points)]
        for one, other in pairwise(places):
            pen.line((one, other), 0, scale * stroke.width)
        r = (scale * stroke.width - 1) / 2
        for x, y in places:
            pen.ellipse((x - r, y - r, x + r, y + r), 0)
    buffer = BytesIO()
    sheet.reduce(scale).save(buffer, "PNG")
    return buffer.getvalue()


def _middles(points: tuple[Point, ...]) -> list[Point]:
    return [((x + u) / 2, (y + v) / 2) for (x, y), (u, v) in pairwise(points)]


def _curve(points: tuple[Point, ...]) -> list[Point]:
    """Points along the stroke: quadratic curves through the middles of its sides."""
    middles, curve = _middles(points), [points[0]]
    for (x, y), (u, v), (z, w) in zip(middles, points[1:-1], middles[1:], strict=False):
        for t in (k / 8 for k in range(9)):
            a, b, c = (1 - t) ** 2, 2 * t * (1 - t), t**2
            curve.append((a * x + b * u + c * z, a * y + b * v + c * w))
    return [*curve, points[-1]]
