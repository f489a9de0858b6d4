"""The embedded model's files: model.tflite and its card, read whole and checked before anything is asked of them.

Into memory, because a copy over a file that LiteRT had mapped killed the process (SIGBUS).
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from time import time
from typing import TYPE_CHECKING, Annotated

import msgspec

if TYPE_CHECKING:
    from pathlib import Path

MODEL, CARD = "model.tflite", "card.json"
POINTER = b"version https://git-lfs"
SETTLED = 1.0  # seconds without a change, after which files without a digest count as whole

Text = Annotated[str, msgspec.Meta(min_length=1)]
State = tuple[tuple[int, int, int], ...]


class ArtifactError(ValueError):
    """The files are missing, damaged or not each other's; the message is a sentence with the remedy."""


class Card(msgspec.Struct):
    """What a caller needs of card.json, and what GET /models tells."""

    name: Text
    version: Text
    labels: Annotated[list[Text], msgspec.Meta(min_length=1)]
    threshold: Annotated[float, msgspec.Meta(ge=0, le=1)]
    sha256: dict[str, str] = {}
    date: str | None = None
    network: str | None = None
    parameters: int | None = None
    sources: list[str] = []
    metrics: dict[str, float] = {}


CARDS = msgspec.json.Decoder(Card)  # once: see backend.intake.read_json


@dataclass(frozen=True)
class Artifact:
    """The model's file, and what its card says."""

    content: bytes
    card: Card
    path: Path


def read(folder: Path) -> Artifact:
    """Both files, each checked by itself and against the other. Raises ArtifactError."""
    card, content = read_card(folder), _read(folder / MODEL)
    expected = card.sha256.get(MODEL, "")
    if expected and sha256(content).hexdigest() != expected:
        raise ArtifactError(f"{folder / MODEL} is damaged, or not the model of the {CARD} beside it: copy both again.")
    return Artifact(content, card, folder / MODEL)


def state(folder: Path) -> State:
    """What changes when one of the files is replaced. Raises OSError."""
    return tuple((s.st_mtime_ns, s.st_size, s.st_ino) for s in ((folder / name).stat() for name in (MODEL, CARD)))


def settled(artifact: Artifact, seen: State) -> bool:
    """Whether the file is whole: its digest has shown it, or nobody is still writing."""
    return MODEL in artifact.card.sha256 or time() - max(mtime for mtime, *_ in seen) / 1e9 > SETTLED


def read_card(folder: Path) -> Card:
    """The card alone. Raises ArtifactError."""
    path = folder / CARD
    try:
        card = CARDS.decode(_read(path))
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ArtifactError(f"{path} is not a model's card: {error}.") from None
    if len(set(card.labels)) < len(card.labels):
        raise ArtifactError(f"{path} names a label twice: {', '.join(card.labels)}.")
    return card


def _read(path: Path) -> bytes:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ArtifactError(f"{path} cannot be read: {error.strerror}.") from None
    if content.startswith(POINTER):
        raise ArtifactError(f"{path} is a Git LFS pointer, not the file itself: run `git lfs pull`.")
    return content
