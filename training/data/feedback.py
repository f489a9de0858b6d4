"""Drawings that people gave with their consent, as the API's POST /feedback keeps them: <id>.png beside <id>.json.

Whatever lies there is read with suspicion: what is broken, too large or no entry at all is named and left out.
"""

from __future__ import annotations

import json
import os
import re
from hashlib import sha256
from typing import TYPE_CHECKING, Any, NamedTuple

from backend import contract
from backend.preprocessing import PictureError, normalise
from backend.stores import LEARNING, Store, open_store
from training.data.sources import DataError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MOST_BYTES = {"png": 5_000_000, "json": 10_000}  # a drawing may be kept in as many bytes as it came in; a line has 300
NAMED = 60  # characters of a file's name that are repeated


class Given(NamedTuple):
    """One drawing: its id, (28, 28) ink, what the person said it is, and what the model had said.

    `read` is that answer (None: none, or not known), `version` the model that gave it; `digest` is of all that is
    learnt from, picture and label.
    """

    id: str
    x: NDArray[np.uint8]
    label: str
    read: str | None
    version: str
    created: str

    @property
    def digest(self) -> str:
        """SHA-256 of id, picture and label."""
        return sha256(f"{self.id} {self.label} ".encode() + self.x.tobytes()).hexdigest()

    @property
    def corrects(self) -> bool:
        """Whether the model had answered something else."""
        return self.read != self.label


class Kept(NamedTuple):
    """What a store holds: the drawings by id, and the names of what was left out with the reason."""

    given: list[Given]
    left_out: dict[str, str]


def read(place: str = "") -> list[Given]:
    """Every drawing in `place`, or in BACKEND_FEEDBACK. Raises DataError if there is none."""
    place = place or os.environ.get("BACKEND_FEEDBACK", "")
    if not place:
        raise DataError("BACKEND_FEEDBACK is not set: the folder or s3://bucket/prefix that the API keeps drawings in.")
    given = look(open_store(place)).given
    if not given:
        raise DataError(f"There are no drawings in {place} yet.")
    return given


def look(store: Store) -> Kept:
    """All that lies in a store, good and bad."""
    sizes = {file.name: file.size for file in store.files() if file.name != LEARNING}
    kept = Kept([], {})
    for name in sorted(name for name in sizes if name.endswith((".json", ".png"))):
        stem, _, kind = name.rpartition(".")
        other = f"{stem}.{'json' if kind == 'png' else 'png'}"
        try:
            if other not in sizes:
                raise DataError("a drawing without its line" if kind == "png" else "a line without its drawing")
            if sizes[name] > MOST_BYTES[kind]:
                raise DataError(f"{sizes[name]:,} bytes")
            if kind == "json" and sizes[other] <= MOST_BYTES["png"]:
                kept.given.append(_entry(stem, store.read(name), store.read(other)))
        except (DataError, PictureError) as error:
            kept.left_out[re.sub(r"[^\w.-]", "?", name)[:NAMED]] = str(error)
    return kept


def _entry(stem: str, line: bytes | None, picture: bytes | None) -> Given:
    """Raises DataError, PictureError."""
    try:
        body: Any = json.loads(line or b"")
        label, said = body["label"], body.get("prediction") or {}
        read, model = said.get("label"), said.get("model") or {}
        texts = (str(model.get("version", ""))[:NAMED], str(body.get("created", ""))[:NAMED])
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise DataError("its line is damaged") from None
    if not isinstance(label, str) or not contract.LABEL.fullmatch(label):
        raise DataError("its label is no label")
    read = contract.NOT_A_DIGIT if said and read is None else read
    return Given(stem, normalise(picture or b""), label, read if isinstance(read, str) else None, *texts)
