"""The stage's log groups: made before AWS would, so that they have our tags and forget."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from backend.deploy.parts import Left, Part
from backend.deploy.refusals import attempt, pages

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from backend.deploy.stage import Stage

LOG_DAYS = 14


def ensure_log_group(stage: Stage, name: str) -> None:
    """Make the log group before AWS does, so that it has our tags and forgets after LOG_DAYS."""
    logs = stage.client("logs")
    if not _exists(stage, name):
        logs.create_log_group(logGroupName=name, tags=stage.tags)
    logs.put_retention_policy(logGroupName=name, retentionInDays=LOG_DAYS)


def print_logs(stage: Stage, groups: Sequence[str], minutes: float, *, follow: bool = False) -> None:
    """Print what was written to the log groups in the last minutes, and with `follow` go on until Ctrl-C."""
    since = dict.fromkeys(groups, int(1000 * (time.time() - 60 * minutes)))  # ms of 1970
    printed: set[str] = set()
    while True:
        for group in groups:
            for event in _events(stage, group, since[group]):
                if event["eventId"] not in printed:
                    moment = time.strftime("%H:%M:%S", time.gmtime(event["timestamp"] / 1000))
                    print(f"{moment} {event['message'].rstrip()}", flush=True)
                    printed.add(event["eventId"])
                    since[group] = event["timestamp"]
        if not follow:
            return
        time.sleep(2)


def _events(stage: Stage, group: str, since: int) -> Iterator[dict[str, Any]]:
    """The group's events since then, in ms of 1970; none where there is no such group."""
    logs = stage.client("logs")
    if _exists(stage, group):
        yield from pages(logs, "filter_log_events", "events", logGroupName=group, startTime=since)


def _exists(stage: Stage, name: str) -> bool:
    found = pages(stage.client("logs"), "describe_log_groups", "logGroups", logGroupNamePrefix=name)
    return any(group["logGroupName"] == name for group in found)


def log_part(name_of: Callable[[Stage], str]) -> Part:
    """The log group of this name, as `status` shows and `destroy` removes it."""

    def find(stage: Stage) -> list[Left]:
        return [Left("log group", name_of(stage))] if _exists(stage, name_of(stage)) else []

    def remove(stage: Stage, name: str) -> None:
        attempt(stage.client("logs").delete_log_group, logGroupName=name)

    return Part("log group", find, remove)
