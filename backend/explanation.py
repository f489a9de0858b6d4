"""Why this answer: cover the picture patch by patch, all in one batch, and see where the answer suffers (occlusion)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from PIL import Image

from backend.contract import SIDE

if TYPE_CHECKING:
    from numpy.typing import NDArray

CELL = 5  # pixels, about: a digit has 12 such cells at most, 8.5 on average; at 4 pixels explaining took twice as long
MIN_INK = 0.02  # of all ink: cells with less are left out, covering them changes nothing
DARK = 64  # of 255: where the ink's box begins


class Grid(NamedTuple):
    """Cells over the ink's box: edges in pixels, and the cells (row, column) that hold ink."""

    rows: list[int]
    columns: list[int]
    inked: list[tuple[int, int]]


def cover(x: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(28, 28) -> (1 + k, 28, 28): the picture, then the picture with each of its k inked cells blanked."""
    grid = _grid(x)
    pictures = np.repeat(x[None], 1 + len(grid.inked), axis=0)
    for picture, (row, column) in zip(pictures[1:], grid.inked, strict=True):
        # One pixel more on each side cuts a stroke that runs along the cell's edge.
        picture[_patch(grid.rows, row, 1), _patch(grid.columns, column, 1)] = 0
    return pictures


def heat(x: NDArray[np.uint8], probabilities: NDArray[np.floating[Any]]) -> NDArray[np.uint8]:
    """`cover`'s input and (1 + k, labels) -> (28, 28): how far the top label falls without each place, 255 the most."""
    grid = _grid(x)
    top = int(probabilities[0].argmax())
    drops = np.zeros((len(grid.rows) - 1, len(grid.columns) - 1), np.float32)
    for cell, p in zip(grid.inked, probabilities[1:, top], strict=True):
        drops[cell] = max(0.0, float(probabilities[0, top] - p))
    size = (grid.columns[-1] - grid.columns[0], grid.rows[-1] - grid.rows[0])
    smooth = np.asarray(Image.fromarray(drops).resize(size, Image.Resampling.BILINEAR))
    whole = np.zeros((SIDE, SIDE), np.uint8)
    box = slice(grid.rows[0], grid.rows[-1]), slice(grid.columns[0], grid.columns[-1])
    whole[box] = np.rint(smooth * (255 / max(float(smooth.max()), 1e-9)))
    return whole


def _grid(x: NDArray[np.uint8]) -> Grid:
    rows, columns = _edges(x.max(axis=1)), _edges(x.max(axis=0))
    least = MIN_INK * float(x.sum())
    cells = [(row, column) for row in range(len(rows) - 1) for column in range(len(columns) - 1)]
    inked = [cell for cell in cells if x[_patch(rows, cell[0]), _patch(columns, cell[1])].sum() > least]
    return Grid(rows, columns, inked)


def _edges(darkest: NDArray[np.uint8]) -> list[int]:
    """The most ink on each of 28 lines -> the edges of about 5-pixel cells from the first to the last of them."""
    places = np.flatnonzero(darkest > DARK)
    first, last = int(places[0]), int(places[-1]) + 1
    return [round(edge) for edge in np.linspace(first, last, 1 + max(1, round((last - first) / CELL)))]


def _patch(edges: list[int], cell: int, margin: int = 0) -> slice:
    return slice(max(0, edges[cell] - margin), edges[cell + 1] + margin)
