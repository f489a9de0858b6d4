"""Drawings that people gave with their consent: POST, GET and DELETE /feedback, kept in a folder or in S3.

An entry is <id>.png, the drawing without its file's metadata, and <id>.json, one line with label, answer and time.
The id is made of picture and label, so that the same feedback twice is one entry.
"""

from __future__ import annotations

import logging
import re
import sys
from base64 import b64encode
from contextlib import contextmanager
from datetime import UTC, datetime
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import msgspec
from flask import Response, request

from backend import contract
from backend.contract import Feedback, FeedbackReceipt, Judged, KeptFeedback
from backend.intake import from_base64, read_json
from backend.openapi import PICTURE_PROBLEMS, operation
from backend.preprocessing import decode, normalise_image
from backend.problems import ApiProblem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flask import Flask
    from mypy_boto3_s3 import S3Client

log = logging.getLogger(__name__)

PROBLEMS = (contract.NOT_FOUND, contract.FEEDBACK_UNAVAILABLE)
ID = re.compile(r"[0-9a-f]{32}")
LABEL = re.compile(r"\w[\w /&-]{0,31}")
READ_TIMEOUT = 5  # seconds that S3 may be silent, twice
UNAVAILABLE = "The store of feedback does not answer. Try again in a minute."


class Line(msgspec.Struct):
    """<id>.json: what is kept beside the drawing."""

    id: str
    label: str
    created: str
    prediction: Judged | None


class Store(Protocol):
    """Files by name. Every method raises OSError, or botocore's own, where the store does not work."""

    def write(self, name: str, data: bytes) -> None:
        """Keep it, in place of what was there."""

    def read(self, name: str) -> bytes | None:
        """What is kept, or None."""

    def delete(self, name: str) -> None:
        """Forget it, if it is there."""


class FolderStore:
    """Files in one folder, made when the first comes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def write(self, name: str, data: bytes) -> None:
        """See Store."""
        self._folder.mkdir(parents=True, exist_ok=True)
        part = self._folder / f"{name}.part"
        part.write_bytes(data)
        part.replace(self._folder / name)  # at once: no reader sees half a file

    def read(self, name: str) -> bytes | None:
        """See Store."""
        path = self._folder / name
        return path.read_bytes() if path.exists() else None

    def delete(self, name: str) -> None:
        """See Store."""
        (self._folder / name).unlink(missing_ok=True)


class S3Store:
    """Objects below one prefix of a bucket."""

    def __init__(self, url: str) -> None:
        import boto3  # 0.1 s of import that a folder does not need
        from botocore.config import Config

        self._bucket, _, prefix = url.removeprefix("s3://").partition("/")
        self._prefix = prefix and f"{prefix.strip('/')}/"
        waiting = Config(
            connect_timeout=1, read_timeout=READ_TIMEOUT, retries={"mode": "standard", "total_max_attempts": 2}
        )
        self._client: S3Client = boto3.Session().client("s3", config=waiting)

    def write(self, name: str, data: bytes) -> None:
        """See Store."""
        self._client.put_object(Bucket=self._bucket, Key=self._prefix + name, Body=data)

    def read(self, name: str) -> bytes | None:
        """See Store."""
        try:
            return self._client.get_object(Bucket=self._bucket, Key=self._prefix + name)["Body"].read()
        except self._client.exceptions.NoSuchKey:
            return None

    def delete(self, name: str) -> None:
        """See Store."""
        self._client.delete_object(Bucket=self._bucket, Key=self._prefix + name)


def collect(app: Flask, place: str) -> None:
    """Give `app` the routes of feedback, kept in `place`: a folder, or s3://bucket/prefix."""
    store = S3Store(place) if place.startswith("s3://") else FolderStore(Path(place))
    views = FeedbackViews(store)
    app.add_url_rule(contract.FEEDBACK, view_func=views.give_feedback, methods=["POST"])
    app.add_url_rule(f"{contract.FEEDBACK}/<feedback_id>", view_func=views.get_feedback)
    app.add_url_rule(f"{contract.FEEDBACK}/<feedback_id>", view_func=views.delete_feedback, methods=["DELETE"])


class FeedbackViews:
    """The views that need the store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    @operation(
        answers=FeedbackReceipt,
        status=201,
        json=Feedback,
        problems=(*PICTURE_PROBLEMS, contract.FEEDBACK_UNAVAILABLE),
    )
    def give_feedback(self) -> Response:
        """Keep a drawing and its right label, with consent; the same content again is the same entry."""
        if request.mimetype != "application/json":
            raise ApiProblem(contract.UNSUPPORTED_MEDIA, "Send feedback as application/json.")
        given = read_json(request, Feedback)
        if not given.consent:
            raise ApiProblem(contract.MALFORMED, "Without consent nothing is kept.")
        if not LABEL.fullmatch(given.label):
            raise ApiProblem(contract.MALFORMED, "A label is a word or two, of at most 32 letters.")
        receipt = FeedbackReceipt(_keep(self._store, given))
        return Response(msgspec.json.encode(receipt), 201, content_type="application/json")

    @operation(answers=KeptFeedback, problems=PROBLEMS)
    def get_feedback(self, feedback_id: str) -> Response:
        """All that is kept under an id."""
        kept = _find(self._store, feedback_id)
        return Response(msgspec.json.encode(kept), content_type="application/json")

    @operation(status=204, media="", problems=PROBLEMS)
    def delete_feedback(self, feedback_id: str) -> Response:
        """Forget what is kept under an id."""
        _find(self._store, feedback_id)
        with _working():
            self._store.delete(f"{feedback_id}.json")
            self._store.delete(f"{feedback_id}.png")
        return Response(status=204)


def _keep(store: Store, given: Feedback) -> str:
    """Write the drawing, then its line: an entry without a line does not count. Raises PictureError."""
    image = decode(from_base64(given.image))
    normalise_image(image)  # a blank sheet teaches nothing: BlankPicture
    buffer = BytesIO()
    image.convert("RGB").save(buffer, "PNG")  # without EXIF: a photo's place and camera are nobody's business
    feedback_id = sha256(buffer.getvalue() + given.label.encode()).hexdigest()[:32]
    line = Line(feedback_id, given.label, datetime.now(UTC).isoformat(timespec="seconds"), given.prediction)
    with _working():
        if store.read(f"{feedback_id}.json") is None:
            store.write(f"{feedback_id}.png", buffer.getvalue())
            store.write(f"{feedback_id}.json", msgspec.json.encode(line) + b"\n")
    return feedback_id


def _find(store: Store, feedback_id: str) -> KeptFeedback:
    with _working():
        known = ID.fullmatch(feedback_id)
        line = store.read(f"{feedback_id}.json") if known else None
        picture = store.read(f"{feedback_id}.png") if line else None
    if line is None or picture is None:
        raise ApiProblem(contract.NOT_FOUND, "Nothing is kept under this id.")
    kept = msgspec.json.decode(line, type=Line)
    return KeptFeedback(kept.id, kept.label, kept.created, kept.prediction, b64encode(picture).decode())


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
