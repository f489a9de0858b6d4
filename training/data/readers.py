"""What the sources hold, each read once: drawings and pictures with their labels, and the fold of each.

A fold is the part of the people, alphabets or kinds that one model never sees, so that it can judge them.
"""

from __future__ import annotations

import gzip
from functools import cache as once
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from training.data import glyphs, sources, strokes, styles, unipen

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from training.data.strokes import Drawing

FOLDS = 5
MOST = 200_000  # places drawn: more than any kind of picture takes
RARE = 10  # times the average: the most that a rare drawing is drawn
NEVER_HELD_OUT = -1
TEST = -2  # the fold of an official test set: never trained on
# Which fold holds a site's people out: whole sites, so that what judges is from another place.
SITE_FOLD = {
    **dict.fromkeys(("app", "mot"), 0),
    **dict.fromkeys(("syn", "lav"), 1),
    **dict.fromkeys(("ced", "sie"), 2),
    **dict.fromkeys(("gmd", "art", "pri", "lou", "kai"), 3),
    **dict.fromkeys(("val", "uqb"), 4),
}
# What is a digit to most eyes once size and place are gone: never taught as a non-digit, left out where it is judged.
LOOKALIKES = "lIOoSsZzqgbBGD|/()\\ij',.`"


@once
def mnist() -> dict[str, NDArray[np.uint8]]:
    """MNIST's four arrays as Keras names them."""
    with np.load(sources.fetch("mnist")) as arrays:
        return dict(arrays)


@once
def pen() -> list[tuple[Drawing, int, int]]:
    """The pen digits: (drawing, digit, writer)."""
    return list(strokes.read_unipen(sources.pendigits(sources.fetch("pendigits")).decode()))


@once
def letters() -> list[tuple[Drawing, str, int]]:
    """The Omniglot letters: (drawing, "Alphabet/character", drawer)."""
    return list(strokes.read_omniglot(sources.fetch("omniglot")))


@once
def alphabets() -> list[str]:
    """The alphabets in order: one a fold."""
    return sorted({character.split("/")[0] for _, character, _ in letters()})


class Written(NamedTuple):
    """A character by one of UNIPEN's people: `digit` is -1 for a letter or a symbol."""

    drawing: Drawing
    label: str
    digit: int
    fold: int
    writer: str


@once
def characters() -> list[Written]:
    """UNIPEN's digits, letters and symbols but those that are spoilt."""
    return [
        Written(drawing, label, int(label) if label.isdigit() else -1, SITE_FOLD[site], writer)
        for drawing, label, site, writer in unipen.read(sources.fetch("unipen"))
        if not unipen.spoilt(drawing)
    ]


@once
def people() -> list[Written]:
    """UNIPEN's digits, but one that is three dots and one that is a percent sign: an "8" of three strokes."""
    found = (written for written in characters() if written.digit >= 0 and not unipen.is_dots(written.drawing))
    return [written for written in found if written.digit != 8 or len(written.drawing) < 3]


@once
def no_digits() -> list[Written]:
    """UNIPEN's letters and symbols, but LOOKALIKES."""
    return [written for written in characters() if written.digit < 0 and written.label not in LOOKALIKES]


def in_turns(found: list[Written]) -> list[Written]:
    """Everybody's first (by chance), everybody's second, and so on: the first n are of as many people as can be."""
    turns: dict[str, int] = {}
    order = []
    for n in np.random.default_rng(23).permutation(len(found)):
        writer = found[n].writer
        turns[writer] = turns.get(writer, 0) + 1
        order.append((turns[writer], int(n)))
    return [found[n] for _, n in sorted(order)]


@once
def drawn_people() -> NDArray[np.int64]:
    """MOST places in `people`, drawn so that rare styles and people who wrote little come up more often."""
    found = people()
    return _drawn(
        [f"{written.digit} {styles.style(written.drawing, written.digit)}" for written in found],
        [f"{written.digit} {written.writer}" for written in found],
    )


@once
def hands(digit: int) -> list[tuple[Drawing, int]]:
    """Every drawing of a digit, of both kinds of people, with the fold that holds it out."""
    theirs = [(written.drawing, written.fold) for written in people() if written.digit == digit]
    return theirs + [(drawing, writer_fold(writer)) for drawing, label, writer in pen() if label == digit]


@once
def alike() -> dict[tuple[str, int, int], list[Drawing]]:
    """(Label, fold, number of strokes) -> every drawing of it by UNIPEN's people and the pen writers."""
    found: dict[tuple[str, int, int], list[Drawing]] = {}
    digits = [(str(digit), fold, drawing) for digit in range(10) for drawing, fold in hands(digit)]
    others = [(written.label, written.fold, written.drawing) for written in no_digits()]
    for label, fold, drawing in (*digits, *others):
        found.setdefault((label, fold, len(drawing)), []).append(drawing)
    return found


@once
def drawn_no_digits() -> NDArray[np.int64]:
    """MOST places in `no_digits`, drawn so that rare characters and people come up more often."""
    found = no_digits()
    return _drawn([written.label for written in found], [written.writer for written in found])


def _drawn(*groupings: list[str]) -> NDArray[np.int64]:
    """MOST places, each as likely as one over the root of the size of its group in each of the groupings.

    At most RARE times as likely as the average, or a 0 with a stray mark came 900 times where the average comes 16.
    """
    weight = np.ones(len(groupings[0]))
    for grouping in groupings:
        _, group, size = np.unique(grouping, return_inverse=True, return_counts=True)
        weight /= np.sqrt(size[group])
    weight = np.minimum(weight, RARE * weight.mean())
    return np.random.default_rng(17).choice(len(weight), MOST, p=weight / weight.sum())


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
