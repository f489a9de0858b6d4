"""Drawings that people gave with their consent: POST, GET and DELETE /feedback, kept in a folder or in S3.

An entry is <id>.png, the drawing without its file's metadata, and <id>.json, one line with label, answer and time. The
drawing goes first, and either file alone is an entry: so no crash leaves one that its giver cannot take back.
"""

from __future__ import annotations

import logging
import re
import secrets
import sys
from base64 import b64encode
from collections import Counter
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from io import BytesIO
from math import inf
from threading import Lock
from time import monotonic, time
from typing import TYPE_CHECKING

import msgspec
from flask import Response, g, request

from backend import contract
from backend.contract import Feedback, FeedbackReceipt, Judged, KeptFeedback, Learning, Use
from backend.decoding import decode
from backend.intake import from_base64, read_json
from backend.openapi import PICTURE_PROBLEMS, operation
from backend.preprocessing import normalise_image
from backend.problems import ApiProblem
from backend.stores import LEARNING, Store, open_store

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flask import Flask
    from PIL import Image

log = logging.getLogger(__name__)

PROBLEMS = (contract.NOT_FOUND, contract.FEEDBACK_UNAVAILABLE)
ID = re.compile(r"[0-9a-f]{32}")
OWN = re.compile(r"[0-9a-f]{32}\.(png|json)|[0-9a-f]{16}\.part")  # nothing else in the folder is counted or swept
MOST_CHARACTERS = 100  # of each text in a prediction
LEAST_BYTES = 1024  # a drawing may be kept in so many, however few it came in
SIDES = (1024, 512, 256, 128, 64, 28)  # pixels, where the drawing itself would be kept larger than it came
MOST_ENTRIES, MOST_BYTES, MOST_A_DAY = 20_000, 1_000_000_000, 2_000
DAY, LEFTOVER, RECOUNT = 86_400, 3_600, 60  # seconds; a file without its other is a crash's after an hour
UNAVAILABLE = "The store of feedback does not answer. Try again in a minute."
ENOUGH_TODAY = "Enough drawings have come today. Try again tomorrow."


class Line(msgspec.Struct):
    """<id>.json: what is kept beside the drawing."""

    id: str
    label: str
    created: str
    prediction: Judged | None


@dataclass(frozen=True)
class Learnt(Learning):
    """learning.json: what the API tells of it, and by a drawing's id its use."""

    used: dict[str, Use] = field(default_factory=dict)


FEEDBACK = msgspec.json.Decoder(Feedback)  # all three once: see backend.intake.read_json
LINE, LEARNT = msgspec.json.Decoder(Line), msgspec.json.Decoder(Learnt)


class Quota:
    """How much a store may hold, and the sweeper of what crashes left; counts at most once a minute."""

    def __init__(self, store: Store) -> None:
        self._store, self._lock = store, Lock()
        self._counted = -inf  # monotonic seconds
        self._entries = self._bytes = self._today = 0

    def admit(self, size: int) -> None:
        """One more entry of so many bytes. Raises ApiProblem 507 or 503, and what the store raises."""
        with self._lock:
            if monotonic() - self._counted > RECOUNT:
                self._count()
            if self._entries >= MOST_ENTRIES or self._bytes + size > MOST_BYTES:
                raise ApiProblem(contract.FEEDBACK_FULL, "No more drawings are kept here. Thank you all the same.")
            if self._today >= MOST_A_DAY:
                raise ApiProblem(contract.FEEDBACK_UNAVAILABLE, ENOUGH_TODAY, Retry_After="3600")
            self._entries, self._bytes, self._today = self._entries + 1, self._bytes + size, self._today + 1

    def _count(self) -> None:
        now = time()
        files = [file for file in self._store.files() if OWN.fullmatch(file.name)]
        times_kept = Counter(file.name.partition(".")[0] for file in files)
        kept = []
        for file in files:
            whole = file.name.endswith((".png", ".json")) and times_kept[file.name.partition(".")[0]] == 2
            if whole or now - file.written < LEFTOVER:
                kept.append(file)
            else:
                self._store.delete(file.name)
        lines = [file for file in kept if file.name.endswith(".json")]
        self._entries, self._bytes = len(lines), sum(file.size for file in kept)
        self._today = sum(now - file.written < DAY for file in lines)
        self._counted = monotonic()


def collect(app: Flask, place: str) -> None:
    """Give `app` the routes of feedback, kept in `place`: a folder, or s3://bucket/prefix."""
    views = FeedbackViews(open_store(place))
    app.add_url_rule(contract.FEEDBACK, view_func=views.give_feedback, methods=["POST"])
    app.add_url_rule(contract.FEEDBACK, view_func=views.get_learning)
    app.add_url_rule(f"{contract.FEEDBACK}/<feedback_id>", view_func=views.get_feedback)
    app.add_url_rule(f"{contract.FEEDBACK}/<feedback_id>", view_func=views.delete_feedback, methods=["DELETE"])


class FeedbackViews:
    """The views that need the store."""

    def __init__(self, store: Store) -> None:
        self._store, self._quota = store, Quota(store)

    @operation(
        answers=FeedbackReceipt,
        status=201,
        json=Feedback,
        problems=(*PICTURE_PROBLEMS, contract.FEEDBACK_UNAVAILABLE, contract.FEEDBACK_FULL),
    )
    def give_feedback(self) -> Response:
        """Keep a drawing and its right label, with consent; the id alone can show and delete it."""
        if request.mimetype != "application/json":
            raise ApiProblem(contract.UNSUPPORTED_MEDIA, "Send feedback as application/json.")
        given = read_json(request, FEEDBACK)
        _check(given)
        receipt = FeedbackReceipt(self._keep(given))
        if said := given.prediction:
            right = given.label == (said.label or contract.NOT_A_DIGIT)
            g.judged = {"model": f"{said.model.name} {said.model.version}", "right": right}
        return Response(msgspec.json.encode(receipt), 201, content_type="application/json")

    @operation(answers=Learning, problems=(contract.FEEDBACK_UNAVAILABLE,))
    def get_learning(self) -> Response:
        """What the model learnt from the drawings that were given."""
        told = self._learnt()
        learning = Learning(**{name: getattr(told, name) for name in Learning.__annotations__})
        return Response(msgspec.json.encode(learning), content_type="application/json")

    @operation(answers=KeptFeedback, problems=PROBLEMS)
    def get_feedback(self, feedback_id: str) -> Response:
        """All that is kept under an id."""
        line, picture = self._find(feedback_id)
        image = b64encode(picture).decode() if picture else ""
        use = self._learnt().used.get(feedback_id)
        kept = KeptFeedback(feedback_id, line.label, line.created, line.prediction, image, use)
        return Response(msgspec.json.encode(kept), content_type="application/json")

    @operation(status=204, media="", problems=PROBLEMS)
    def delete_feedback(self, feedback_id: str) -> Response:
        """Forget what is kept under an id."""
        self._find(feedback_id)
        with _working():
            self._store.delete(f"{feedback_id}.png")  # first: where this fails, the entry is still found and deleted
            self._store.delete(f"{feedback_id}.json")
        return Response(status=204)

    def _keep(self, given: Feedback) -> str:
        """Write the drawing, then its line. Raises PictureError, ApiProblem."""
        came = from_base64(given.image)
        image = decode(came)
        normalise_image(image)  # a blank sheet teaches nothing: BlankPicture
        picture = _png(image, max(LEAST_BYTES, len(came)))
        feedback_id = secrets.token_hex(16)  # of nothing in it: who has the drawing too cannot delete it
        line = Line(feedback_id, given.label, datetime.now(UTC).isoformat(timespec="seconds"), given.prediction)
        text = msgspec.json.encode(line) + b"\n"
        with _working():
            self._quota.admit(len(picture) + len(text))
            try:
                self._store.write(f"{feedback_id}.png", picture)
                self._store.write(f"{feedback_id}.json", text)
            except _failures():
                with suppress(*_failures()):  # what stays all the same is swept later
                    self._store.delete(f"{feedback_id}.png")
                raise
        return feedback_id

    def _learnt(self) -> Learnt:
        """What training.improve left; nothing where it is missing or damaged."""
        with _working():
            text = self._store.read(LEARNING)
        try:
            return LEARNT.decode(text or b"{}")
        except msgspec.MsgspecError:
            log.error("feedback: %s is damaged", LEARNING)
            return Learnt()

    def _find(self, feedback_id: str) -> tuple[Line, bytes | None]:
        """An entry, of which either file may be missing or damaged after a crash. Raises ApiProblem."""
        with _working():
            known = ID.fullmatch(feedback_id)
            text = self._store.read(f"{feedback_id}.json") if known else None
            picture = self._store.read(f"{feedback_id}.png") if known else None
        if text is None and picture is None:
            raise ApiProblem(contract.NOT_FOUND, "Nothing is kept under this id.")
        try:
            return LINE.decode(text or b""), picture
        except msgspec.MsgspecError:
            return Line(feedback_id, "", "", None), picture


def _check(given: Feedback) -> None:
    """Raises ApiProblem 400."""
    if not given.consent:
        raise ApiProblem(contract.MALFORMED, "Without consent nothing is kept.")
    if not contract.LABEL.fullmatch(given.label):
        raise ApiProblem(contract.MALFORMED, "A label is a word or two, of at most 32 letters.")
    if said := given.prediction:
        texts = (said.label or "", said.model.name, said.model.version, said.model.served_by)
        if max(map(len, texts)) > MOST_CHARACTERS or not 0 <= said.confidence <= 1:
            raise ApiProblem(contract.MALFORMED, "This prediction is not one of this API's.")


def _png(image: Image.Image, most: int) -> bytes:
    """A PNG of at most so many bytes, smaller where it must be: a small WebP can hold a PNG of 12 MB.

    Without EXIF: a photo's place and camera are nobody's business.
    """
    bands = image.convert("RGB").split()
    grey = all(band.tobytes() == bands[0].tobytes() for band in bands[1:])
    plain = bands[0] if grey else image.convert("RGB")
    for side in (max(plain.size), *SIDES):
        plain.thumbnail((side, side))
        buffer = BytesIO()
        plain.save(buffer, "PNG")
        if buffer.tell() <= most:
            break
    return buffer.getvalue()


@contextmanager
def _working() -> Iterator[None]:
    """Whatever a folder or S3 raises -> the problem that it is."""
    try:
        yield
    except _failures() as error:
        log.error("feedback: %s", type(error).__name__)
        raise ApiProblem(contract.FEEDBACK_UNAVAILABLE, UNAVAILABLE, Retry_After="60") from None


def _failures() -> tuple[type[Exception], ...]:
    """A folder's errors; botocore's two families, if it was loaded at all."""
    if "botocore" not in sys.modules:
        return (OSError,)
    from botocore.exceptions import BotoCoreError, ClientError

    return (OSError, BotoCoreError, ClientError)
