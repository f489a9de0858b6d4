"""Named datasets, every picture through backend.preprocessing: `load("digits")` -> Dataset.

Pictures are made once from the sources, varied as hands, pens and cameras vary them, and cached.
"""

from __future__ import annotations

import gzip
import hashlib
import multiprocessing
import sys
from dataclasses import dataclass
from functools import cache as once
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import numpy as np
from PIL import Image

from backend import preprocessing
from backend.preprocessing import BlankPicture, normalise, normalise_image
from training import doodles, feedback, glyphs, pictures, sources, strokes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from training.strokes import Drawing

T, R = TypeVar("T"), TypeVar("R")
DIGITS = tuple("0123456789")
FASHION = ("T-shirt", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot")
NOT_A_DIGIT = -1  # the y of what belongs to no label
FOLDS = 5
NEVER_HELD_OUT = -1
TEST = -2  # the fold of an official test set: never trained on
QUICK = 0.03  # the share of pictures that --quick makes


@dataclass(frozen=True)
class Dataset:
    """Normalised pictures with their answers.

    x: (n, 28, 28) uint8, ink 255. y: (n,) int64, NOT_A_DIGIT where no label fits. fold: (n,) int8, the part in which
    the picture is held out (its writer's, its alphabet's), NEVER_HELD_OUT or TEST. kind, item: (n,) made from what.
    """

    x: NDArray[np.uint8]
    y: NDArray[np.int64]
    fold: NDArray[np.int8]
    kind: NDArray[np.str_]
    item: NDArray[np.int64]
    labels: tuple[str, ...] = DIGITS

    def where(self, mask: NDArray[np.bool_]) -> Dataset:
        """The rows that `mask` picks."""
        return Dataset(self.x[mask], self.y[mask], self.fold[mask], self.kind[mask], self.item[mask], self.labels)


class Task(NamedTuple):
    """One picture to make: of which kind, from which item of its source, with which seed."""

    kind: str
    item: int
    seed: int


class Made(NamedTuple):
    """A picture made: (28, 28) uint8, its label's index, the fold that holds it out."""

    x: NDArray[np.uint8]
    y: int
    fold: int


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
def _pens_of_fold(fold: int) -> list[int]:
    return [item for item, (_, _, writer) in enumerate(pen()) if writer_fold(writer) == fold]


def thickness(rng: np.random.Generator) -> float:
    """Pen width over the drawing's longer side: from a fine pen on a full sheet to 28 px on a digit of 60."""
    if rng.random() < 0.5:
        return float(np.exp(rng.uniform(np.log(0.02), np.log(0.48))))
    return float(rng.uniform(0.05, 0.42))


def _draw(drawing: Drawing, rng: np.random.Generator, thinner: float = 1.0) -> NDArray[np.uint8]:
    width = max(100 * thinner * thickness(rng), 1.2)
    return normalise_image(strokes.draw_small(strokes.fit(drawing, 100), width))


def _pen(item: int, rng: np.random.Generator) -> Made:
    drawing, digit, writer = pen()[item]
    varied = strokes.vary(drawing, rng, strength=rng.choice([0.5, 1.0, 1.5]))
    return Made(_draw(varied, rng), digit, writer_fold(writer))


def _pen_photo(item: int, rng: np.random.Generator) -> Made:
    drawing, digit, writer = pen()[item]
    placed = strokes.fit(strokes.vary(drawing, rng), rng.uniform(60, 200), tuple(rng.uniform(110, 170, 2)))
    sheet = strokes.draw(placed, rng.uniform(4, 16), detail=2)
    return Made(normalise(pictures.photograph(sheet, rng)), digit, writer_fold(writer))


def _pen_small(item: int, rng: np.random.Generator) -> Made:
    """Drawn on a sheet of 28 to 64 pixels, half of them through a JPEG of low quality."""
    drawing, digit, writer = pen()[item]
    side = int(rng.choice([28, 40, 64]))
    scale = side / strokes.CANVAS
    placed = strokes.fit(strokes.vary(drawing, rng), scale * rng.uniform(140, 230), (side / 2, side / 2))
    sheet = strokes.draw(placed, scale * rng.uniform(10, 28), canvas=side, detail=8)
    if rng.random() < 0.5:
        x = normalise(pictures.encode(sheet, "JPEG", quality=int(rng.integers(35, 95))))
    else:
        x = normalise_image(sheet)
    return Made(x, digit, writer_fold(writer))


def _mnist(item: int, _: np.random.Generator) -> Made:
    arrays = mnist()
    return Made(normalise_image(Image.fromarray(arrays["x_train"][item])), int(arrays["y_train"][item]), NEVER_HELD_OUT)


def _mnist_test(item: int, _: np.random.Generator) -> Made:
    arrays = mnist()
    return Made(normalise_image(Image.fromarray(arrays["x_test"][item])), int(arrays["y_test"][item]), TEST)


def _mnist_bent(item: int, rng: np.random.Generator) -> Made:
    arrays = mnist()
    bent = pictures.bend(Image.fromarray(arrays["x_train"][item]), rng)
    return Made(normalise_image(bent), int(arrays["y_train"][item]), NEVER_HELD_OUT)


def _fashion(part: str, fold: int) -> Callable[[int, np.random.Generator], Made]:
    def make(item: int, _: np.random.Generator) -> Made:
        return Made(
            normalise_image(Image.fromarray(fashion()[f"x_{part}"][item])), int(fashion()[f"y_{part}"][item]), fold
        )

    return make


def _no_digit(drawing: Drawing, turns: Sequence[int], other: Drawing, rng: np.random.Generator) -> Drawing:
    """The drawing in one of `turns`; where none is left, beside another, for "oo" is no digit though "o" is."""
    return doodles.turn(drawing, int(rng.choice(turns))) if turns else doodles.several([drawing, other], rng)


def _letter(item: int, rng: np.random.Generator, turns: Sequence[int] = (0,)) -> Made:
    drawing, character, _ = letters()[item]
    allowed = [turn for turn in doodles.turns(character) if turn in turns]
    return _character(character, _no_digit(drawing, allowed, letters()[item - 1][0], rng), rng)


def _letter_turned(item: int, rng: np.random.Generator) -> Made:
    return _letter(item, rng, range(1, 8))


def _glyph(item: int, rng: np.random.Generator) -> Made:
    """A letter of another script, two in five as it stands."""
    drawing, name = glyphs.glyphs()[item]
    allowed = doodles.turns(name)
    upright = 0 in allowed and rng.random() < 0.4
    turns = (0,) if upright else allowed
    return _character(name, _no_digit(drawing, turns, glyphs.glyphs()[item - 1][0], rng), rng)


def _character(name: str, drawn: Drawing, rng: np.random.Generator) -> Made:
    return Made(_draw(strokes.vary(drawn, rng), rng, 0.65), NOT_A_DIGIT, letter_fold(name))


def _doodle(item: int, rng: np.random.Generator) -> Made:
    which = item % len(doodles.DOODLES)
    drawing = list(doodles.DOODLES.values())[which]
    return Made(_draw(strokes.vary(drawing, rng, strength=1.3), rng, 0.6), NOT_A_DIGIT, which % FOLDS)


def _scribble(item: int, rng: np.random.Generator) -> Made:
    return Made(_draw(doodles.scribble(rng), rng, 0.6), NOT_A_DIGIT, item % FOLDS)


def _invented(item: int, rng: np.random.Generator) -> Made:
    drawing = strokes.vary(doodles.invented(rng), rng, strength=0.7)
    return Made(_draw(drawing, rng, 0.65), NOT_A_DIGIT, item % FOLDS)


def _several(item: int, rng: np.random.Generator) -> Made:
    fold = item % FOLDS
    items = rng.choice(_pens_of_fold(fold), int(rng.choice([2, 2, 2, 3, 4])))
    drawing = doodles.several([pen()[i][0] for i in items], rng)
    return Made(_draw(strokes.vary(drawing, rng, strength=0.6), rng, 0.5), NOT_A_DIGIT, fold)


def _turned(item: int, rng: np.random.Generator) -> Made:
    drawing, digit, writer = pen()[item]
    drawn = _no_digit(drawing, doodles.turns(str(digit)), pen()[item - 1][0], rng)
    return Made(_draw(strokes.vary(drawn, rng), rng, 0.6), NOT_A_DIGIT, writer_fold(writer))


def _dot(item: int, rng: np.random.Generator) -> Made:
    dot = doodles.arc(0, 0, 1, flat=rng.uniform(0.3, 1))
    sheet = strokes.draw(strokes.fit([dot], rng.uniform(0.1, 10)), rng.uniform(8, 34), detail=2)
    return Made(normalise_image(sheet), NOT_A_DIGIT, item % FOLDS)


MAKERS: dict[str, Callable[[int, np.random.Generator], Made]] = {
    "pen": _pen,
    "pen-photo": _pen_photo,
    "pen-small": _pen_small,
    "mnist": _mnist,
    "mnist-bent": _mnist_bent,
    "mnist-test": _mnist_test,
    "fashion": _fashion("train", NEVER_HELD_OUT),
    "fashion-test": _fashion("test", TEST),
    "letter": _letter,
    "letter-turned": _letter_turned,
    "glyph": _glyph,
    "doodle": _doodle,
    "scribble": _scribble,
    "invented": _invented,
    "several": _several,
    "turned": _turned,
    "dot": _dot,
}
PENS, LETTERS, GLYPHS = 7494, 2720, 4102  # how many the sources hold
# dataset -> its labels and (kind, items, copies of each with another seed)
PLANS: dict[str, tuple[tuple[str, ...], list[tuple[str, int, int]]]] = {
    "mnist": (DIGITS, [("mnist", 60_000, 1), ("mnist-bent", 60_000, 2), ("mnist-test", 10_000, 1)]),
    "pendigits": (DIGITS, [("pen", PENS, 24), ("pen-photo", PENS, 2), ("pen-small", PENS, 2)]),
    "not_digits": (
        DIGITS,
        [
            ("letter", LETTERS, 10),
            ("letter-turned", LETTERS, 16),
            ("glyph", GLYPHS, 16),
            ("doodle", 1_100, 10),
            ("scribble", 8_000, 1),
            ("invented", 40_000, 1),
            ("several", 14_000, 1),
            ("turned", PENS, 2),
            ("dot", 500, 1),
        ],
    ),
    "fashion_mnist": (FASHION, [("fashion", 60_000, 1), ("fashion-test", 10_000, 1)]),
}
PLANS["digits"] = (DIGITS, [part for name in ("mnist", "pendigits", "not_digits") for part in PLANS[name][1]])

FEEDBACK = "feedback"  # what people gave: never cached, for it grows and people may take theirs back
NAMES = (*PLANS, FEEDBACK)


def load(name: str, *, quick: bool = False) -> Dataset:
    """A dataset of NAMES, from the cache or made now (minutes, on all cores). Raises KeyError or sources.DataError."""
    if name == FEEDBACK:
        return given()
    labels, plan = PLANS[name]
    path, whole = _cached(name, quick=quick), _cached("digits", quick=quick)
    kinds = {kind for kind, _, _ in plan}
    if not path.exists() and whole.exists() and kinds < {kind for kind, _, _ in PLANS["digits"][1]}:
        digits = load("digits", quick=quick)  # it holds these very pictures
        return digits.where(np.isin(digits.kind, list(kinds)))
    if not path.exists():
        tasks = [
            Task(kind, item, seed)
            for kind, items, copies in plan
            for seed in range(copies)
            for item in range(max(100, int(items * QUICK)) if quick else items)
        ]
        _save(path, tasks, make(tasks))
    with np.load(path) as arrays:
        return Dataset(*(arrays[field] for field in ("x", "y", "fold", "kind", "item")), labels=labels)


def _cached(name: str, *, quick: bool) -> Path:
    return sources.cache() / f"{name}-{'quick-' if quick else ''}{_recipe(PLANS[name][1])}.npz"


def given() -> Dataset:
    """The drawings that people gave, by what they said they are; a label that is no digit is NOT_A_DIGIT."""
    drawings = feedback.read()
    y = [DIGITS.index(drawing.label) if drawing.label in DIGITS else NOT_A_DIGIT for drawing in drawings]
    n = len(drawings)
    return Dataset(
        x=np.stack([normalise(drawing.picture) for drawing in drawings]),
        y=np.array(y),
        fold=np.full(n, NEVER_HELD_OUT, np.int8),
        kind=np.full(n, FEEDBACK),
        item=np.arange(n),
    )


def _recipe(plan: list[tuple[str, int, int]]) -> str:
    """A digest of everything that the pictures depend on, so that the cache is never stale."""
    modules = (preprocessing, doodles, glyphs, pictures, strokes, sys.modules[__name__])
    beside = Path(str(preprocessing.__file__)).with_name("canvas.py")
    files = [*(str(module.__file__) for module in modules), beside, doodles.LOOKALIKES, glyphs.FILE]
    code = b"".join(Path(file).read_bytes() for file in files)
    return hashlib.sha256(code + repr(plan).encode()).hexdigest()[:12]


def make(tasks: list[Task]) -> list[Made | None]:
    """The pictures of `tasks`, in order; None where the varied drawing came out blank."""
    for kind in dict.fromkeys(task.kind for task in tasks):  # the sources are read once, before the workers fork
        _make(Task(kind, 0, 0))
    return list(on_all_cores(_make, tasks, chunk=500))


def on_all_cores(function: Callable[[T], R], tasks: Sequence[T], chunk: int) -> Iterator[R]:
    """`function` of each picture's task, in order, by forked workers that get `chunk` at a time; progress on stderr."""
    with multiprocessing.get_context("fork").Pool() as pool:
        for done, result in enumerate(pool.imap(function, tasks, chunk), 1):
            yield result
            if done % (10 * chunk) == 0 or done == len(tasks):
                print(f"\rpictures: {done:,} of {len(tasks):,} ", end="", file=sys.stderr, flush=True)


def _make(task: Task) -> Made | None:
    try:
        return MAKERS[task.kind](task.item, np.random.default_rng([task.seed, task.item, *task.kind.encode()]))
    except BlankPicture:
        return None


def _save(path: Path, tasks: list[Task], made: list[Made | None]) -> None:
    pairs = [(task, picture) for task, picture in zip(tasks, made, strict=True) if picture is not None]
    path.parent.mkdir(parents=True, exist_ok=True)
    half = path.with_suffix(".part.npz")
    np.savez(
        half,
        x=np.stack([picture.x for _, picture in pairs]),
        y=np.array([picture.y for _, picture in pairs]),
        fold=np.array([picture.fold for _, picture in pairs], np.int8),
        kind=np.array([task.kind for task, _ in pairs]),
        item=np.array([task.item for task, _ in pairs]),
    )
    half.replace(path)
