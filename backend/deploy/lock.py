"""One deploys a stage at a time: a lock in the stage's bucket, with owner and age, taken over when it is stale."""

from __future__ import annotations

import getpass
import json
import os
import socket
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from backend.deploy.refusals import StageError, attempt, code_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from backend.deploy.stage import Stage

KEY = "lock.json"
STALE_SECONDS = 3600  # a deploy takes minutes; an endpoint that does not come up is given up after thirty


@contextmanager
def held(stage: Stage) -> Iterator[None]:
    """Hold the stage's lock; the bucket is there. Raises StageError where somebody else does."""
    if stage.dry_run:
        yield
        return
    mine = {"user": getpass.getuser(), "host": socket.gethostname(), "pid": os.getpid(), "since": time.time()}
    _take(stage, mine)
    try:
        yield
    finally:
        if _holder(stage) == mine:  # not where it was taken over
            stage.client("s3").delete_object(Bucket=stage.bucket("deploy"), Key=KEY)


def _take(stage: Stage, mine: dict[str, Any]) -> None:
    for _ in range(2):
        try:
            # S3 makes it only where there is none: of two that come at once, one gets 412
            body = json.dumps(mine).encode()
            stage.client("s3").put_object(Bucket=stage.bucket("deploy"), Key=KEY, Body=body, IfNoneMatch="*")
        except Exception as error:
            if code_of(error) not in ("PreconditionFailed", "ConditionalRequestConflict", "412"):
                raise
            _check_stale(stage)
        else:
            return
    raise StageError("Somebody else began to deploy this stage at the same moment: run the command again.")


def _check_stale(stage: Stage) -> None:
    """Remove a lock that nobody can still hold. Raises StageError where somebody may."""
    there = _holder(stage)
    if there is None:
        return
    minutes, owner = (time.time() - there["since"]) / 60, f"{there['user']} on {there['host']}"
    if minutes * 60 < STALE_SECONDS and not _died(there):
        raise StageError(
            f"{owner} has been deploying stage {stage.name} for {minutes:.0f} minutes: wait, or, where that command "
            f"has died, run this again {STALE_SECONDS / 60 - minutes:.0f} minutes from now."
        )
    print(f"  took over the lock of {owner}, {minutes:.0f} minutes old")
    stage.client("s3").delete_object(Bucket=stage.bucket("deploy"), Key=KEY)


def _died(there: dict[str, Any]) -> bool:
    """Whether the holder was a process of this machine that is no more, or is this one."""
    if there["host"] != socket.gethostname() or there["pid"] == os.getpid():
        return bool(there["host"] == socket.gethostname())
    try:
        os.kill(there["pid"], 0)
    except ProcessLookupError:
        return True
    except PermissionError:  # somebody else's, and alive
        return False
    return False


def _holder(stage: Stage) -> dict[str, Any] | None:
    found = attempt(stage.client("s3").get_object, Bucket=stage.bucket("deploy"), Key=KEY)
    return dict(json.loads(found["Body"].read())) if found else None
