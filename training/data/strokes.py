"""Pen strokes: read from UNIPEN and Omniglot files, varied as hands vary, and drawn with the canvas' own brush.

A drawing is a list of strokes, each a float (n, 2) array of x, y in any unit, y downwards.
"""

from __future__ import annotations

import io
import re
import zipfile
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    Stroke = NDArray[np.float64]
    Drawing = list[Stroke]

CANVAS = 280  # pixels: the side of the page's canvas
BRUSH_GAP = 0.4  # pixels: Fabric's PencilBrush drops points nearer than this


def read_unipen(text: str) -> Iterator[tuple[Drawing, int, int]]:
    """UNIPEN text -> (drawing, digit, writer) for each segment."""
    for segment in text.split(".SEGMENT DIGIT")[1:]:
        label = re.search(r'\?\s+"(\d)"', segment)
        writer = re.search(r"\.COMMENT\s+\d+\s+(\d+)", segment)
        if label is None or writer is None:
            raise ValueError(f"UNIPEN segment without label or writer: {segment[:60]!r}")
        pens = [part.split(".PEN_UP")[0] for part in segment.split(".PEN_DOWN")[1:]]
        strokes = [np.array(pen.split(), float).reshape(-1, 2) * (1, -1) for pen in pens]
        yield [stroke for stroke in strokes if len(stroke)], int(label[1]), int(writer[1])


def read_omniglot(path: Path) -> Iterator[tuple[Drawing, str, int]]:
    """Omniglot stroke archive -> (drawing, "Alphabet/character", drawer 1 to 20) for each file."""
    with zipfile.ZipFile(path) as archive:
        for name in sorted(archive.namelist()):
            if name.endswith(".txt") and not name.startswith("__MACOSX"):
                _, alphabet, character, file = name.split("/")
                drawing = _omniglot_strokes(archive.read(name).decode())
                yield drawing, f"{alphabet}/{character}", int(file.removesuffix(".txt").split("_")[1])


def _omniglot_strokes(text: str) -> Drawing:
    parts = re.split(r"START|BREAK", text)
    tables = [np.loadtxt(io.StringIO(part), delimiter=",", ndmin=2) for part in parts if part.strip()]
    return [table[:, :2] * (1, -1) for table in tables]


def fit(drawing: Drawing, side: float, centre: tuple[float, float] = (CANVAS / 2, CANVAS / 2)) -> Drawing:
    """Scale so that the longer side of the bounding box is `side` pixels, and put its middle at `centre`."""
    points = np.concatenate(drawing)
    low, high = points.min(axis=0), points.max(axis=0)
    scale = side / max(float((high - low).max()), 1e-6)
    return [(stroke - (low + high) / 2) * scale + centre for stroke in drawing]


def vary(drawing: Drawing, rng: np.random.Generator, *, strength: float = 1.0) -> Drawing:
    """Turn, slant, stretch and bend a drawing smoothly, as another hand would have made it.

    Turns up to about 20 degrees, slant up to 0.3, sides up to 1.3 to 1, bends up to 5 % of the size, at strength 1.
    """
    turn, slant = strength * rng.normal(0, 0.13), strength * rng.normal(0, 0.13)
    stretch = np.exp(strength * rng.normal(0, 0.12))
    matrix = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]) @ np.array(
        [[stretch, slant], [0, 1 / stretch]]
    )
    unit = [stroke / 100 for stroke in fit(drawing, 100, (0, 0))]
    waves = rng.uniform(1, 7, (4, 2)) * rng.choice([-1, 1], (4, 2))
    phases = rng.uniform(0, 2 * np.pi, 4)
    pushes = strength * rng.normal(0, 0.016, (4, 2))
    return [(s + np.sin(s @ waves.T + phases) @ pushes) @ matrix.T for s in unit]


def draw(drawing: Drawing, width: float, *, canvas: int = CANVAS, detail: int = 4) -> Image.Image:
    """Strokes in canvas pixels -> L picture, black ink on white, as the canvas' brush draws them.

    The brush is Fabric's PencilBrush: the first point doubled, near points dropped, quadratic curves through the
    mid-points, round ends. `detail` is the supersampling; 4 differs from the browser by 0.58/255 on average.
    """
    sheet = Image.new("L", (canvas * detail, canvas * detail), 255)
    pencil = ImageDraw.Draw(sheet)
    for stroke in drawing:
        _draw_stroke(pencil, _smooth(stroke, step=max(1.0, width / 8)) * detail, width * detail)
    return sheet.reduce(detail) if detail > 1 else sheet


def draw_small(drawing: Drawing, width: float) -> Image.Image:
    """As `draw`, but only the inked square, at about 200 pixels: what training needs, ten times faster."""
    points = np.concatenate(drawing)
    low, high = points.min(axis=0) - width / 2 - 1, points.max(axis=0) + width / 2 + 1
    scale = 100 / float((high - low).max())
    return draw([(s - low) * scale for s in drawing], width * scale, canvas=101, detail=3)


def draw_pixels(drawing: Drawing, side: int, width: float, *, soft: float = 0.0) -> Image.Image:
    """Strokes in pixels -> L picture, black ink on white, as a painting program draws them on a sheet of `side` pixels.

    The pen is a disc of `width` pixels stamped at every half pixel of the way: hard-edged on whole pixels where `soft`
    is 0, else with an edge that fades over `soft` pixels.
    """
    ink = np.zeros((side, side))
    rows, columns = np.mgrid[:side, :side] + 0.5
    for stroke in drawing:
        way = _way(stroke)
        if not soft:  # an even disc sits on a corner of the pixels, an odd one in the middle of one
            way = np.unique(np.floor(way) + 0.5 if round(width) % 2 else np.round(way), axis=0)
        for x, y in way:
            box = _box(x, y, width / 2 + soft + 1, side)
            away = np.hypot(columns[box] - x, rows[box] - y)
            stamp = away <= width / 2 if not soft else np.clip((width / 2 - away) / soft + 0.5, 0, 1)
            ink[box] = np.maximum(ink[box], stamp)
    return Image.fromarray((255 * (1 - ink)).round().astype(np.uint8))


def _way(stroke: Stroke) -> Stroke:
    """The stroke's points, at most half a pixel apart."""
    return evenly(stroke, 1 + int(np.ceil(2 * distances(stroke)[-1])))


def distances(stroke: Stroke) -> NDArray[np.float64]:
    """(n,): how far the pen went to each of a stroke's points."""
    return np.concatenate([[0], np.cumsum(np.hypot(*np.diff(stroke, axis=0).T))])


def evenly(stroke: Stroke, points: int) -> Stroke:
    """So many points, as far apart from each other along the stroke."""
    gone = distances(stroke)
    steps = np.linspace(0, gone[-1], points)
    return np.stack([np.interp(steps, gone, column) for column in stroke.T], axis=1)


def _box(x: float, y: float, r: float, side: int) -> tuple[slice, slice]:
    """The rows and columns of a sheet that a disc of radius `r` may touch."""
    low = [max(0, int(v - r)) for v in (y, x)]
    high = [min(side, int(np.ceil(v + r)) + 1) for v in (y, x)]
    return slice(low[0], max(high[0], low[0])), slice(low[1], max(high[1], low[1]))


def _smooth(stroke: Stroke, step: float) -> Stroke:
    """Points as the pointer gave them -> points along the brush's quadratic curves, about `step` pixels apart."""
    kept = [stroke[0]]
    for point in stroke[1:]:
        if np.hypot(*(point - kept[-1])) >= BRUSH_GAP:
            kept.append(point)
    if len(kept) < 3:
        return np.array([kept[0], kept[-1]])
    points = np.array([kept[0], *kept])
    middle = (points[:-1] + points[1:]) / 2
    start, control, end = middle[:-1, None], points[1:-1, None], middle[1:, None]
    pieces = max(1, int(np.ceil(np.hypot(*(middle[1:] - middle[:-1]).T).max() / step)))
    t = np.linspace(0, 1, pieces + 1)[1:, None]
    curve = (1 - t) ** 2 * start + 2 * t * (1 - t) * control + t**2 * end
    return np.concatenate([points[:1], curve.reshape(-1, 2), points[-1:]])


def _draw_stroke(pencil: ImageDraw.ImageDraw, points: Stroke, width: float) -> None:
    """A round-ended line: Pillow's own joints leave notches, so a disc goes on every point."""
    r, way = width / 2, [tuple(point) for point in points.tolist()]
    pencil.line(way, fill=0, width=max(1, round(width)))
    for x, y in way:
        pencil.ellipse((x - r, y - r, x + r, y + r), fill=0)
