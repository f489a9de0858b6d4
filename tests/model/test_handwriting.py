"""The handwriting fonts' characters: which there are, who holds them out, and how the file is made."""

from __future__ import annotations

import json
from pathlib import Path

import matplotlib
import numpy as np
import pytest

from training.data import datasets, doodles, glyphs, handwriting, makers
from training.data.readers import FOLDS, LOOKALIKES


def fonts() -> set[str]:
    return {name.partition("/")[0] for _, name in handwriting.digits()}


def test_most_of_250_fonts_have_all_ten_digits_and_none_is_taught_a_lookalike() -> None:
    digits = [name for _, name in handwriting.digits()]
    others = [name for _, name in handwriting.no_digits()]
    assert len(fonts()) == 250
    assert len(set(digits)) == len(digits) > 0.95 * 10 * 250
    assert len(set(others)) == len(others) > 11_000
    assert not {name[-1] for name in others} & {*LOOKALIKES, *"0123456789[]{}"}
    assert all(0 in doodles.turns(name) for name in others)


def test_every_lookalike_of_a_font_is_a_letter_or_sign_that_a_font_might_have() -> None:
    lookalikes = json.loads(doodles.LOOKALIKES.read_text("utf-8"))
    ours = [name.split("/", 1) for name in lookalikes if name[0].islower()]
    assert len(ours) == 302
    assert {font for font, _ in ours} <= {name.partition("/")[0] for _, name in handwriting.no_digits()}
    assert {character for _, character in ours} <= set(handwriting.CHARACTERS) - set("0123456789")


def test_every_font_has_its_copyright_notice_and_a_free_licence() -> None:
    lines = handwriting.FILE.with_suffix(".txt").read_text("utf-8").splitlines()
    notices = dict(line.split(": ", 1) for line in lines)
    assert fonts() <= set(notices)
    assert all(notice.startswith(("OFL-1.1. ", "Apache-2.0. ")) and len(notice) > 20 for notice in notices.values())


def test_fonts_of_one_family_are_held_out_together_and_every_fold_holds_some_out() -> None:
    folds = {name: handwriting.fold(name) for _, name in handwriting.digits()}
    assert set(folds.values()) == set(range(FOLDS))
    assert len({fold for name, fold in folds.items() if name.startswith("playwrite-")}) == 1


def test_pictures_of_fonts_carry_the_digit_that_the_font_draws_and_letters_none() -> None:
    n = len(handwriting.digits())
    made = datasets.make([datasets.Task("font", item, 1) for item in range(0, n, n // 20)])
    letters = datasets.make([datasets.Task("font-letter", item, 1) for item in range(20)])
    names = [name for _, name in handwriting.digits()[:: n // 20]]
    assert [(each.y, each.fold) for each in made if each] == [(int(n[-1]), handwriting.fold(n)) for n in names]
    assert {each.y for each in letters if each} == {makers.NOT_A_DIGIT}


def test_what_two_fonts_have_alike_counts_once_and_what_is_left_out_is_not_drawn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ink = {character: np.eye(9, dtype=bool)[: 3 + place] for place, character in enumerate("17A")}
    monkeypatch.setattr(glyphs, "held", lambda path: sorted(ink))
    monkeypatch.setattr(glyphs, "thinned", lambda path, wanted: [(c, ink[c]) for c in wanted if c in ink])
    monkeypatch.setattr(doodles, "turns", lambda name: () if name == "caveat/A" else (0,))
    files = [Path(f"{font}{handwriting.NAME}") for font in ("borel", "caveat", "kalam")]
    assert [name for _, name in handwriting.make(files)] == ["borel/7", "borel/A", "caveat/1"]


def test_a_folder_without_fonts_is_told_with_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="npm install @fontsource"):
        handwriting.main(tmp_path)


def test_a_font_that_says_no_free_licence_is_refused(tmp_path: Path) -> None:
    """DejaVu, as matplotlib brings it, has a licence of its own."""
    font = tmp_path / "files" / f"dejavu{handwriting.NAME}"
    font.parent.mkdir()
    font.write_bytes((Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf").read_bytes())
    with pytest.raises(SystemExit, match=r"dejavu has neither of the licences Apache-2\.0, OFL-1\.1"):
        handwriting.main(tmp_path)
    (tmp_path / "LICENSE").write_text("This Font Software is licensed under the SIL Open Font License, Version 1.1.")
    assert handwriting.credit(font).startswith("dejavu: OFL-1.1. Copyright (c)")
