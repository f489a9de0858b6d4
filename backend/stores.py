"""Where feedback's files lie: one folder, or the objects below a prefix in S3."""

from __future__ import annotations

import errno
import os
import secrets
import stat
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mypy_boto3_s3 import S3Client

LEARNING = "learning.json"  # beside the drawings: what was learnt from them, as training.improve leaves it
READ_TIMEOUT = 5  # seconds that S3 may be silent, twice
# A link is not followed, and a pipe that somebody put there is not waited for. Windows has neither flag.
OWN_FILE = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)


class File(NamedTuple):
    """One of a store's files; `written` in seconds since 1970."""

    name: str
    size: int
    written: float


class Store(Protocol):
    """Files by name. Every method raises OSError, or botocore's own, where the store does not work."""

    def write(self, name: str, data: bytes) -> None:
        """Keep it, whole or not at all."""

    def read(self, name: str) -> bytes | None:
        """What is kept, or None."""

    def delete(self, name: str) -> None:
        """Forget it, if it is there."""

    def files(self) -> Iterator[File]:
        """All that is there."""


def open_store(place: str) -> Store:
    """The store in `place`: a folder, or s3://bucket/prefix. Raises SettingsError where boto3 cannot be set up."""
    return S3Store(place) if place.startswith("s3://") else FolderStore(Path(place))


class FolderStore:
    """Files in one folder, made when the first comes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def write(self, name: str, data: bytes) -> None:
        """See Store. No reader sees half a file; a link in its place is replaced, not followed."""
        self._folder.mkdir(parents=True, exist_ok=True)
        part = self._folder / f"{secrets.token_hex(8)}.part"  # its own, whatever else is written at the same time
        try:
            with part.open("xb") as file:
                file.write(data)
            part.replace(self._folder / name)
        except OSError:
            with suppress(OSError):
                part.unlink(missing_ok=True)
            raise

    def read(self, name: str) -> bytes | None:
        """See Store."""
        try:
            descriptor = os.open(self._folder / name, OWN_FILE)
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.ELOOP):
                return None
            raise
        with open(descriptor, "rb") as file:  # noqa: PTH123 - a descriptor has no path
            return file.read() if stat.S_ISREG(os.fstat(descriptor).st_mode) else None

    def delete(self, name: str) -> None:
        """See Store."""
        (self._folder / name).unlink(missing_ok=True)

    def files(self) -> Iterator[File]:
        """See Store."""
        with suppress(FileNotFoundError), os.scandir(self._folder) as entries:
            for entry in entries:
                if entry.is_file(follow_symlinks=False):
                    status = entry.stat(follow_symlinks=False)
                    yield File(entry.name, status.st_size, status.st_mtime)


class S3Store:
    """Objects below one prefix of a bucket."""

    def __init__(self, url: str) -> None:
        from backend.bounded import make_client  # 0.1 s of import, boto3's, that a folder does not need

        self._bucket, _, prefix = url.removeprefix("s3://").partition("/")
        self._prefix = prefix and f"{prefix.strip('/')}/"
        retries = {"mode": "standard", "total_max_attempts": 2}
        self._client: S3Client = make_client("s3", connect_timeout=1, read_timeout=READ_TIMEOUT, retries=retries)

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

    def files(self) -> Iterator[File]:
        """See Store."""
        pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=self._prefix)
        for page in pages:
            for each in page.get("Contents", []):
                name = each["Key"].removeprefix(self._prefix)
                yield File(name, each["Size"], each["LastModified"].timestamp())
