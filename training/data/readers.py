"""What the sources hold, each read once: drawings and pictures with their labels, and the fold of each.

A fold is the part of the people, alphabets or kinds that one model never sees, so that it can judge them.
"""

from __future__ import annotations

import gzip
from functools import cache as once
from typing import TYPE_CHECKING

import numpy as np

from training.data import glyphs, sources, strokes

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from training.data.strokes import Drawing

FOLDS = 5
NEVER_HELD_OUT = -1
TEST = -2  # the fold of an official test set: never trained on


@once
def mnist() -> dict[str, NDArray[np.uint8]]:
    """MNIST's four arrays as Keras names them."""
    with np.load(sources.fetch("mnist")) as arrays:
        return dict(arrays)


@once
def pen() -> list[tuple[Drawing, int, int]]:
    """The pen digits: (drawing, digit, writer)."""
    return list(strokes.read_unipen(sources.unipen(sources.fetch("pendigits")).decode()))


@once
def letters() -> list[tuple[Drawing, str, int]]:
    """The Omniglot letters: (drawing, "Alphabet/character", drawer)."""
    return list(strokes.read_omniglot(sources.fetch("omniglot")))


@once
def alphabets() -> list[str]:
    """The alphabets in order: one a fold."""
    return sorted({character.split("/")[0] for _, character, _ in letters()})


@once
def fashion() -> dict[str, NDArray[np.uint8]]:
    """Fashion-MNIST's arrays, named as MNIST's."""

    def read(key: str, header: int) -> NDArray[np.uint8]:
        return np.frombuffer(gzip.decompress(sources.fetch(key).read_bytes()), np.uint8)[header:]

    return {
        f"{axis}_{part}": read(f"fashion-{part}-{axis}", 16).reshape(-1, 28, 28)
        if axis == "x"
        else read(f"fashion-{part}-{axis}", 8)
        for axis in "xy"
        for part in ("train", "test")
    }


def writer_fold(writer: int) -> int:
    """The fold that holds a pen writer out."""
    return writer % FOLDS


def letter_fold(name: str) -> int:
    """The fold that holds a letter, "Script/letter", out: its alphabet's or its kin's, if that is judged at all."""
    alphabet = glyphs.kin(name)
    return alphabets().index(alphabet) if alphabet in alphabets() else NEVER_HELD_OUT


@once
def pens_of_fold(fold: int) -> list[int]:
    """The pen digits of the writers whom a fold holds out."""
    return [item for item, (_, _, writer) in enumerate(pen()) if writer_fold(writer) == fold]
