"""Named datasets, all through backend.preprocessing: `load("digits")` -> Dataset.

The sources come from their public homes, checked by SHA-256 and cached, or from the folder DATA_DIR.
"""

from __future__ import annotations

import gzip
import hashlib
import multiprocessing
import os
import sys
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from PIL import Image

from backend.preprocessing import BlankPicture, normalise, normalise_image
from training import doodles, strokes
from training.pictures import photograph

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from numpy.typing import NDArray

DIGITS = tuple("0123456789")
FASHION = ("T-shirt", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot")
FOLDS = 5
NOT_A_DIGIT = -1  # the y of what belongs to no label
EVERY_FOLD = -1  # the fold of what is never held out
WIDTHS = (4, 34)  # pixels on the 280-pixel canvas


class DataError(RuntimeError):
    """A dataset cannot be had; the message says which file and what to do."""


class Source(NamedTuple):
    """One file at its public home."""

    url: str
    sha256: str



@dataclass(frozen=True)
class Dataset:
    """Normalised pictures with their answers.

    x: (n, 28, 28) uint8, ink 255. y: (n,) int64, NOT_A_DIGIT where no label fits. fold: (n,) int8, the part in which a
    picture is held out (its writer's or its alphabet's), EVERY_FOLD if never. kind: (n,) str, where it came from.
    """

    x: NDArray[np.uint8]
    y: NDArray[np.int64]
    fold: NDArray[np.int8]
    kind: NDArray[np.str_]
    labels: tuple[str, ...] = DIGITS

    def where(self, mask: NDArray[np.bool_]) -> Dataset:
        """The rows that `mask` picks."""
        return Dataset(self.x[mask], self.y[mask], self.fold[mask], self.kind[mask], self.labels)


class Task(NamedTuple):
    """One picture to make: how, from what, with which seed."""

    kind: str
    item: int
    seed: int


def writer_fold(writer: int) -> int:
    """The fold in which a pen writer is held out."""
    return writer % FOLDS
