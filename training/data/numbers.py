"""Whole numbers, composed from one person's digits: gaps, slant, drift and sizes as hands have them.

Lengths are in units of the person's usual digit height until `sheet` draws them.
"""

from __future__ import annotations

from functools import cache as once
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from PIL import Image, ImageFilter, ImageOps

from backend.numbers import reading
from training.data import doodles, pictures, strokes
from training.data.readers import SITE_FOLD, characters, letters, pen, writer_fold

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from training.data.strokes import Drawing

PIECE_HEIGHT = 64  # pixels of a digit that is cut to pieces
WHOLE, STRANGE = 0.92, 0.12  # a piece is a digit if it holds so much of its ink, and of others' not more (of its ink)
TOUCHED = 0.01  # it has lost so much to a cut, or holds so much of others': the rest is taught as it is
JOINED, HALF = 0.6, (0.3, 0.5)  # it is none if it holds so much of a second digit, or this much of only one
GAPS = {"apart": (0.15, 0.40), "close": (0.02, 0.12), "touching": (-0.12, 0.02)}  # of the height, between the ink
PENS = (0.04, 0.14)  # of the height: a pen's width
SURFACES = ("canvas", "photo", "scan")
TURNED, SHADOW = "sheet turned by up to 25 degrees", "photo, partly in a shadow"
PLACES = (TURNED, SHADOW, *pictures.AROUND)
MARKED = "digits with other characters among them"
JUDGED = 4  # the fold whose writers measure what is learnt from the others'
Hand = dict[str, list["Drawing"]]  # a person's drawings of each digit
FEWEST = 10  # digits of a person whose hand writes lines: their usual height
TALLEST = 2.2  # of a digit's height: no mark is drawn higher
# How far below the line of the digits a character ends, in their height; all others stand on it. Set by hand, near the
# medians of UNIPEN's people whose digits stand on one line.
BELOW = {
    **dict.fromkeys("/\\", 0.08),
    **dict.fromkeys("()[]{}", 0.12),
    ",": 0.3,
    ";": 0.25,
    ":": -0.1,
    **dict.fromkeys("'\"", -0.75),
    **dict.fromkeys("-~", -0.4),
    **dict.fromkeys("=*", -0.3),
    "+": -0.15,
    "^": -0.6,
    **dict.fromkeys("<>", -0.1),
    "_": 0.05,
    "p": 0.6,
    "y": 0.65,
    "j": 0.4,
    "f": 0.2,
    "Q": 0.18,
    "Y": 0.1,
}
LINES = (  # what stands in a line of digits, where, how often in twenty
    ("between", "/:", 5),
    ("around", "()", 2),
    ("behind", ")", 1),
    ("behind", "'\"%!?,:;*=", 3),
    ("before", '$#~(="*<>+-', 2),
    ("anywhere", "/:;,'\"()-+=%$#!?*&@<>[]{}\\^~_", 5),
    ("anywhere", "ACDEFHJKLMNPQRTUVWXYacdefhkmnprtuvwxyij", 2),
)


class Number(NamedTuple):
    """A number to read: its encoded picture, its strokes there, its digits, the fold that never saw its writer."""

    picture: bytes
    strokes: Drawing  # none on paper
    truth: str
    fold: int
    # Of a line with other characters than digits, which is no number; (n, 4) where each is, on a canvas.
    text: str = ""
    boxes: NDArray[np.float64] = np.zeros((0, 4))


@once
def writers() -> dict[int, Hand]:
    """Each pen writer's drawings."""
    found: dict[int, list[tuple[Drawing, str]]] = {}
    for drawing, digit, writer in pen():
        found.setdefault(writer, []).append((drawing, str(digit)))
    return {writer: hand(drawings) for writer, drawings in found.items()}


def hand(drawings: list[tuple[Drawing, str]], odd: float = np.inf) -> Hand:
    """One person's drawings and what they are -> by label, the digits' median height 1; without the `odd`."""
    height = np.median([np.ptp(np.concatenate(drawing)[:, 1]) for drawing, label in drawings if label.isdigit()])
    found: Hand = {}
    for drawing, label in drawings:
        unit = [stroke / height for stroke in drawing]
        wide, high = np.ptp(np.concatenate(unit), axis=0)
        if max(wide, high, 1 / max(high, 1e-6)) < odd:
            found.setdefault(label, []).append(unit)
    return found


def compose(
    digits: list[Drawing],
    gaps: tuple[float, float],
    width: float,
    rng: np.random.Generator,
    below: dict[int, float] | None = None,
) -> list[Drawing]:
    """Drawings of digits -> the same side by side on a drifting baseline, `gaps` between the ink of a pen `width`.

    below: which of them are none, and how far below the baseline each of those ends.
    """
    placed: list[Drawing] = []
    right = 0.0
    rising, wander = rng.normal(0, 0.03), rng.uniform(0.02, 0.06)
    for k, drawing in enumerate(digits):
        points = np.concatenate(drawing)
        low, high = points.min(axis=0), points.max(axis=0)
        # A digit that was written alone varies more in size than within a line.
        tall, drop = float(high[1] - low[1]), (below or {}).get(k)
        scale = rng.normal(1, 0.05) * (max(tall, 0.4) ** -0.5 if drop is None else TALLEST / max(tall, TALLEST))
        left = right + (rng.uniform(*gaps) + width if placed else 0)
        down = rng.normal(0, wander) + rising * left + (0 if drop is None else rng.normal(drop, 0.08))
        shift = np.array([left, down]) - scale * np.array([low[0], high[1]])
        placed.append([scale * stroke + shift for stroke in drawing])
        right = left + scale * float(high[0] - low[0])
    return placed


def joined(digits: list[Drawing]) -> Drawing:
    """The strokes of all."""
    return [stroke for digit in digits for stroke in digit]


def sheet(drawing: Drawing, height: float, width: float, rng: np.random.Generator) -> tuple[Image.Image, Drawing]:
    """A composed drawing -> L picture of it with room around, and its strokes there.

    `height` of a digit and `width` of the pen in pixels.
    """
    low, high = np.concatenate(drawing).min(axis=0) * height, np.concatenate(drawing).max(axis=0) * height
    margins = width + height * rng.uniform(0.15, 1.0, 4)
    size = np.ceil(high - low + margins[:2] + margins[2:]).astype(int)
    moved = [stroke * height - low + margins[:2] for stroke in drawing]
    return strokes.draw(moved, width, canvas=int(size.max()), detail=3).crop((0, 0, *size.tolist())), moved


def scan(image: Image.Image, rng: np.random.Generator) -> bytes:
    """L drawing -> JPEG of a flat scan: slightly turned and blurred, grey ink, a little noise."""
    turned = _turned(image, rng.uniform(-2, 2))
    grey = np.asarray(turned.filter(ImageFilter.GaussianBlur(rng.uniform(0.3, 1.0))), np.float32)
    ink, paper = rng.uniform(20, 90), rng.uniform(238, 255)
    noisy = ink + (paper - ink) * grey / 255 + rng.normal(0, rng.uniform(0.5, 3), grey.shape)
    return pictures.encode(Image.fromarray(np.clip(noisy, 0, 255).astype(np.uint8)), "JPEG", quality=80)


def on_surface(image: Image.Image, surface: str, rng: np.random.Generator) -> bytes:
    """L drawing -> an encoded picture of it on one of SURFACES or in one of PLACES."""
    if surface in pictures.AROUND:
        square = ImageOps.pad(ImageOps.invert(image), 2 * (max(image.size),), color=0)
        return pictures.encode(pictures.AROUND[surface](square, rng), "JPEG", quality=80)
    ways = {
        "canvas": lambda: pictures.encode(image),
        "photo": lambda: pictures.photograph(image, rng),
        "scan": lambda: scan(image, rng),
        TURNED: lambda: pictures.encode(_turned(image, rng.uniform(-25, 25))),
        SHADOW: lambda: pictures.encode(pictures.shaded(image, rng), "JPEG", quality=85),
    }
    return ways[surface]()


def _turned(image: Image.Image, angle: float) -> Image.Image:
    return image.rotate(angle, Image.Resampling.BICUBIC, expand=True, fillcolor=255)


@once
def sets() -> dict[str, Hand]:
    """UNIPEN's people with enough digits and other characters: all that each wrote."""
    found: dict[str, list[tuple[Drawing, str]]] = {}
    for each in characters():
        found.setdefault(each.writer, []).append((each.drawing, each.label))
    digits = {writer: sum(label.isdigit() for _, label in drawings) for writer, drawings in found.items()}
    return {who: hand(drawings) for who, drawings in found.items() if FEWEST <= digits[who] < len(drawings)}


def marked(item: int, surface: str = "canvas", fold: int = 0) -> Number:
    """The item-th line of digits with a mark or a letter among them, by one of UNIPEN's people.

    By those of fold JUDGED where that is the fold, else by any of the others.
    """
    rng = np.random.default_rng([item, 78])
    judged = fold == JUDGED
    people = [writer for writer in sorted(sets()) if (SITE_FOLD[writer.split("/")[0]] == JUDGED) == judged]
    mine = sets()[people[rng.integers(len(people))]]
    digits = rng.choice([digit for digit in "0123456789" if digit in mine], rng.integers(1, 6)).tolist()
    text = _with_marks(digits, set().union(*(sets()[who] for who in people)), rng)
    drawings = []
    for label in text:
        theirs = mine if label in mine else rng.choice([sets()[who] for who in people if label in sets()[who]])
        drawings.append(theirs[label][rng.integers(len(theirs[label]))])
    below = {k: BELOW.get(label, 0.0) for k, label in enumerate(text) if not label.isdigit()}
    picture, laid = _picture(drawings, str(rng.choice(["apart", "close"])), surface, rng, below)
    return Number(picture, laid, "", fold, "".join(text), _boxes(laid, drawings))


def _boxes(laid: Drawing, drawings: list[Drawing]) -> NDArray[np.float64]:
    """(n, 4): where each character's strokes lie; none where none are known."""
    strokes = iter(laid)
    own = [np.concatenate([next(strokes) for _ in each]) for each in drawings] if laid else []
    return np.array([[*points.min(axis=0), *points.max(axis=0)] for points in own]).reshape(-1, 4)


def _with_marks(digits: list[str], known: set[str], rng: np.random.Generator) -> list[str]:
    """The same with characters of one of LINES that are `known`."""
    lines = [(where, marks, often) for where, which, often in LINES if (marks := [c for c in which if c in known])]
    share = np.array([often for *_, often in lines])
    where, marks, _ = lines[rng.choice(len(lines), p=share / share.sum())]
    if where == "around":
        return [marks[0], *digits, marks[-1]]
    n = len(digits)
    first, after = {"between": (1, max(2, n)), "behind": (n, n + 1), "before": (0, 1)}.get(where, (0, n + 1))
    text = list(digits)
    text.insert(int(rng.integers(first, after)), str(rng.choice(marks)))
    return text


class Task(NamedTuple):
    """One picture to make: the item-th of `length` digits by a writer of `fold`; of no number, where `length` is 0.

    gap: MARKED for digits with something else among them, which is no number.
    """

    item: int
    length: int
    gap: str
    surface: str
    fold: int

    def made(self) -> Number:
        """The picture."""
        if self.gap == MARKED:
            return marked(self.item, self.surface, self.fold)
        if not self.length:
            return Number(*word(self.item, self.surface), "", self.fold)
        return number(self.item, self.length, self.gap, self.surface, self.fold)


def number(item: int, length: int, gap: str, surface: str = "canvas", fold: int | None = None) -> Number:
    """The item-th number of `length` digits, by a writer of `fold` or, where that is None, any."""
    rng = np.random.default_rng([item, length, *gap.encode(), *surface.encode(), 0 if fold is None else 1 + fold])
    writer = int(rng.choice([each for each in sorted(writers()) if fold in (None, writer_fold(each))]))
    truth = "".join(rng.choice(sorted(writers()[writer]), length))
    digits = [writers()[writer][digit] for digit in truth]
    chosen = [drawings[rng.integers(len(drawings))] for drawings in digits]
    return Number(*_picture(chosen, gap, surface, rng), truth, writer_fold(writer))


def word(item: int, surface: str = "canvas") -> tuple[bytes, Drawing]:
    """The item-th picture without a number: two to six letters of one hand and alphabet, a scribble or a doodle.

    As `_picture` gives it.
    """
    rng = np.random.default_rng([item, 77])
    drawing, name, drawer = letters()[rng.integers(len(letters()))]
    if item % 4 == 0:
        kinds = list(doodles.DOODLES.values())
        shape = doodles.scribble(rng) if item % 8 else strokes.vary(kinds[item // 8 % len(kinds)], rng)
        return _picture([strokes.fit(shape, 1.5, (0, 0))], "apart", surface, rng)
    alphabet = name.split("/")[0]
    hand = [d for d, n, who in letters() if who == drawer and n.startswith(f"{alphabet}/")]
    chosen = [drawing, *(hand[k] for k in rng.integers(len(hand), size=rng.integers(1, 6)))]
    unit = [[stroke / 60 for stroke in each] for each in chosen]  # of 105: a letter's usual height
    return _picture(unit, str(rng.choice(list(GAPS))), surface, rng)


def _picture(
    digits: list[Drawing], gap: str, surface: str, rng: np.random.Generator, below: dict[int, float] | None = None
) -> tuple[bytes, Drawing]:
    """Composed, slanted, drawn with a pen of one width, on a surface: encoded, and its strokes there, none on paper."""
    height = float(np.exp(rng.uniform(np.log(45), np.log(170))))
    width = max(height * float(rng.uniform(*PENS)), 3)
    slant = np.array([[1, 0], [rng.normal(0, 0.08), 1]])
    placed = compose(digits, GAPS[gap], width / height, rng, below)
    drawing = [stroke @ slant for digit in placed for stroke in digit]
    image, laid = sheet(drawing, height, width, rng)
    return on_surface(image, surface, rng), laid if surface == "canvas" else []


def shapes(numbers: int = 2000) -> list[list[list[float]]]:
    """Mean and deviation, for each digit, of log(width / height), log(height / line's) and place against the line's."""
    found: dict[str, list[list[float]]] = {digit: [] for digit in "0123456789"}
    rng = np.random.default_rng(5)
    people = list(writers().values())
    for _ in range(numbers):
        mine, width = people[rng.integers(len(people))], rng.uniform(*PENS)
        truth = rng.choice(sorted(mine), 5)
        placed = compose([mine[d][rng.integers(len(mine[d]))] for d in truth], GAPS["apart"], width, rng)
        boxes = np.array([(*np.min(p, axis=0), *np.max(p, axis=0)) for p in map(np.concatenate, placed)])
        w, h = (boxes[:, 2:] - boxes[:, :2] + width).T
        middle = boxes[:, 1::2].mean(axis=1)
        facts = np.stack([np.log(w / h), np.log(h / h.mean()), (middle - middle.mean()) / h.mean()], axis=1)
        for digit, row in zip(truth, facts.tolist(), strict=True):
            found[digit].append(row)
    values = [np.array(rows) for rows in found.values()]
    middle, spread = ([np.median(v, axis=0) for v in values], [np.maximum(v.std(axis=0), 0.02) for v in values])
    return [[row.round(3).tolist() for row in rows] for rows in (middle, spread)]


class Part(NamedTuple):
    """A piece as the segmentation cut it: (28, 28), and its digit, -1 where it is none."""

    x: NDArray[np.uint8]
    y: int


def parts(rng: np.random.Generator, fold: int) -> list[Part]:
    """The pieces of two or three touching digits of a person of `fold` that are, to any eye, a digit or none."""
    writer = int(rng.choice([each for each in sorted(writers()) if writer_fold(each) == fold]))
    truth = rng.choice(sorted(writers()[writer]), int(rng.choice([2, 2, 3])))
    mine = [writers()[writer][digit] for digit in truth]
    width = float(rng.uniform(*PENS))
    gap = GAPS["touching" if rng.random() < 0.8 else "close"]
    placed = compose([drawings[rng.integers(len(drawings))] for drawings in mine], gap, width, rng)
    whole, *each = _inks(placed, max(PIECE_HEIGHT * width, 2.5))
    rows, _ = reading.rows(whole)
    return [part for row in rows for part in _judged(row, [int(digit) for digit in truth], each)]


def _inks(digits: list[Drawing], width: float) -> list[NDArray[np.uint8]]:
    """(h, w) ink, 255, of all digits together, then of each alone."""
    points = np.concatenate(joined(digits)) * PIECE_HEIGHT
    low, size = points.min(axis=0) - width, int((np.ptp(points, axis=0) + 2 * width).max()) + 1
    moved = [[stroke * PIECE_HEIGHT - low for stroke in digit] for digit in digits]
    drawn = [joined(moved), *moved]
    return [255 - np.asarray(strokes.draw(drawing, width, canvas=size, detail=2)) for drawing in drawn]


def _judged(row: reading.Row, truth: list[int], inks: list[NDArray[np.uint8]]) -> list[Part]:
    """A row's pieces by whose ink they hold; without those that may be either."""
    labels = row.cells.labels
    window = slice(row.line.top, row.line.top + labels.shape[0]), slice(row.line.left, row.line.left + labels.shape[1])
    sums = [np.bincount(labels.ravel(), ink[window].ravel(), len(row.cells.boxes) + 1) for ink in inks]
    found = []
    for piece, x in zip(row.pieces, row.x, strict=True):
        held = np.array([cells[piece.first + 1 : piece.last + 1].sum() for cells in sums])
        shares = held / [ink.sum() for ink in inks]
        left, top, right, bottom = piece.box
        most, second = np.argsort(-shares)[:2]
        slim = right - left < 0.45 * row.line.height or bottom - top < 0.6 * row.line.height
        strange = (held.sum() - held[most]) / held[most]
        if shares[most] >= WHOLE and strange <= STRANGE:
            if shares[most] < 1 - TOUCHED or strange > TOUCHED:
                found.append(Part(x, truth[most]))
        elif shares[second] >= JOINED or (HALF[0] <= shares[most] <= HALF[1] and not slim):
            found.append(Part(x, -1))
    return found
