"""Drawings that people gave with their consent, as the API's POST /feedback keeps them: <id>.png beside <id>.json."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from training.data.sources import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator


class Given(NamedTuple):
    """One drawing's bytes and what the person said it is."""

    picture: bytes
    label: str


def read() -> list[Given]:
    """Every drawing in BACKEND_FEEDBACK, a folder or s3://bucket/prefix. Raises DataError if there is none."""
    place = os.environ.get("BACKEND_FEEDBACK", "")
    if not place:
        raise DataError("BACKEND_FEEDBACK is not set: the folder or s3://bucket/prefix that the API keeps drawings in.")
    given = list(_bucket(place) if place.startswith("s3://") else _folder(Path(place)))
    if not given:
        raise DataError(f"There are no drawings in {place} yet.")
    return given


def _folder(folder: Path) -> Iterator[Given]:
    for line in sorted(folder.glob("*.json")):
        yield Given(line.with_suffix(".png").read_bytes(), json.loads(line.read_text(encoding="utf-8"))["label"])


def _bucket(place: str) -> Iterator[Given]:
    import boto3  # the only dataset that needs it

    bucket, _, prefix = place.removeprefix("s3://").partition("/")
    client = boto3.Session().client("s3")
    for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
        for key in (entry["Key"] for entry in page.get("Contents", []) if entry["Key"].endswith(".json")):
            line = json.loads(client.get_object(Bucket=bucket, Key=key)["Body"].read())
            picture = client.get_object(Bucket=bucket, Key=key.removesuffix(".json") + ".png")["Body"].read()
            yield Given(picture, line["label"])
