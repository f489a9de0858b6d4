"""One round of Play: ten digits in any order, how each was read, and the time; without a page around it."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import SystemRandom
from time import monotonic
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from ui.client import ApiError
    from ui.visit import Answer

DIGITS = "0123456789"
SECONDS = 30.0
LEAD = 1.0  # seconds until the first sheet is there
GRACE = 0.5  # seconds: what was drawn in time may still be on its way
SETTLED = 2.0  # seconds without another stroke after which a drawing is no longer half done


class Mark(NamedTuple):
    """A digit that was asked for and how its drawing was read; None where there was no drawing."""

    wanted: str
    answer: Answer | None

    @property
    def right(self) -> bool:
        """Whether the model read what was wanted."""
        return self.answer is not None and self.answer.prediction.label == self.wanted


def _shuffled() -> list[str]:
    return SystemRandom().sample(DIGITS, len(DIGITS))


@dataclass
class Round:
    """From Start to the score."""

    timed: bool = True
    sheets: int = 0  # counts up with every new sheet of paper, over all rounds
    digits: list[str] = field(default_factory=_shuffled)
    marks: list[Mark] = field(default_factory=list)
    wrong: list[Mark] = field(default_factory=list)  # drawings that were put away without being read right
    reading: Answer | None = None  # of what is on the sheet
    read_at: float = 0.0  # monotonic seconds, as the next two
    started: float = field(default_factory=lambda: monotonic() + LEAD)
    ended: float | None = None
    error: ApiError | None = None  # why it was stopped

    @property
    def sheet(self) -> str:
        """The canvas' key."""
        return f"play-{self.sheets}"

    @property
    def wanted(self) -> str:
        """The digit to draw."""
        return self.digits[len(self.marks)]

    @property
    def score(self) -> int:
        """How many were read right."""
        return sum(mark.right for mark in self.marks)

    @property
    def taken(self) -> float:
        """Seconds since it began, without what the model took; below 0 while the first sheet is on its way."""
        return (self.ended or monotonic()) - self.started

    @property
    def seconds(self) -> float:
        """How long it has taken, as it is shown."""
        taken = max(0.0, self.taken)
        return min(taken, SECONDS) if self.timed else taken

    @property
    def due(self) -> float | None:
        """Seconds until tick() ends it, None where no time does."""
        return SECONDS + GRACE - self.taken if self.timed else None

    @property
    def over(self) -> bool:
        """Whether there is nothing more to draw."""
        return self.ended is not None

    def pause(self, seconds: float) -> None:
        """The clock stands still while the model reads: a slow one costs nobody a digit."""
        self.started += seconds

    def tick(self) -> None:
        """End the round if its time is over."""
        now = monotonic()
        if not self.over and self.due is not None and self.due <= 0:
            if now > self.read_at + SETTLED:
                self._put_away()
            self.ended = now

    def read(self, answer: Answer) -> None:
        """The model's word for what is on the sheet; if it is the right one, the next digit comes."""
        self.reading, self.read_at = answer, monotonic()
        if answer.prediction.label == self.wanted:
            self.skip()

    def clear(self) -> None:
        """Another sheet for the same digit."""
        self._put_away()
        self.reading = None
        self.sheets += 1

    def skip(self) -> None:
        """Take the drawing as it is, and go on."""
        self._put_away()
        self.marks.append(Mark(self.wanted, self.reading))
        self.reading = None
        self.sheets += 1
        if len(self.marks) == len(self.digits):
            self.ended = monotonic()

    def stop(self, error: ApiError) -> None:
        """The model does not answer."""
        self.error, self.ended = error, monotonic()

    @property
    def fooled(self) -> Mark | None:
        """The drawing that the model was surest of and read as another digit."""
        read = [mark for mark in self.wrong if mark.answer and mark.answer.prediction.label is not None]
        return max(read, key=_confidence, default=None)

    def _put_away(self) -> None:
        mark = Mark(self.wanted, self.reading)
        if mark.answer and not mark.right:
            self.wrong.append(mark)


def _confidence(mark: Mark) -> float:
    return mark.answer.prediction.confidence if mark.answer else 0.0
