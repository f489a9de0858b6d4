"""Pictures of an evaluation: confusion matrix, reliability, reject curve, and the drawings that were misread."""

from __future__ import annotations

from typing import TYPE_CHECKING

import matplotlib as mpl
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from training.cases import Outcome

mpl.use("Agg")  # files, no window
from matplotlib import pyplot as plt

INK, ACCENT = "#1b2a41", "#e4572e"
DPI = 110  # of every picture; and so the pixels of a column of thumbnails


def draw_all(outcomes: list[Outcome], as_seen: Callable[[Outcome], NDArray[np.uint8]], folder: Path) -> None:
    """Write the six PNG files into `folder`; `as_seen` gives the (28, 28) picture behind an outcome."""
    people = [outcome for outcome in outcomes if outcome.case.startswith("pen ")]
    plt.rcParams.update({"font.size": 10, "axes.spines.top": False, "axes.spines.right": False})
    confusion(people, folder / "confusion.png")
    reliability(people, folder / "reliability.png")
    rejection(outcomes, folder / "rejection.png")
    others = [outcome for outcome in outcomes if outcome.case.startswith("others")]
    taken = [outcome for outcome in outcomes if outcome.case in ("people's letters", "people's symbols")]
    gallery(people, as_seen, folder / "misread.png", "misread drawings of unseen writers")
    gallery(others, as_seen, folder / "misread-others.png", "misread drawings of people of other places")
    gallery(taken, as_seen, folder / "taken.png", "letters and symbols taken for a digit")


def confusion(people: list[Outcome], path: Path) -> None:
    """Rows: what was drawn; columns: what was read; the diagonal is left out so that the errors show."""
    counts = np.zeros((10, 11), int)
    for outcome in people:
        counts[outcome.truth, outcome.read] += 1  # rejected is -1, so the last column
    errors = counts.copy()
    np.fill_diagonal(errors[:, :10], 0)
    figure, axes = plt.subplots(figsize=(6, 5.4), layout="constrained")
    axes.imshow(errors, cmap="OrRd")
    for (row, column), n in np.ndenumerate(counts):
        if n:
            axes.text(column, row, f"{n:,}", ha="center", va="center", fontsize=7, color=INK)
    axes.set(
        xticks=range(11), xticklabels=[*"0123456789", "none"], yticks=range(10), xlabel="read", ylabel="drawn",
        title=f"{len(people):,} drawings of unseen writers",
    )  # fmt: skip
    figure.savefig(path, dpi=DPI)
    plt.close(figure)


def reliability(people: list[Outcome], path: Path) -> None:
    """How often the likeliest digit is right, against how sure the model says it is."""
    confidence = np.array([outcome.confidence for outcome in people])
    hit = np.array([outcome.likeliest == outcome.truth for outcome in people], float)
    place = np.minimum((confidence * 10).astype(int), 9)
    bins = np.unique(place)
    figure, axes = plt.subplots(figsize=(5, 5), layout="constrained")
    axes.plot([0, 1], [0, 1], color="#bbbbbb", linestyle="--")
    means = [confidence[place == b].mean() for b in bins], [hit[place == b].mean() for b in bins]
    axes.plot(*means, "o-", color=ACCENT)
    for x, y, b in zip(*means, bins, strict=True):
        axes.annotate(f"{np.sum(place == b):,}", (x, y), textcoords="offset points", xytext=(6, -12), fontsize=7)
    axes.set(xlabel="confidence", ylabel="share read rightly", title="Is the confidence to be trusted?")
    figure.savefig(path, dpi=DPI)
    plt.close(figure)


def rejection(outcomes: list[Outcome], path: Path) -> None:
    """Both errors of the rejection, one curve for each kind of thing that is no digit."""
    real = np.sort([outcome.score for outcome in outcomes if outcome.case.startswith("pen ")])
    shares = np.geomspace(0.0003, 0.1, 60)
    figure, axes = plt.subplots(figsize=(6, 4.5), layout="constrained")
    for case in ("letters", "scribbles", "doodles", "several digits", "people's letters", "people's symbols"):
        strange = np.array([outcome.score for outcome in outcomes if outcome.case == case])
        rejected = [100 * np.mean(strange < np.quantile(real, share)) for share in shares]
        axes.plot(100 * shares, rejected, label=case)
    axes.axvline(1, color="#bbbbbb", linestyle="--")
    axes.axhline(90, color="#bbbbbb", linestyle="--")
    axes.set(xscale="log", xlabel="real digits rejected, %", ylabel="rejected, %", title="What is told from a digit")
    axes.legend(frameon=False)
    figure.savefig(path, dpi=DPI)
    plt.close(figure)


def gallery(drawings: list[Outcome], as_seen: Callable[[Outcome], NDArray[np.uint8]], path: Path, of: str) -> None:
    """The 60 misread most surely as the model saw them: drawn -> read, with its confidence."""
    wrong = [outcome for outcome in drawings if outcome.read != outcome.truth]
    wrong = sorted(wrong, key=lambda outcome: -outcome.confidence)[:60]
    pictures = []
    for outcome in wrong:
        truth, read = ("none" if digit < 0 else digit for digit in (outcome.truth, outcome.read))
        pictures.append((as_seen(outcome), f"{truth} → {read}  {outcome.confidence:.0%}"))
    sheet(pictures, path, f"{len(wrong)} of the {of}: drawn → read, confidence")


def bins(features: Sequence[tuple[str, list[str], NDArray[np.float64], NDArray[np.float64]]], path: Path) -> None:
    """Each feature's shares in its bins: of the training data, and now."""
    figure, grid = plt.subplots(len(features), 1, figsize=(9, 2.1 * len(features)), layout="constrained", squeeze=False)
    for axes, (name, names, then, now) in zip(grid.flat, features, strict=True):
        place = np.arange(len(names))
        axes.bar(place - 0.2, 100 * then, 0.4, color=INK, label="training data")
        axes.bar(place + 0.2, 100 * now, 0.4, color=ACCENT, label="now")
        axes.set(xticks=place, ylabel="%", title=name)
        axes.set_xticklabels(names, fontsize=7)
    grid.flat[0].legend(frameon=False)
    figure.savefig(path, dpi=DPI)
    plt.close(figure)


def sheet(pictures: Sequence[tuple[NDArray[np.uint8], str]], path: Path, heading: str) -> None:
    """Thumbnails of (28, 28) ink in rows of ten, each below its line. Axes for each would take 0.1 s a picture."""
    inches = 0.4 + 1.2 * max(1, -(-len(pictures) // 10))
    figure = plt.figure(figsize=(10, inches), dpi=DPI)
    figure.text(0.5, 1 - 0.25 / inches, heading, ha="center", fontsize=12)
    for number, (picture, line) in enumerate(pictures):
        row, column = divmod(number, 10)
        top = inches - 0.4 - 1.2 * row
        figure.text((column + 0.5) / 10, (top - 0.2) / inches, line, ha="center", fontsize=7)
        thumbnail = picture.repeat(3, axis=0).repeat(3, axis=1)
        figure.figimage(thumbnail, DPI * (column + 0.12), DPI * (top - 1.05), cmap="gray_r", vmin=0, vmax=255)
    figure.savefig(path)
    plt.close(figure)
