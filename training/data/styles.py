"""The style in which a digit is written, from its strokes, and a digit changed to a rarer style or to another hand's.

Rare styles are drawn more often, and judged on their own.
"""

from __future__ import annotations

from itertools import permutations
from typing import TYPE_CHECKING

import numpy as np

from training.data.strokes import distances, evenly, fit

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from training.data.strokes import Drawing, Stroke


def style(drawing: Drawing, digit: int) -> str:
    """A name such as "slashed" or "flag", and how many strokes (up to 3), such as "plain 2"."""
    unit = _unit(drawing)
    name = "plain"
    if digit == 0:
        name = "slashed" if _slashed(unit) else "plain"
    elif digit == 1:
        name = one(unit)
    elif digit == 7:
        name = "crossed" if _crossed(unit) else "plain"
    return f"{name} {min(len(drawing), 3)}"


def _unit(drawing: Drawing) -> Drawing:
    """Height 1, y from 0 at the top; each stroke resampled to steps of 0.02."""
    points = np.concatenate(drawing)
    low, high = points.min(axis=0), points.max(axis=0)
    return [_resampled((stroke - low) / max(high[1] - low[1], 1e-6)) for stroke in drawing]


def _resampled(stroke: NDArray[np.float64]) -> NDArray[np.float64]:
    return evenly(stroke, max(2, int(distances(stroke)[-1] / 0.02)))


def _slashed(drawing: Drawing) -> bool:
    """A second stroke, or the end of a long one, as tall as half the zero."""
    if len(drawing) > 1:
        return max(np.ptp(stroke[:, 1]) for stroke in drawing[1:]) > 0.4
    height, width = 1.0, np.ptp(drawing[0][:, 0])
    return 0.02 * len(drawing[0]) > 1.35 * np.pi * np.hypot(height, width) / np.sqrt(2)


def _crossed(drawing: Drawing) -> bool:
    """A second stroke that is flat and lies in the middle."""
    return any(
        np.ptp(stroke[:, 0]) > np.ptp(stroke[:, 1]) and 0.25 < stroke[:, 1].mean() < 0.75 for stroke in drawing[1:]
    )


def one(drawing: Drawing) -> str:
    """A 1's style: "foot" (a bar below), "flag" (a stroke down to the left of its top), "leaning" or "bar"."""
    points = np.concatenate(drawing)
    middle = points[(points[:, 1] > 0.4) & (points[:, 1] < 0.8)]
    if len(middle) < 3:
        return "bar"
    slope, start = np.polyfit(middle[:, 1], middle[:, 0], 1)
    beside = points[:, 0] - (start + slope * points[:, 1])
    if np.ptp(points[points[:, 1] > 0.85, 0]) > 0.3 + abs(slope) * 0.15:
        return "foot"
    if beside[points[:, 1] < 0.6].min() < -0.12:
        return "flag"
    return "leaning" if abs(slope) > 0.3 else "bar"


POINTS = 40  # of a stroke, where two hands are compared
NEAR = 0.15  # of the size: the mean distance of two hands whose strokes say the same
RESTYLED = {0: 0.26, 1: 0.33, 4: 0.09, 7: 0.18, 8: 0.14}  # digit -> its share of the pictures that `restyled` makes


def restyled(drawing: Drawing, digit: int, rng: np.random.Generator) -> Drawing:
    """A digit of RESTYLED with a slash, flag, foot, closed or open top, bar or hook; height 1, y from 0 at the top."""
    unit = _unit(drawing)
    if digit == 0:
        return unit if _slashed(unit) else [*unit, _slash(unit, rng)]
    if digit == 1:
        return _ornate(unit, rng)
    if digit == 4:
        return _closed(unit)
    if digit == 8:
        return _opened(unit, rng)
    return _continental(unit, rng)


def _slash(drawing: Drawing, rng: np.random.Generator) -> Stroke:
    """A line through a zero, as UNIPEN's people draw it: 0.7 to 2.1 times the zero's diagonal, mostly leaning right."""
    points = np.concatenate(drawing)
    low, high = points.min(axis=0), points.max(axis=0)
    middle, lean = (low + high) / 2 + rng.normal(0, 0.05, 2), np.radians(rng.triangular(-35, 35, 60))
    half = np.hypot(*(high - low)) / 2 * rng.triangular(0.7, 1.1, 2.1) * np.array([np.sin(lean), -np.cos(lean)])
    return np.linspace(middle - half, middle + half, 12)


def _ornate(drawing: Drawing, rng: np.random.Generator) -> Drawing:
    """A 1 with a flag, a foot, both, or a hook below, unless it has them; now and then it only leans."""
    added, style = [], one(drawing)
    points = np.concatenate(drawing)
    wish = rng.choice(["flag", "foot", "both", "hook", "lean"], p=[0.35, 0.18, 0.2, 0.15, 0.12])
    if wish in ("flag", "both") and style not in ("flag", "foot"):
        added.append(_flag(points[points[:, 1].argmin()], rng))
    if wish in ("foot", "both") and style != "foot":
        added.append(_foot(points[points[:, 1].argmax()], rng))
    if wish == "hook" and style != "foot":
        added.append(_turn(points[points[:, 1].argmax()], rng))
    lean = np.array([[1, 0], [rng.normal(0, 0.25 if wish == "lean" else 0.08), 1]])
    return [stroke @ lean for stroke in (*drawing, *added)]


def _flag(top: NDArray[np.float64], rng: np.random.Generator) -> Stroke:
    """A stroke down to the left, 0.1 to 0.42 long; a short one may be flat, a long one is steep, or the 1 were a 7."""
    length = rng.uniform(0.1, 0.42)
    below = np.radians(rng.uniform(10 + 60 * length, 60))
    return np.linspace(top + length * np.array([-np.cos(below), np.sin(below)]), top, 8)


def _foot(bottom: NDArray[np.float64], rng: np.random.Generator) -> Stroke:
    left, right, tilt = *rng.uniform(0.1, 0.32, 2), rng.normal(0, 0.03)
    return np.linspace(bottom + np.array([-left, -tilt]), bottom + np.array([right, tilt]), 8)


def _turn(bottom: NDArray[np.float64], rng: np.random.Generator) -> Stroke:
    """A curve from a 1's lower end to the right and up; up to 0.28 wide, or the 1 were an L."""
    t = np.linspace(0, 1, 10)[:, None]
    return bottom + t * (rng.uniform(0.1, 0.28), 0) + t**2 * (0, -rng.uniform(0.02, 0.2))


def _closed(drawing: Drawing) -> Drawing:
    """A 4 of two strokes whose angle starts at the top of its stem."""
    if len(drawing) != 2:
        return drawing
    stem = max(drawing, key=lambda stroke: stroke[:, 1].max())
    angle = next(stroke for stroke in drawing if stroke is not stem)
    top = stem[stem[:, 1].argmin()]
    way = np.linspace(top, angle[0], 8, endpoint=False)
    return [np.concatenate([way, angle]), stem]


def _opened(drawing: Drawing, rng: np.random.Generator) -> Drawing:
    """An 8 of one stroke that starts at the top, and whose ends, up to an eighth of its way, are missing."""
    stroke = drawing[0]
    if len(drawing) > 1 or stroke[0, 1] > 0.4:
        return drawing
    first, last = (len(stroke) * rng.uniform(0, (0.04, 0.08))).astype(int)
    return [stroke[first : len(stroke) - last]]


def _continental(drawing: Drawing, rng: np.random.Generator) -> Drawing:
    """A 7 with a bar, a hook before its top stroke, or both, unless it has them."""
    wish = rng.choice(["bar", "hook", "both"], p=[0.4, 0.35, 0.25])
    if wish != "bar":
        drawing = _hooked(drawing, rng)
    return drawing if wish == "hook" or _crossed(drawing) else [*drawing, _bar(drawing, rng)]


def _hooked(drawing: Drawing, rng: np.random.Generator) -> Drawing:
    """A 7 whose pen comes up to the left end of the top, bent; up to 0.22 long, or the 7 were a 9."""
    points = np.concatenate(drawing)
    first = max(drawing, key=lambda stroke: _corner(stroke, points))
    if _corner(first, points) < 0:
        return drawing
    length, inward = rng.uniform(0.06, 0.22), rng.uniform(-0.3, 0.9)
    t = np.linspace(1, 0, 10, endpoint=False)[:, None]
    bulge = rng.uniform(0, 0.4) * np.sin(np.pi * t) * (-1, 0)
    hook = first[0] + length * (t * (np.sin(inward), np.cos(inward)) + bulge)
    return [np.concatenate([hook, stroke]) if stroke is first else stroke for stroke in drawing]


def _corner(stroke: Stroke, points: NDArray[np.float64]) -> float:
    """Over 0 where a stroke begins in the upper left quarter of `points`, the more the nearer to the corner."""
    low, high = points.min(axis=0), points.max(axis=0)
    return float(0.5 - np.max((stroke[0] - low) / np.maximum(high - low, 1e-6)))


def _bar(drawing: Drawing, rng: np.random.Generator) -> Stroke:
    """A flat bar through a 7's stem."""
    points = np.concatenate(drawing)
    height = rng.uniform(0.42, 0.62)
    x = points[np.abs(points[:, 1] - height).argmin(), 0]
    tilt = rng.normal(0, 0.04)
    return np.linspace((x - rng.uniform(0.12, 0.3), height + tilt), (x + rng.uniform(0.12, 0.3), height - tilt), 8)


def between(drawing: Drawing, other: Drawing, share: float) -> Drawing | None:
    """A character between two hands' of as many strokes: the first with `share` of the way to the other.

    Below 0 it is further away from the other than the first. The longer side is about 1. None where the two are not
    near: made by other movements, or other shapes.
    """
    mine, theirs = (_paced(fit(hand, 1, (0, 0))) for hand in (drawing, other))
    matched = _matched(mine, theirs)
    if np.abs(mine - matched).mean() > NEAR / 2:  # of x and y each
        return None
    return list(mine + share * (matched - mine))


def _paced(drawing: Drawing) -> NDArray[np.float64]:
    """(strokes, POINTS, 2): each stroke's points, evenly along its way."""
    return np.stack([evenly(stroke, POINTS) for stroke in drawing])


def _matched(mine: NDArray[np.float64], theirs: NDArray[np.float64]) -> NDArray[np.float64]:
    """The other's strokes in the order and direction that are nearest to mine; of more than 3 the order stays."""
    orders = permutations(range(len(mine))) if len(mine) <= 3 else [range(len(mine))]
    turned = [[_nearest(theirs[place], stroke) for place, stroke in zip(order, mine, strict=True)] for order in orders]
    return np.stack(min(turned, key=lambda strokes: float(np.abs(np.stack(strokes) - mine).mean())))


def _nearest(stroke: Stroke, to: Stroke) -> Stroke:
    """The stroke or the same backwards."""
    return min(stroke, stroke[::-1], key=lambda way: float(np.abs(way - to).mean()))
