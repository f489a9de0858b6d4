"""What one visit holds: the picture on the table, its answer and the last twenty; gone when the tab closes."""

from __future__ import annotations

import re
import zipfile
from base64 import b64decode
from collections import OrderedDict
from dataclasses import dataclass, field, replace
from functools import cached_property
from hashlib import sha256
from io import BytesIO, StringIO
from secrets import token_hex
from time import monotonic
from typing import TYPE_CHECKING, Any, NamedTuple

import streamlit as st
from PIL import Image

from backend.contract import NOT_A_DIGIT
from ui.client import BadPicture
from ui.pictures import upright
from ui.spreadsheet import Spreadsheet

if TYPE_CHECKING:
    from backend.contract import ModelCard, Number, Prediction
    from ui.client import ApiError

PREVIEW, PREVIEW_BYTES = 336, 20_000  # pixels of the longer side; what need not be made smaller
WHITE = b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGP4DwABAQEAsTj2FAAAAABJRU5ErkJggg==")
HISTORY = 20  # drawings that one visit remembers
CACHE = 64  # answers kept by content, so that live mode and undo ask only once for the same picture


@dataclass(frozen=True)
class Picture:
    """An encoded picture; where it was drawn here, `strokes` is the canvas' own record of it and `sheet` its sheet.

    `shrunk`: the page made it of a larger file of that name.
    """

    data: bytes
    strokes: dict[str, Any] | None = None
    sheet: int | str | None = None
    name: str = "drawing.png"
    shrunk: bool = False

    @cached_property
    def digest(self) -> str:
        """What makes two pictures the same."""
        return sha256(self.data).hexdigest()[:16]

    @cached_property
    def preview(self) -> bytes:
        """The same, small enough to go to the browser again and again; a white pixel where it cannot be decoded."""
        if len(self.data) <= PREVIEW_BYTES:
            return self.data
        try:
            return _preview(self.data)
        except Exception:  # noqa: BLE001 - Pillow raises nearly anything; the API may have read it all the same
            return WHITE


def _preview(data: bytes) -> bytes:
    image = Image.open(BytesIO(data))
    image.draft("RGB", (2 * PREVIEW, 2 * PREVIEW))
    small = image.convert("RGB")
    small.thumbnail((PREVIEW, PREVIEW))
    buffer = BytesIO()
    upright(small).save(buffer, "JPEG", quality=80)
    return buffer.getvalue()


@dataclass
class Answer:
    """A picture and the answer to it."""

    picture: Picture
    prediction: Prediction
    seconds: float  # from asking to answered
    truth: str | None = None  # what the person said it is
    asked: int = 0  # grows with each judgement and each Change; a question's widgets belong to its own
    offered: bool = False  # whether it was sent for training
    given: list[str] = field(default_factory=list)  # ids to take back what was given; of a number one for each digit
    number: Number | None = None  # where a whole number was asked for; `prediction` then holds it as its label

    @property
    def right(self) -> bool:
        """Whether the person said that it is."""
        return self.truth == (self.prediction.label or NOT_A_DIGIT)


@dataclass
class Failure:
    """A picture without an answer, and why."""

    picture: Picture
    error: ApiError


class Tally(NamedTuple):
    """How many pictures were read, how many of them the person judged, and how many of those were right."""

    drawn: int = 0
    judged: int = 0
    right: int = 0

    def and_these(self, answers: list[Answer]) -> Tally:
        """With these counted, too."""
        judged = [answer for answer in answers if answer.truth is not None]
        right = sum(answer.right for answer in judged)
        return Tally(self.drawn + len(answers), self.judged + len(judged), self.right + right)


class Reading(NamedTuple):
    """A model, and what it makes of a picture."""

    card: ModelCard
    result: Prediction | ApiError


@dataclass
class Visit:
    """The state of one browser tab."""

    # Which of the page's visitors asks; kept nowhere else.
    caller: str = field(default_factory=lambda: token_hex(8), compare=False)
    sheet: int = 0  # counts up with every new sheet of paper: the canvas' key
    start: Picture | None = None  # what was already on that sheet
    drawn: Picture | None = None  # what is on the sheet now
    opened: str = ""  # the last link's drawing, as text
    bad_link: bool = False  # and it held none
    asked: bool = False  # an answer is wanted and not there yet
    answer: Answer | Failure | None = None
    history: list[Answer] = field(default_factory=list)
    past: Tally = field(default_factory=Tally)  # of what the history holds no more
    consent: bool | None = None  # None: not asked yet
    failures: int = 0  # in a row
    quiet_until: float = 0.0  # monotonic seconds: before that nothing is asked without a press
    hushed: bool = False  # live mode was switched off because the API asked for fewer questions
    waking_since: float | None = None  # monotonic seconds: since when a starting model is waited for
    known: OrderedDict[str, Answer] = field(default_factory=OrderedDict)  # by digest
    files: dict[str, Picture] = field(default_factory=dict)  # what is uploaded at the moment, by Streamlit's id
    comparing: bool = False  # the comparison is unfolded
    compared: tuple[str, list[Reading]] | None = None  # the last picture that all models read, by its digest
    several: tuple[str, list[Prediction | ApiError]] | None = None  # the last set of files, by digests

    @property
    def tally(self) -> Tally:
        """Of the whole visit."""
        return self.past.and_these(self.history)

    def take_sheet(self, start: Picture | None = None) -> None:
        """A new sheet: empty, or with an earlier drawing on it."""
        self.sheet += 1
        self.start = replace(start, sheet=self.sheet) if start else None
        self.forget()

    def forget(self) -> None:
        """Another way of giving a picture was chosen: the answer to the last one goes."""
        self.answer, self.asked, self.failures, self.waking_since, self.bad_link = None, False, 0, None, False

    def ask(self) -> None:
        """Want an answer."""
        self.asked, self.quiet_until = True, 0.0

    def keep(self, answer: Answer) -> None:
        """Show an answer and remember it; in the history it replaces what came of the same sheet or picture before."""
        self.answer, self.asked, self.failures, self.waking_since, self.bad_link = answer, False, 0, None, False
        self.known[answer.picture.digest] = answer
        if len(self.known) > CACHE:
            self.known.popitem(last=False)
        history = [*(old for old in self.history if not _same(old.picture, answer.picture)), answer]
        self.past, self.history = self.past.and_these(history[:-HISTORY]), history[-HISTORY:]

    def fail(self, failure: Failure) -> None:
        """Show a failure; the pause before asking again by itself doubles from 3 seconds to a minute.

        A bad picture is no reason to leave the API alone: the next one may be good.
        """
        self.answer, self.asked, self.waking_since = failure, False, None
        if isinstance(failure.error, BadPicture):
            return
        self.quiet_until = monotonic() + (failure.error.retry_after or min(60, 3 * 2**self.failures))
        self.failures += 1


def _same(one: Picture, other: Picture) -> bool:
    return one.digest == other.digest or (one.sheet is not None and one.sheet == other.sheet)


def current() -> Visit:
    """This tab's visit."""
    visit: Visit = st.session_state.setdefault("visit", Visit())
    return visit


def _flat(name: str) -> str:
    """A file's name, as any system can have it in the folder where the ZIP is unpacked."""
    return re.sub(r"[^\w .-]+", "_", re.split(r"[/\\]", name)[-1])[-64:].strip(". ") or "picture"


def archive(history: list[Answer]) -> bytes:
    """The drawings and answers.csv as a ZIP."""
    buffer, text = BytesIO(), StringIO()
    table = Spreadsheet(text, ("file", "label", "confidence", "said_to_be"))
    with zipfile.ZipFile(buffer, "w") as file:
        for number, answer in enumerate(history, 1):
            name = f"{number:02}-{_flat(answer.picture.name)}"
            file.writestr(name, answer.picture.data)
            table.write(name, answer.prediction.label or "", answer.prediction.confidence, answer.truth or "")
        file.writestr("answers.csv", text.getvalue())
    return buffer.getvalue()
