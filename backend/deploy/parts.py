"""What a stage consists of: each kind of thing with how it is found and removed, and what goes on after a refusal.

`destroy` takes them in their order, `status` shows them; one that AWS refuses stops neither.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

from backend.deploy.refusals import noted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from backend.deploy.stage import Stage


class Left(NamedTuple):
    """Something of the stage that is there: its kind, name and whatever else `status` shows."""

    kind: str
    name: str
    state: str = ""
    age: str = ""
    note: str = ""


class Part(NamedTuple):
    """One kind of thing; `find` says what there is of it, `remove` removes one by its name."""

    kind: str
    find: Callable[[Stage], Iterable[Left]]
    remove: Callable[[Stage, str], None]


def inventory(stage: Stage, known: Sequence[Part]) -> tuple[list[Left], dict[str, str]]:
    """What there is of these parts, and why AWS would not tell of some: kind -> sentence."""
    rows: list[Left] = []
    unseen: dict[str, str] = {}
    for part in known:
        with noted(unseen, part.kind):
            rows += part.find(stage)
    return rows, unseen


def remove(stage: Stage, known: Sequence[Part]) -> dict[str, str]:
    """Remove all that there is of these parts, in their order; returns what AWS refused: kind and name -> sentence."""
    refused: dict[str, str] = {}
    for part in known:
        rows: list[Left] = []
        with noted(refused, part.kind):
            rows = list(part.find(stage))
        for row in rows:
            with noted(refused, f"{row.kind} {row.name}"):
                part.remove(stage, row.name)
    return refused


def age(moment: datetime) -> str:
    """How long ago, in the largest unit that fits."""
    seconds = (datetime.now(UTC) - moment.astimezone(UTC)).total_seconds()
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def show(rows: Sequence[Left]) -> None:
    """Print what there is, a line each."""
    for row in rows:
        print(f"{row.kind:15} {row.name:58} {row.state:22} {row.age:>7}  {row.note}".rstrip())
    if not rows:
        print("There is nothing.")
