"""Letters of 125 scripts as strokes: what an alphabet may look like that nobody taught.

`python -m training.data.glyphs` makes glyphs.npz anew from the fonts of Debian's fonts-noto-core (`pip install -e
'.[glyphs]'`): each letter's outline, thinned to the line that a pen would follow. Training reads the file alone.
"""

from __future__ import annotations

import sys
import unicodedata
from functools import cache as once
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

    from training.data.strokes import Drawing, Stroke

    Pixel = tuple[int, int]
    Ways = dict[Pixel, list[Pixel]]

FILE = Path(__file__).with_name("glyphs.npz")
FONTS = Path("/usr/share/fonts/truetype/noto")
SIZE = 90  # pixels an em
MOST = 48  # letters of one script
# Another font's letters again, pictures, signs of thousands of syllables or for mathematics.
LEFT_OUT = """AdlamUnjoined AnatolianHieroglyphs Bamum Cuneiform Display Duployan EgyptianHieroglyphs IndicSiyaqNumbers
LinearA LinearB Math MendeKikakui Nushu SignWriting Symbols Symbols2 TamilSupplement TifinaghAPT TifinaghAdrar
TifinaghAgrawImazighen TifinaghAhaggar TifinaghAir TifinaghAzawagh TifinaghGhat TifinaghHawad TifinaghRhissaIxa
TifinaghSIL TifinaghTawellemmet Yi"""
# Omniglot's alphabet -> the other scripts that share letters with it: held out together with it.
KIN = {
    "Balinese": "Javanese",
    "Early_Aramaic": """Elymaic Hatran Hebrew ImperialAramaic InscriptionalPahlavi InscriptionalParthian Mandaic
        Manichaean Nabataean OldSogdian Palmyrene Phoenician PsalterPahlavi Samaritan Syriac""",
    "Greek": "Carian Coptic Gothic Lycian Lydian",
    "Latin": "Cherokee Cyrillic Deseret Lisu OldItalic Osage",
}


@once
def glyphs() -> list[tuple[Drawing, str]]:
    """The drawings (see training.data.strokes) with their names, "Script/letter"."""
    return read(FILE)


def read(path: Path) -> list[tuple[Drawing, str]]:
    """What `save` wrote."""
    with np.load(path) as arrays:
        names, lengths, steps = arrays["names"], arrays["lengths"], arrays["steps"]
    points = np.cumsum(steps, axis=0, dtype=np.uint8)
    drawings: list[tuple[Drawing, str]] = [([], str(name)) for name in names]
    strokes = np.split(points.astype(float), np.cumsum(lengths[:-1, 1]))
    for (glyph, _), stroke in zip(lengths, strokes, strict=True):
        drawings[glyph][0].append(stroke)
    return drawings


def kin(name: str) -> str:
    """The alphabet with which a letter, "Script/letter", must be held out: its script's kin in Omniglot, or itself."""
    script = name.partition("/")[0]
    return next((alphabet for alphabet, scripts in KIN.items() if script in scripts.split()), script)


def trace(ink: NDArray[np.bool_]) -> Drawing:
    """A thinned picture (h, w) -> the lines along its pixels, each from an end or a crossing to the next; then dots."""
    left = {(int(x), int(y)) for y, x in np.argwhere(ink)}
    ways = {pixel: _ways(pixel, left) for pixel in left}
    gone: set[frozenset[Pixel]] = set()
    starts = sorted(left, key=lambda pixel: (len(ways[pixel]) == 2, pixel))  # rings have none but such: last
    lines = [_walk(start, first, ways, gone) for start in starts for first in ways[start]]
    return [_smooth(line) for line in lines if len(line) > 1] + [np.array([p], float) for p in starts if not ways[p]]


def _ways(pixel: Pixel, ink: set[Pixel]) -> list[Pixel]:
    """The inked neighbours; one across a corner only where no two steps along the sides lead there."""
    x, y = pixel
    around = [(x + i, y + j) for j in (-1, 0, 1) for i in (-1, 0, 1) if i or j]
    return [(u, v) for u, v in around if (u, v) in ink and (u == x or v == y or not {(x, v), (u, y)} & ink)]


def _walk(pixel: Pixel, following: Pixel, ways: Ways, gone: set[frozenset[Pixel]]) -> list[Pixel]:
    line = [pixel]
    while (step := frozenset((pixel, following))) not in gone:
        gone.add(step)
        line.append(following)
        onward = [way for way in ways[following] if way != pixel]
        if len(onward) != 1:
            break
        pixel, following = following, onward[0]
    return line


def _smooth(line: list[Pixel]) -> Stroke:
    """Each third point of the moving average over five, which takes the pixels' stairs away, and both ends."""
    points = np.array(line, float)
    padded = np.pad(points, ((2, 2), (0, 0)), "edge")
    mean = np.stack([np.convolve(column, np.ones(5) / 5, "valid") for column in padded.T], axis=1)
    return np.concatenate([points[:1], mean[1:-1:3], points[-1:]])


def _letters(font: Path) -> list[str]:
    """A font's own letters, without marks and without the Latin ones that each font brings; at most MOST."""
    found = [
        c for c in held(font) if unicodedata.category(c) in ("Lu", "Ll", "Lo") and not unicodedata.decomposition(c)
    ]
    if font.name == "NotoSans-Regular.ttf":
        return [c for c in found if "A" <= c <= "z" or "\u0391" <= c <= "\u03c9" or "\u0410" <= c <= "\u044f"]
    own = [c for c in found if c > "\u024f"]  # where Latin ends
    return own[:: len(own) // MOST + 1]


def held(font: Path) -> list[str]:
    """The characters that a font's file holds, in order."""
    from fontTools.ttLib import TTFont  # matplotlib brings it

    return [chr(code) for code in sorted(TTFont(font).getBestCmap())]


def make(fonts: Path) -> Iterator[tuple[Drawing, str]]:
    """The letters of all fonts in a folder, with their names."""
    for path in sorted(fonts.glob("NotoSans*-Regular.ttf")):
        script = path.name.removeprefix("NotoSans").removesuffix("-Regular.ttf")
        if script in LEFT_OUT.split():
            continue
        for letter, thin in thinned(path, _letters(path)):
            yield trace(thin), f"{script or unicodedata.name(letter).split()[0].capitalize()}/{letter}"


def thinned(path: Path, wanted: Iterable[str]) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    """Each of the characters in that font, and its picture thinned to lines of a pixel (h, w); none that is empty."""
    from PIL import Image, ImageDraw, ImageFont
    from skimage.morphology import skeletonize

    font = ImageFont.truetype(str(path), SIZE)
    for character in wanted:
        sheet = Image.new("L", (3 * SIZE, 3 * SIZE))
        ImageDraw.Draw(sheet).text((SIZE, SIZE), character, font=font, fill=255)
        box = sheet.getbbox()
        if box and max(box[2] - box[0], box[3] - box[1]) < 1.9 * SIZE:
            yield character, skeletonize(np.pad(np.asarray(sheet.crop(box)) > 127, 1))


def save(drawings: list[tuple[Drawing, str]], path: Path) -> None:
    """names (n,), lengths (strokes, 2) of each stroke's letter and number of points, steps (all, 2) bytes.

    A step is from the point before, x and y modulo 256: half the size of the points themselves once it is compressed.
    """
    strokes = [(index, stroke) for index, (drawing, _) in enumerate(drawings) for stroke in drawing]
    points = np.concatenate([stroke for _, stroke in strokes]).round().astype(np.uint8)
    np.savez_compressed(
        path,
        names=np.array([name for _, name in drawings]),
        lengths=np.array([(index, len(stroke)) for index, stroke in strokes], np.uint16),
        steps=np.diff(points, axis=0, prepend=np.zeros((1, 2), np.uint8)),
    )


if __name__ == "__main__":
    if not FONTS.exists():
        sys.exit(f"{FONTS} is missing. Install it: apt-get install fonts-noto-core")
    save(list(make(FONTS)), FILE)
