"""Why this answer: cover the picture patch by patch, all in one batch, and see where the answer suffers (occlusion)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from backend.contract import SIDE

if TYPE_CHECKING:
    from numpy.typing import NDArray

CELL = 4  # pixels: 7 x 7 cells
PATCH = 6  # pixels: a cell and one pixel around it, wide enough to cut a stroke


def cover(x: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(28, 28) -> (1 + k, 28, 28): the picture, then the picture with each of its k inked patches blanked."""
    pictures = np.repeat(x[None], 1 + len(_inked(x)), axis=0)
    for picture, (row, column) in zip(pictures[1:], _inked(x), strict=True):
        picture[_patch(row), _patch(column)] = 0
    return pictures


def heat(x: NDArray[np.uint8], probabilities: NDArray[np.floating[Any]]) -> NDArray[np.uint8]:
    """`cover`'s input and (1 + k, labels) -> (28, 28): how far the top label falls without each place, 255 the most."""
    top = int(probabilities[0].argmax())
    drops = np.maximum(probabilities[0, top] - probabilities[1:, top], 0)
    cells = np.zeros((SIDE // CELL, SIDE // CELL), np.float32)
    for cell, drop in zip(_inked(x), drops, strict=True):
        cells[cell] = drop
    values = np.asarray(Image.fromarray(cells).resize((SIDE, SIDE), Image.Resampling.BILINEAR))
    return (values * (255 / max(float(values.max()), 1e-9))).astype(np.uint8)


def _inked(x: NDArray[np.uint8]) -> list[tuple[int, int]]:
    """The cells (row, column) whose patch holds any ink: covering the others would change nothing."""
    cells = range(SIDE // CELL)
    return [(row, column) for row in cells for column in cells if x[_patch(row), _patch(column)].any()]


def _patch(cell: int) -> slice:
    middle = CELL * cell + CELL // 2
    return slice(max(0, middle - PATCH // 2), middle + PATCH // 2)
