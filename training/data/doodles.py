"""What people draw that is no digit: scribbles, doodles, several digits at once, letters and digits turned or mirrored.

Each generator returns a drawing (see training.data.strokes) in a unit of its own; `strokes.fit` scales it.
"""

from __future__ import annotations

import json
from functools import cache as once
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from training.data.strokes import fit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from training.data.strokes import Drawing, Stroke

# digit or letter -> the turns (see `turn`) in which it looks like a digit; LOG.md says how it was made
LOOKALIKES = Path(__file__).with_name("lookalikes.json")


def line(*points: tuple[float, float], per_side: int = 8) -> Stroke:
    """A polyline through `points`, sampled so that `strokes.vary` can bend it."""
    corners = np.array(points, float)
    steps = np.linspace(0, 1, per_side, endpoint=False)[:, None]
    sides = [a + (b - a) * steps for a, b in pairwise(corners)]
    return np.concatenate([*sides, corners[-1:]])


def arc(x: float, y: float, r: float, start: float = 0, stop: float = 360, *, flat: float = 1) -> Stroke:  # noqa: PLR0913 - a drawing reads best as numbers
    """Part of an ellipse around x, y from `start` to `stop` degrees."""
    angle = np.radians(np.linspace(start, stop, 40))
    return np.stack([x + r * np.cos(angle), y + flat * r * np.sin(angle)], axis=1)


def _star(n: int) -> Stroke:
    turns = np.arange(n + 1) * (n // 2) * 2 * np.pi / n - np.pi / 2
    return line(*zip(np.cos(turns), np.sin(turns), strict=True))


def _heart() -> Stroke:
    t = np.linspace(0, 2 * np.pi, 60)
    return np.stack([16 * np.sin(t) ** 3, -13 * np.cos(t) + 5 * np.cos(2 * t) + 2 * np.cos(3 * t)], axis=1)


def _spiral(turns: float) -> Stroke:
    t = np.linspace(0.5, turns * 2 * np.pi, 100)
    return np.stack([t * np.cos(t), t * np.sin(t)], axis=1)


def _wave(periods: float, height: float) -> Stroke:
    t = np.linspace(0, periods * 2 * np.pi, 80)
    return np.stack([t, height * np.sin(t)], axis=1)


def _zigzag(teeth: int, height: float) -> Stroke:
    return line(*[(float(k), height * (k % 2)) for k in range(teeth + 1)])


def _petals(n: int) -> Stroke:
    t = np.linspace(0, 2 * np.pi, 40 * n)
    return np.stack([(1 + 0.5 * np.cos(n * t)) * np.cos(t), (1 + 0.5 * np.cos(n * t)) * np.sin(t)], axis=1)


SQUARE = line((0, 0), (10, 0), (10, 10), (0, 10), (0, 0))
DOODLES: dict[str, Drawing] = {
    "star": [_star(5)],
    "big star": [_star(7)],
    "house": [SQUARE, line((-1, 0), (5, -6), (11, 0))],
    "house with door": [SQUARE, line((0, 0), (5, -5), (10, 0)), line((4, 10), (4, 5), (7, 5), (7, 10))],
    "heart": [_heart()],
    "triangle": [line((0, 0), (6, 10), (-6, 10), (0, 0))],
    "square": [SQUARE],
    "crossed square": [SQUARE, line((0, 0), (10, 10)), line((10, 0), (0, 10))],
    "flat box": [line((0, 0), (16, 0), (16, 6), (0, 6), (0, 0))],
    "diamond": [line((0, -8), (5, 0), (0, 8), (-5, 0), (0, -8))],
    "arrow right": [line((0, 0), (10, 0)), line((7, -3), (10, 0), (7, 3))],
    "arrow up": [line((0, 10), (0, 0)), line((-3, 3), (0, 0), (3, 3))],
    "arrow down": [line((0, 0), (0, 10), (-3, 7)), line((0, 10), (3, 7))],
    "tick": [line((0, 5), (3, 9), (10, 0))],
    "plus": [line((0, -5), (0, 5)), line((-5, 0), (5, 0))],
    "times": [line((-5, -5), (5, 5)), line((5, -5), (-5, 5))],
    "asterisk": [line((-5, -5), (5, 5)), line((5, -5), (-5, 5)), line((0, -6), (0, 6))],
    "hash": [line((3, 0), (3, 10)), line((7, 0), (7, 10)), line((0, 3), (10, 3)), line((0, 7), (10, 7))],
    "equals": [line((0, 0), (10, 0)), line((0, 4), (10, 4))],
    "dash": [line((0, 0), (10, 0))],
    "dots": [arc(0, 0, 0.5), arc(5, 0, 0.5), arc(10, 0, 0.5)],
    "percent": [arc(-4, -4, 2), arc(4, 4, 2), line((5, -6), (-5, 6))],
    "spiral": [_spiral(3)],
    "wide spiral": [_spiral(4.5)],
    "wave": [_wave(3, 2)],
    "wavelet": [_wave(2, 1.5)],
    "zigzag": [_zigzag(5, 3)],
    "saw": [_zigzag(9, 3)],
    "flower": [_petals(5), arc(0, 0, 0.4)],
    "clover": [_petals(3)],
    "smiley": [arc(0, 0, 10), arc(-4, -3, 0.8), arc(4, -3, 0.8), arc(0, 1, 5, 20, 160)],
    "frown": [arc(0, 0, 10), line((-4, -4), (-4, -2)), line((4, -4), (4, -2)), arc(0, 8, 5, 200, 340)],
    "stick man": [arc(0, -8, 3), line((0, -5), (0, 4), (-4, 10)), line((0, 4), (4, 10)), line((-5, -2), (5, -2))],
    "tree": [line((-1, 10), (-1, 3)), line((1, 10), (1, 3)), arc(0, -2, 6)],
    "fir": [line((0, -8), (5, -1), (-5, -1), (0, -8)), line((0, -1), (6, 6), (-6, 6), (0, -1)), line((0, 6), (0, 9))],
    "fish": [arc(0, 0, 7, 30, 330, flat=0.5), line((6, -2), (11, 4), (11, -4), (6, 2))],
    "lightning": [line((3, -8), (-3, 1), (2, 1), (-2, 9))],
    "moon": [arc(0, 0, 8, 60, 300), arc(4, 0, 7, 110, 250)],
    "sun": [arc(0, 0, 4), *(line((6 * c, 6 * s), (9 * c, 9 * s)) for c, s in _star(8)[::16])],
    "car": [
        line((-9, 3), (-9, 0), (-5, 0), (-3, -4), (4, -4), (6, 0), (9, 0), (9, 3), (-9, 3)),
        arc(-5, 4, 2),
        arc(5, 4, 2),
    ],
    "cup": [line((-5, -5), (-4, 6), (4, 6), (5, -5), (-5, -5)), arc(5, 0, 3, -80, 80)],
    "ladder": [line((0, 0), (0, 14)), line((5, 0), (5, 14)), *(line((0, y), (5, y)) for y in (3, 6, 9, 12))],
    "cat": [arc(0, 0, 6), line((-5, -4), (-5, -9), (-1, -6)), line((5, -4), (5, -9), (1, -6)), line((-2, 2), (2, 2))],
    "envelope": [line((0, 0), (14, 0), (14, 9), (0, 9), (0, 0), (7, 5), (14, 0))],
    "cube": [SQUARE, line((0, 0), (4, -4), (14, -4), (14, 6), (10, 10)), line((10, 0), (14, -4))],
    "target": [arc(0, 0, 9), arc(0, 0, 5), arc(0, 0, 1.5)],
    "question mark": [np.concatenate([arc(0, 0, 4, 180, 400), line((3, 3), (0, 7), (0, 10))]), arc(0, 14, 0.3)],
    "exclamation mark": [line((0, 0), (0, 9)), arc(0, 13, 0.3)],
    "at sign": [_spiral(2), arc(0, 0, 14, -60, 240)],
    "ampersand": [line((8, 12), (-3, -2), (0, -6), (3, -3), (-4, 6), (-1, 11), (4, 9), (8, 3))],
    "peak": [line((0, 10), (5, 0), (10, 10))],
    "pit": [line((0, 0), (0, 10), (10, 10), (10, 0))],
}


def scribble(rng: np.random.Generator) -> Drawing:
    """One to three strokes of a pen that wanders: a smooth random walk of its direction, or hatching."""
    return [_hatch(rng) if rng.random() < 0.25 else _wander(rng) for _ in range(rng.integers(1, 4))]


def _wander(rng: np.random.Generator) -> Stroke:
    n = int(rng.integers(40, 220))
    bend = np.convolve(rng.normal(0, rng.uniform(0.2, 0.9), n), np.ones(7) / 7, "same") + rng.normal(0, 0.1)
    angle = rng.uniform(0, 2 * np.pi) + np.cumsum(bend)
    steps = np.stack([np.cos(angle), np.sin(angle)], axis=1) * rng.uniform(0.5, 1.5, (n, 1))
    return rng.normal(0, 8, 2) + np.cumsum(steps, axis=0)


def _hatch(rng: np.random.Generator) -> Stroke:
    n = int(rng.integers(6, 24))
    ends = np.stack([np.linspace(0, rng.uniform(4, 20), n), 12 * (np.arange(n) % 2)], axis=1)
    turn = rng.uniform(0, np.pi)
    matrix = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    return line(*[tuple(p) for p in (ends + rng.normal(0, 0.7, (n, 2))) @ matrix])


def crowd(rng: np.random.Generator) -> Drawing:
    """What fills a sheet: 2 to 60 strokes from anywhere to anywhere, in a box or an oval that is not narrow."""
    width, oval = rng.uniform(0.5, 4), rng.random() < 0.4
    found = []
    for _ in range(int(np.exp(rng.uniform(np.log(2), np.log(60))))):
        points = rng.uniform(-1, 1, (int(rng.integers(6, 15)), 2))
        if oval:
            points /= np.maximum(1, np.linalg.norm(points, axis=1, keepdims=True))
        found.append(line(*[tuple(point) for point in points * (width, 1)]))
    return found


def marks(rng: np.random.Generator) -> Drawing:
    """Dots, commas or short dashes with gaps of 10: two to seven in a row or anywhere, two or three in a column.

    More in a column are a dotted 1 to most eyes.
    """
    layout, gap = rng.choice(["row", "column", "anywhere"]), 10.0
    n = int(rng.integers(2, 4 if layout == "column" else 8))
    if layout == "anywhere":
        places = rng.uniform(0, gap * np.sqrt(n), (n, 2))
    else:
        places = np.arange(n)[:, None] * gap * np.eye(2)[int(layout == "column")] + rng.normal(0, 0.1 * gap, (n, 2))
    angles = rng.uniform(0, np.pi) + rng.normal(0, 0.3, n)
    length = rng.choice([0.02, 0.2, 0.4]) * gap * rng.uniform(0.3, 1, (n, 1))
    ends = np.stack([np.cos(angles), np.sin(angles)], axis=1) * length / 2
    return [line(tuple(place - end), tuple(place + end)) for place, end in zip(places, ends, strict=True)]


def invented(rng: np.random.Generator) -> Drawing:
    """A character of no alphabet: one to four strokes of lines and arcs that begin or cross on one another.

    It stands for what lies between the letters that were learnt and those of an alphabet never seen. A few look like a
    digit (none like a 1: what is narrow is tried again), but far fewer than there are such digits, so that a network
    still takes that shape for the digit.
    """
    n = int(rng.choice([1, 2, 3, 4], p=[0.3, 0.4, 0.2, 0.1]))
    strokes = [_glide(rng, at_least=2 if n == 1 else 1)]  # one plain line is a 1
    for stroke in (_glide(rng) for _ in range(n - 1)):
        points = np.concatenate(strokes)
        where = points[rng.integers(len(points))] if rng.random() < 0.75 else points.mean(axis=0) + rng.normal(0, 8, 2)
        strokes.append(stroke - stroke[rng.choice([0, 0, len(stroke) // 2, -1])] + where)
    width, height = np.ptp(np.concatenate(strokes), axis=0)
    return strokes if width > height / 3 else invented(rng)


def _glide(rng: np.random.Generator, at_least: int = 1) -> Stroke:
    """A pen's way in up to four pieces, each straight or of one curvature, joined smoothly or at a corner."""
    angle, steps = rng.uniform(0, 2 * np.pi), []
    for _ in range(at_least + rng.choice([0, 1, 2], p=[0.5, 0.3, 0.2])):
        length = int(rng.integers(5, 30))
        bend = 0.0 if rng.random() < 0.45 else rng.uniform(-1.6, 1.6) * np.pi / length
        steps.append(angle + bend * np.arange(length))
        angle = steps[-1][-1] + (rng.uniform(-2.6, 2.6) if rng.random() < 0.7 else 0.0)
    heading = np.concatenate(steps)
    return np.cumsum(np.stack([np.cos(heading), np.sin(heading)], axis=1), axis=0)


def several(digits: Sequence[Drawing], rng: np.random.Generator) -> Drawing:
    """Two to four digits beside, or two above, each other: gaps from touching to one width."""
    down = len(digits) == 2 and rng.random() < 0.2
    strokes: Drawing = []
    place = 0.0
    for drawing in digits:
        digit = fit(drawing, 100 * rng.uniform(0.8, 1.1), (0, 0))
        low, high = np.concatenate(digit).min(axis=0), np.concatenate(digit).max(axis=0)
        axis = 1 if down else 0
        shift = np.zeros(2)
        shift[axis] = place - low[axis]
        shift[1 - axis] = rng.normal(0, 8)
        strokes += [stroke + shift for stroke in digit]
        place += high[axis] - low[axis] + rng.uniform(5, 60)
    return strokes


def turn(drawing: Drawing, which: int) -> Drawing:
    """One of a square's eight symmetries: `which` % 4 quarter turns clockwise, in the mirror from 4 on."""
    turned = [stroke * (-1 if which > 3 else 1, 1) for stroke in drawing]
    for _ in range(which % 4):
        turned = [np.stack([-stroke[:, 1], stroke[:, 0]], axis=1) for stroke in turned]
    return turned


def turns(name: str) -> tuple[int, ...]:
    """The turns (see `turn`) in which a letter ("Alphabet/character") or digit looks like no digit."""
    return tuple(which for which in range(8) if str(which) not in _lookalikes().get(name, ""))


@once
def _lookalikes() -> dict[str, str]:
    return dict(json.loads(LOOKALIKES.read_text("utf-8")))
