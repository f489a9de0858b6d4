"""model.tar.gz and what jobs leave in S3, unpacked."""

from __future__ import annotations

import tarfile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def unpack(packed: Path, folder: Path) -> None:
    """Write a tar's files into `folder`; no links, no owners. Raises tarfile.TarError for one that would lie outside.

    `extractall(filter="data")` does the same from Python 3.11.4 on; Debian 12 has 3.11.2.
    """
    with tarfile.open(packed) as archive:
        for member in archive:
            place = (folder / member.name).resolve()
            if not place.is_relative_to(folder.resolve()):
                raise tarfile.ReadError(f"{packed}: {member.name} would lie outside of {folder}")
            content = archive.extractfile(member) if member.isfile() else None
            if content:
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_bytes(content.read())
