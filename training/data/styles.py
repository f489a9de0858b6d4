"""The style in which a digit is written, from its strokes: what is rare is drawn more often, and judged on its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from training.data.strokes import Drawing


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
    along = np.concatenate([[0], np.cumsum(np.hypot(*np.diff(stroke, axis=0).T))])
    steps = np.linspace(0, along[-1], max(2, int(along[-1] / 0.02)))
    return np.stack([np.interp(steps, along, column) for column in stroke.T], axis=1)


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
