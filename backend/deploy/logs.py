"""The stage's log groups: made before AWS would, so that they have our tags and forget."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from backend.deploy.parts import Left, Part
from backend.deploy.refusals import attempt, pages
from backend.deploy.stage import PROJECT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from backend.deploy.stage import Stage

LOG_DAYS = 14
TRAINING_JOBS, TRANSFORM_JOBS = (
    "/aws/sagemaker/TrainingJobs",
    "/aws/sagemaker/TransformJobs",
)  # everybody's in the account


def ensure_log_group(stage: Stage, name: str) -> None:
    """Make the log group before AWS does, so that it has our tags and forgets after LOG_DAYS."""
    logs = stage.client("logs")
    if not _exists(stage, name):
        logs.create_log_group(logGroupName=name, tags=stage.tags)
    logs.put_retention_policy(logGroupName=name, retentionInDays=LOG_DAYS)


def ensure_job_logs(stage: Stage, group: str) -> None:
    """Make the account's log group of such jobs before SageMaker does, which sets no end to it.

    One that is there is other people's too: its retention stays theirs.
    """
    if not _exists(stage, group):
        logs = stage.client("logs")
        logs.create_log_group(logGroupName=group, tags={"Project": PROJECT})
        logs.put_retention_policy(logGroupName=group, retentionInDays=LOG_DAYS)


def print_logs(stage: Stage, groups: Sequence[str], minutes: float, *, follow: bool = False) -> None:
    """Print what was written to the log groups in the last minutes, and with `follow` go on until Ctrl-C."""
    since = dict.fromkeys(groups, int(1000 * (time.time() - 60 * minutes)))  # ms of 1970
    printed: set[str] = set()
    while True:
        for group in groups:
            for event in events(stage, group, since[group]):
                if event["eventId"] not in printed:
                    moment = time.strftime("%H:%M:%S", time.gmtime(event["timestamp"] / 1000))
                    print(f"{moment} {event['message'].rstrip()}", flush=True)
                    printed.add(event["eventId"])
                    since[group] = event["timestamp"]
        if not follow:
            return
        time.sleep(2)


def events(stage: Stage, group: str, since: int, matching: str = "") -> Iterator[dict[str, Any]]:
    """The group's events since then, in ms of 1970, that match the filter; none where there is no such group."""
    asked = {"filterPattern": matching} if matching else {}
    if _exists(stage, group):
        yield from pages(
            stage.client("logs"), "filter_log_events", "events", logGroupName=group, startTime=since, **asked
        )


def _exists(stage: Stage, name: str) -> bool:
    found = pages(stage.client("logs"), "describe_log_groups", "logGroups", logGroupNamePrefix=name)
    return any(group["logGroupName"] == name for group in found)


def log_part(names_of: Callable[[Stage], Sequence[str]]) -> Part:
    """The log groups of these names, as `status` shows and `destroy` removes them."""

    def find(stage: Stage) -> list[Left]:
        return [Left("log group", name) for name in names_of(stage) if _exists(stage, name)]

    def remove(stage: Stage, name: str) -> None:
        attempt(stage.client("logs").delete_log_group, logGroupName=name)

    return Part("log group", find, remove)


def _job_logs(stage: Stage) -> list[Left]:
    """The log groups in which jobs of this stage have written."""
    counted = {group: len(_streams(stage, group)) for group in (TRAINING_JOBS, TRANSFORM_JOBS)}
    return [Left("job log", group, note=f"{number} streams") for group, number in counted.items() if number]


def _streams(stage: Stage, group: str) -> list[str]:
    """The streams of this stage's jobs: SageMaker begins their names with the job's."""
    if not _exists(stage, group):
        return []
    asked = {"logGroupName": group, "logStreamNamePrefix": f"{stage.prefix}-"}
    found = pages(stage.client("logs"), "describe_log_streams", "logStreams", **asked)
    return [stream["logStreamName"] for stream in found]


def _remove_job_logs(stage: Stage, group: str) -> None:
    """Remove the stage's streams, and the group where it was made here and nothing else is in it."""
    logs = stage.client("logs")
    for name in _streams(stage, group):
        attempt(logs.delete_log_stream, logGroupName=group, logStreamName=name)
    ours = logs.list_tags_for_resource(resourceArn=stage.arn("logs", f"log-group:{group}"))["tags"]
    if ours.get("Project") == PROJECT and not logs.describe_log_streams(logGroupName=group, limit=1)["logStreams"]:
        attempt(logs.delete_log_group, logGroupName=group)


JOB_LOGS = Part("job log", _job_logs, _remove_job_logs)
