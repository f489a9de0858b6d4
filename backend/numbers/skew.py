"""Lines that run uphill or downhill, as on a turned note: how far, told by their digits, and the sheet turned back."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from PIL import Image

from backend.numbers import parts

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from backend.numbers.parts import Parts

ANGLES = np.radians(np.arange(-35, 36, 2.5))  # downhill is above 0
LEAST = np.radians(5)  # what is less is read as it is
LOWER = 0.85  # of what the lines take as they are: turned back they take so much at most, all their heights together
BESIDE = 0.15  # of a digit's height: what shares less of it with none of a line is in another line
MOST = 40  # tall parts: more are no few numbers


class Turn(NamedTuple):
    """A sheet turned back by an angle, downhill above 0, about its middle: (width, height) before and after."""

    angle: float
    before: tuple[int, int]
    after: tuple[int, int]

    def picture(self, ink: NDArray[np.uint8], faintest: int) -> NDArray[np.uint8]:
        """(h, w) -> the turned sheet, without what is fainter."""
        turned = np.array(Image.fromarray(ink).rotate(np.degrees(self.angle), Image.Resampling.BILINEAR, expand=True))
        turned[turned < faintest] = 0
        return turned

    def points(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """(n, 2) x and y -> where they are on the turned sheet."""
        moved: NDArray[np.float64] = (points - np.divide(self.before, 2)) @ self._matrix() + np.divide(self.after, 2)
        return moved

    def box(self, points: NDArray[np.float64]) -> tuple[float, float, float, float]:
        """(n, 2) x and y on the turned sheet -> left, top, right, bottom of where they were before."""
        before = (points - np.divide(self.after, 2)) @ self._matrix().T + np.divide(self.before, 2)
        (left, top), (right, bottom) = before.min(axis=0).tolist(), before.max(axis=0).tolist()
        return left, top, right, bottom

    def _matrix(self) -> NDArray[np.float64]:
        sine, cosine = np.sin(self.angle), np.cos(self.angle)
        return np.array([[cosine, -sine], [sine, cosine]])


def turn(found: Parts) -> Turn | None:
    """How to turn a sheet of these parts so that its lines are level; None where they nearly are, or it is not told.

    Level lines take the least height, all of them together. What shares no rows as it is stays in lines of its own.
    """
    boxes = found.boxes[parts.tall(found.boxes)]
    if not 1 < len(boxes) <= MOST or _are_level(boxes):
        return None
    high, (across, down) = boxes[:, 3] - boxes[:, 1], (boxes[:, :2] + boxes[:, 2:]).T / 2
    middles = np.outer(np.cos(ANGLES), down) - np.outer(np.sin(ANGLES), across)
    taken = [_taken(middle - high / 2, middle + high / 2) for middle in middles]
    best = int(np.argmin(taken))
    if abs(ANGLES[best]) < LEAST or taken[best] > LOWER * taken[len(ANGLES) // 2]:
        return None
    beside = parts.in_lines(boxes[:, 1], boxes[:, 3], BESIDE)
    lines = parts.in_lines(middles[best] - high / 2, middles[best] + high / 2)
    if len({*zip(lines.tolist(), beside.tolist(), strict=True)}) > len({*lines.tolist()}):
        return None
    height, width = found.labels.shape
    made = Image.new("1", (width, height)).rotate(np.degrees(ANGLES[best]), expand=True)
    return Turn(float(ANGLES[best]), (width, height), made.size)


def _are_level(boxes: NDArray[np.int64]) -> bool:
    """Whether the middles of each line's digits lie on a level line: of nearly all, and told fast."""
    root = parts.in_lines(boxes[:, 1], boxes[:, 3])
    middle = (boxes[:, :2] + boxes[:, 2:]) / 2
    for line in np.unique(root):
        x, y = (middle[root == line] - middle[root == line].mean(axis=0)).T
        if len(x) == 1 or abs(x @ y) > np.tan(LEAST) * (x @ x):
            return False
    return True


def _taken(top: NDArray[np.float64], bottom: NDArray[np.float64]) -> float:
    """The heights of all lines together."""
    root = parts.in_lines(top, bottom)
    return float(sum(np.ptp(np.concatenate([top[root == line], bottom[root == line]])) for line in np.unique(root)))
