"""Digits, letters and signs of handwriting fonts as strokes: hands and school models of many countries.

`python -m training.data.handwriting FOLDER` makes handwriting.npz anew, and handwriting.txt, which says whose the fonts
are. It reads every `*-latin-400-normal.woff` under FOLDER, which the npm packages `@fontsource/FONT` hold, and thins
each outline to the line that a pen would follow (`pip install -e '.[glyphs]'`). Training reads handwriting.npz alone.
"""

from __future__ import annotations

import re
import string
import sys
from functools import cache as once
from pathlib import Path
from typing import TYPE_CHECKING
from zlib import crc32

from training.data import doodles, glyphs
from training.data.readers import FOLDS, LOOKALIKES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from training.data.strokes import Drawing

FILE = Path(__file__).with_name("handwriting.npz")
NAME = "-latin-400-normal.woff"
# What a licence's text or address says.
LICENCES = {
    "Apache-2.0": "apache licen[cs]e",
    "OFL-1.1": r"open ?font ?license|scripts\.sil\.org/ofl",
}
# Letters that look like digits whoever writes them are left out, and brackets, which are 1s with a flag and a foot.
CHARACTERS = string.digits + "".join(c for c in string.ascii_letters + "#$%&*+<=?@^~:;" if c not in LOOKALIKES)
# Outlines, blots and frames, which thinning tears apart; then 1s and 7s that are the other to most eyes.
LEFT_OUT = """dr-sugiyama east-sea-dokdo meie-script miss-fajardose neonderthaw splash
berkshire-swash/1 borel/1 courgette/1 damion/1 gochi-hand/1 hachi-maru-pop/1 mynerve/1 pacifico/1 pangolin/1 sriracha/1
amatic-sc/7 inspiration/7 just-me-again-down-here/7 sassy-frass/7"""


@once
def _characters() -> list[tuple[Drawing, str]]:
    return glyphs.read(FILE)


@once
def digits() -> list[tuple[Drawing, str]]:
    """The digits' drawings (see training.data.strokes) with their names, "font/digit"."""
    return [each for each in _characters() if each[1][-1].isdigit()]


@once
def no_digits() -> list[tuple[Drawing, str]]:
    """The letters' and signs' drawings with their names, "font/character"."""
    return [each for each in _characters() if not each[1][-1].isdigit()]


def fold(name: str) -> int:
    """The fold that holds "font/character" out: all fonts of a family, whose names begin alike, are in one."""
    return crc32(name.partition("/")[0].partition("-")[0].encode()) % FOLDS


def make(files: Iterable[Path]) -> Iterator[tuple[Drawing, str]]:
    """The characters of all fonts with their names; what two fonts have alike counts once, lookalikes not at all."""
    seen = set()
    for path in files:
        held = glyphs.held(path)
        for character, thin in glyphs.thinned(path, [each for each in CHARACTERS if each in held]):
            name, look = f"{_font(path)}/{character}", (character, thin.shape, thin.tobytes())
            if look not in seen and name not in LEFT_OUT.split() and 0 in doodles.turns(name):
                seen.add(look)
                yield glyphs.trace(thin), name


def _font(path: Path) -> str:
    return path.name.removesuffix(NAME)


def credit(path: Path) -> str:
    """A font's name, its licence and its copyright notice, in one line. Raises ValueError for another licence."""
    from fontTools.ttLib import TTFont  # matplotlib brings it

    said = [" ".join((TTFont(path)["name"].getDebugName(field) or "").split()) for field in (0, 13, 14)]
    terms = path.parents[1] / "LICENSE"  # of the font's package; some have none, some fonts do not say it themselves
    text = " ".join([*said, terms.read_text("utf-8") if terms.exists() else ""])
    for licence, words in LICENCES.items():
        if re.search(words, text, re.IGNORECASE):
            return f"{_font(path)}: {licence}. {said[0]}\n"
    raise ValueError(f"{_font(path)} has neither of the licences {', '.join(LICENCES)}. Leave it out.")


def main(folder: Path) -> None:
    """Write both files; exits with 1 and the remedy where no font is, or one that is not free."""
    files = [path for path in folder.rglob(f"*{NAME}") if _font(path) not in LEFT_OUT.split()]
    files.sort(key=lambda path: path.name)
    if not files:
        sys.exit(f"No *{NAME} is under {folder}. Install fonts, such as: npm install @fontsource/patrick-hand")
    try:
        notices = "".join(map(credit, files))
    except ValueError as error:
        sys.exit(f"nothing written: {error}")
    glyphs.save(list(make(files)), FILE)
    FILE.with_suffix(".txt").write_text(notices, "utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "node_modules"))
