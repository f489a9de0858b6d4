"""What a spreadsheet program makes of the CSV files: data, never a formula."""

from __future__ import annotations

import csv
import io

import pytest

from ui.spreadsheet import Spreadsheet


def written(*cells: str | float) -> str:
    file = io.StringIO()
    Spreadsheet(file, ("head",)).write(*cells)
    return file.getvalue().removeprefix("head\n")


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20"])
def test_a_formula_becomes_text(start: str) -> None:
    rows = list(csv.reader(io.StringIO(written(f"{start}=cmd|' /C calc'!A0"), newline="")))
    assert len(rows) == 1
    assert rows[0][0].startswith("'")


@pytest.mark.parametrize("separator", [";", "\t", "\n"])
def test_a_formula_behind_another_programs_separator_becomes_text(separator: str) -> None:
    """Excel in German separates by semicolons: the file name would end in a cell of its own."""
    assert f"{separator}'=1+1" in written(f"a{separator}=1+1.png")


def test_numbers_and_ordinary_names_stay_as_they_are() -> None:
    assert written("my-drawing (2)=7.png", 0.98, -1) == "my-drawing (2)=7.png,0.98,-1\n"


def test_separators_and_quotes_stay_in_their_cell() -> None:
    cells = ["a,b", 'say "7"', "one\ntwo"]
    assert next(csv.reader(io.StringIO(written(*cells), newline=""))) == cells
