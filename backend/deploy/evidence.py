"""What a canary and the release beside it have done, counted from the function's own log.

FilterLogEvents costs nothing. Used by canary.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from backend.deploy.logs import events
from backend.deploy.rule import Counts
from backend.deploy.trial import REQUEST_ID

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from backend.deploy.stage import Stage

FILTER = "?canary ?judged"  # of what a line of the API's log says
MOST = 200_000  # lines: at 10,000 a call and a second, half a minute


class Evidence(NamedTuple):
    """Both releases' counts since the canary began."""

    stable: Counts
    new: Counts


def read(stage: Stage, group: str, since: float, stable: str, new: str) -> Evidence:
    """Count the log's lines since then (seconds of 1970); `stable` and `new` are the two versions."""
    return count(_records(stage, group, since), stable, new)


def _records(stage: Stage, group: str, since: float) -> Iterator[dict[str, Any]]:
    for number, event in enumerate(events(stage, group, int(1000 * since), FILTER)):
        if number >= MOST:
            print(f"  counted the first {MOST:,} lines of the log only")
            return
        text = event["message"]
        try:
            record = json.loads(text[text.index("{") :])
        except ValueError:  # Lambda's own lines
            continue
        if record.get("request_id") != REQUEST_ID:
            yield record


def count(records: Iterable[dict[str, Any]], stable: str, new: str) -> Evidence:
    """The API's log records -> what each release did."""
    found = Evidence(Counts(), Counts())
    for record in records:
        asked = record.get("canary", {}).get("asked")
        if asked == "stable":
            _answered(found.stable, record)
        elif asked == "candidate":
            _answered(found.new, record)
        elif asked == "both":
            _answered(found.stable, record | {"canary": {}})
            _shadowed(found.new, record["canary"])
        if judged := record.get("judged"):
            versions = {stable: found.stable, new: found.new}
            counts = versions.get(judged["model"].rpartition(" ")[2], Counts())
            counts.judged += 1
            counts.corrections += not judged["right"]
    return found


def _answered(counts: Counts, record: dict[str, Any]) -> None:
    """A request that this release was asked; of what failed, the other's answer is nobody's figure."""
    if record["canary"].get("failed") or record["status"] in (502, 503, 504):
        counts.failures += record["canary"].get("failed") != "ModelStarting"
    elif "rejections" in record:
        counts.answers += sum(record.get("labels", {None: 1}).values())
        counts.rejections += record["rejections"]
        counts.ms.append(record["timing_ms"]["inference"])


def _shadowed(counts: Counts, said: dict[str, Any]) -> None:
    if "failed" in said:
        counts.failures += said["failed"] != "ModelStarting"
        return
    counts.answers += said["answers"]
    counts.rejections += said["rejections"]
    counts.same = (counts.same or 0) + said["same"]
    counts.ms.append(said["ms"])
