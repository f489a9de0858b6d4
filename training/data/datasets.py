"""Named datasets, every picture through backend.preprocessing: `load("digits")` -> Dataset.

Pictures are made once from the sources, varied as hands, pens and cameras vary them, and cached.
"""

from __future__ import annotations

import hashlib
import sys
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import cache as once
from functools import partial
from itertools import islice
from multiprocessing import get_context
from signal import SIG_IGN, SIGINT, signal
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import numpy as np

from backend.preprocessing import BlankPicture
from training.data import feedback, sources
from training.data.makers import MAKERS, NOT_A_DIGIT, Made
from training.data.readers import NEVER_HELD_OUT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

T, R = TypeVar("T"), TypeVar("R")
# Started anew, not forked: a fork of a process in which TensorFlow runs ends or hangs at random, and Windows has none.
# Ctrl-C reaches them, too; the caller is who ends them.
WORKERS = partial(ProcessPoolExecutor, mp_context=get_context("spawn"), initializer=signal, initargs=(SIGINT, SIG_IGN))
DIGITS = tuple("0123456789")
FASHION = ("T-shirt", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot")
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


PENS, LETTERS, GLYPHS = 7494, 2720, 4102  # how many the sources hold
REPLAY = 20_000  # of the pictures, one in 37: what an improvement is shown so that it forgets nothing
FIELDS = ("x", "y", "fold", "kind", "item")  # of a Dataset, as they are cached
SAMPLE = 30  # pictures of each kind: what the key of the cache is a digest of
# dataset -> its labels and (kind, items, copies of each with another seed)
PLANS: dict[str, tuple[tuple[str, ...], list[tuple[str, int, int]]]] = {
    "mnist": (DIGITS, [("mnist", 60_000, 1), ("mnist-bent", 60_000, 2), ("mnist-test", 10_000, 1)]),
    "pendigits": (DIGITS, [("pen", PENS, 8), ("pen-photo", PENS, 1), ("pen-small", PENS, 2)]),
    "people": (
        DIGITS,
        [
            ("unipen", 85_000, 1),
            ("photo", 8_000, 1),
            ("pixels", 80_000, 1),
            ("bitmap", 25_000, 1),
            ("scan", 30_000, 1),
            ("blurred", 12_000, 1),
            ("restyled", 32_000, 1),
            ("font", 24_000, 1),
        ],
    ),
    "not_digits": (
        DIGITS,
        [
            ("letter", LETTERS, 8),
            ("letter-turned", LETTERS, 6),
            ("glyph", GLYPHS, 8),
            ("doodle", 1_100, 8),
            ("scribble", 16_000, 1),
            ("invented", 30_000, 1),
            ("several", 14_000, 1),
            ("piece", 6_000, 1),
            ("turned", PENS, 1),
            ("dot", 500, 5),
            ("unipen-letter", 76_000, 1),
            ("letter-photo", 9_000, 1),
            ("letter-pixels", 28_000, 1),
            ("letter-bitmap", 8_000, 1),
            ("letter-scan", 10_000, 1),
            ("letter-blurred", 15_000, 1),
            ("crowd", 8_000, 1),
            ("marks", 4_000, 1),
            ("font-letter", 24_000, 1),
        ],
    ),
    "fashion_mnist": (FASHION, [("fashion", 60_000, 1), ("fashion-test", 10_000, 1)]),
}
PLANS["digits"] = (DIGITS, [part for name in ("mnist", "pendigits", "people", "not_digits") for part in PLANS[name][1]])

FEEDBACK = "feedback"  # what people gave: never cached, for it grows and people may take theirs back
NAMES = (*PLANS, FEEDBACK)


# dataset -> what it is made of, see sources.CREDITS
MADE_OF = {
    "mnist": ("mnist",),
    "pendigits": ("pendigits",),
    "people": ("unipen", "pendigits", "handwriting"),
    "not_digits": ("omniglot", "noto", "pendigits", "unipen", "handwriting"),
    "digits": ("mnist", "pendigits", "unipen", "omniglot", "noto", "handwriting"),
    "fashion_mnist": ("fashion",),
    FEEDBACK: ("feedback",),
}


def sources_of(name: str) -> list[str]:
    """Who made what a dataset is made of, and under which licence."""
    return [sources.CREDITS[key] for key in MADE_OF[name]]


def load(name: str, *, quick: bool = False) -> Dataset:
    """A dataset of NAMES, from the cache or made now (minutes, on all cores). Raises KeyError or sources.DataError."""
    if name == FEEDBACK:
        return given()
    labels, plan = PLANS[name]
    parts = [(kind, max(100, int(items * QUICK)) if quick else items, copies) for kind, items, copies in plan]
    # Each kind has a file of its own, so that a change of one does not cost all.
    paths = [sources.cache() / f"{part[0]}-{_recipe([part])}.npz" for part in parts]
    _save({path: _tasks(*part) for path, part in zip(paths, parts, strict=True) if not path.exists()})
    return Dataset(*(np.concatenate(columns) for columns in zip(*map(_read, paths), strict=True)), labels=labels)


def _tasks(kind: str, items: int, copies: int) -> list[Task]:
    return [Task(kind, item, seed) for seed in range(copies) for item in range(items)]


def replay(n: int = REPLAY) -> Dataset:
    """About n pictures of "digits", of each kind as large a share as there, at least a thousandth; cached.

    Made without the other pictures (a minute), so that nobody needs all of them to improve a model. Raises DataError.
    """
    labels, plan = PLANS["digits"]
    path = sources.cache() / f"replay-{n}-{_recipe(plan)}.npz"
    if not path.exists():
        total, rng = sum(items * copies for _, items, copies in plan), np.random.default_rng(1)
        tasks = [
            Task(kind, int(place) % items, int(place) // items)
            for kind, items, copies in plan
            for place in rng.permutation(items * copies)[: max(n // 1000, round(n * items * copies / total))]
        ]
        _save({path: tasks})
    return Dataset(*_read(path), labels=labels)


def _read(path: Path) -> list[NDArray[np.generic]]:
    with np.load(path) as arrays:
        return [arrays[field] for field in FIELDS]


def given() -> Dataset:
    """The drawings that people gave, by what they said they are; a label that is no digit is NOT_A_DIGIT."""
    drawings = feedback.read()
    n = len(drawings)
    return Dataset(
        x=np.stack([drawing.x for drawing in drawings]),
        y=label_index([drawing.label for drawing in drawings], DIGITS),
        fold=np.full(n, NEVER_HELD_OUT, np.int8),
        kind=np.full(n, FEEDBACK),
        item=np.arange(n),
    )


def label_index(said: Sequence[str], labels: Sequence[str]) -> NDArray[np.int64]:
    """(n,): where each label stands in `labels`, NOT_A_DIGIT for any other word."""
    places = {label: place for place, label in enumerate(labels)}
    return np.array([places.get(label, NOT_A_DIGIT) for label in said], np.int64)


def _recipe(plan: list[tuple[str, int, int]]) -> str:
    """A digest of the plan and of some pictures of each kind: the cache is stale if, and only if, pictures change."""
    pictures = b"".join(_sample(kind, items) for kind, items, _ in plan)
    return hashlib.sha256(repr(plan).encode() + pictures).hexdigest()[:12]


@once
def _sample(kind: str, items: int) -> bytes:
    """SAMPLE pictures of a kind, evenly over its items."""
    made = [_make(Task(kind, n * items // SAMPLE, n)) for n in range(SAMPLE)]
    return b"".join(picture.x.tobytes() + bytes((picture.y & 255, picture.fold & 255)) for picture in made if picture)


def make(tasks: list[Task]) -> Iterator[Made | None]:
    """The pictures of `tasks`, in order; None where the varied drawing came out blank."""
    return on_all_cores(_make, tasks, 500)


def on_all_cores(function: Callable[[T], R], tasks: Sequence[T], chunk: int) -> Iterator[R]:
    """`function` of each picture's task, in order, by processes that get `chunk` at a time; progress on stderr.

    Raises what `function` raises, and DataError where a process was killed.
    """
    start, end = ("\r", " ") if sys.stderr.isatty() else ("", "\n")  # a log gets lines
    pool = WORKERS()
    try:
        for done, result in enumerate(pool.map(function, tasks, chunksize=chunk), 1):
            if done % (10 * chunk) == 0 or done == len(tasks):
                print(f"{start}pictures: {done:,} of {len(tasks):,}", end=end, file=sys.stderr, flush=True)
            yield result
    except BrokenProcessPool as error:
        raise sources.DataError("a process that makes pictures was killed; free memory, and run this again") from error
    finally:
        pool.shutdown(cancel_futures=True)


def _make(task: Task) -> Made | None:
    try:
        return MAKERS[task.kind](task.item, np.random.default_rng([task.seed, task.item, *task.kind.encode()]))
    except BlankPicture:
        return None


def _save(wanted: dict[Path, list[Task]]) -> None:
    """Make all that is wanted and write each file as soon as its pictures are there."""
    made = make([task for tasks in wanted.values() for task in tasks]) if wanted else iter(())
    for path, tasks in wanted.items():
        pairs = [(task, picture) for task, picture in zip(tasks, islice(made, len(tasks)), strict=True) if picture]
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
