"""CSV that a spreadsheet opens as data: the one writer behind the command, the page's table and the archive."""

from __future__ import annotations

import csv
import re
from typing import TYPE_CHECKING

from ui.client import ApiError

if TYPE_CHECKING:
    from typing import TextIO

    from backend.contract import Number, Prediction

ANSWER = ("file", "label", "confidence", "problem")
# What Excel, LibreOffice and Google Sheets run as a formula, at a cell's start or where another separator begins one
# (OWASP, "CSV Injection"); the last four are the full-width forms.
FORMULA = re.compile(r"(^|[;\t\n])(?=[=+\-@\t\n\uff1d\uff0b\uff0d\uff20])")


class Spreadsheet:
    """Writes rows below a head; text that would be a formula gets the apostrophe that makes it text."""

    def __init__(self, file: TextIO, head: tuple[str, ...]) -> None:
        self._rows = csv.writer(file, lineterminator="\n")
        self._rows.writerow(head)

    def write(self, *cells: str | float) -> None:
        """One row."""
        self._rows.writerow([_text(cell) if isinstance(cell, str) else cell for cell in cells])


def _text(cell: str) -> str:
    lines = cell.replace("\r", "\n")  # a lone carriage return would end the row: the csv module does not quote it
    return FORMULA.sub(r"\1'", lines)


def outcome(answer: Prediction | Number | ApiError) -> tuple[str, str, str]:
    """What follows the file's name in ANSWER; `label` is empty where there is none, and `problem` says why."""
    if isinstance(answer, ApiError):
        return "", "", str(answer)
    return (
        (answer.label or "").replace("\n", " "),
        f"{answer.confidence:.4f}",
        answer.rejection.reason if answer.rejection else "",
    )
