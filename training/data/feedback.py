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
        picture = line.with_suffix(".png")
        if picture.is_file() and not picture.is_symlink() and (label := _label(line.read_bytes())):
            yield Given(picture.read_bytes(), label)


def _bucket(place: str) -> Iterator[Given]:
    import boto3  # the only dataset that needs it

    bucket, _, prefix = place.removeprefix("s3://").partition("/")
    client = boto3.Session().client("s3")
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    names = {entry["Key"] for page in pages for entry in page.get("Contents", [])}
    for key in sorted(name for name in names if name.endswith(".json")):
        picture = f"{key.removesuffix('.json')}.png"
        if picture in names and (label := _label(client.get_object(Bucket=bucket, Key=key)["Body"].read())):
            yield Given(client.get_object(Bucket=bucket, Key=picture)["Body"].read(), label)


def _label(line: bytes) -> str:
    """Empty where a crash or a person damaged the line: such an entry teaches nothing, and stops nothing."""
    try:
        return str(json.loads(line)["label"])
    except (ValueError, KeyError, TypeError):
        return ""
