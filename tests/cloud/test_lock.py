"""Two people, one stage: one deploys at a time, and nobody takes back what somebody else has put there."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest

from backend.deploy import endpoint, lock
from backend.deploy import release as serving
from backend.deploy.buckets import ensure_bucket
from backend.deploy.logs import print_logs
from backend.deploy.plan import Plan
from backend.deploy.refusals import StageError
from backend.deploy.trial import TrialError

if TYPE_CHECKING:
    from collections.abc import Callable

    from backend.deploy.plan import Release
    from backend.deploy.stage import Stage
    from tests.cloud.conftest import Endpoint


@pytest.fixture
def place(stage: Stage) -> Stage:
    ensure_bucket(stage, "deploy")
    return stage


def put(stage: Stage, host: str, minutes: float, pid: int = 1) -> None:
    """A lock of somebody's."""
    held = {"user": "ada", "host": host, "pid": pid, "since": time.time() - 60 * minutes}
    stage.client("s3").put_object(Bucket=stage.bucket("deploy"), Key=lock.KEY, Body=json.dumps(held).encode())


def test_the_second_waits_and_knows_for_whom(place: Stage) -> None:
    put(place, "elsewhere", 5)
    with (
        pytest.raises(StageError, match=r"ada on elsewhere has been deploying stage test for 5 minutes"),
        lock.held(place),
    ):
        pytest.fail("two at once")


def test_the_lock_ends_with_its_command_whatever_happened(place: Stage) -> None:
    for _ in range(2):
        with pytest.raises(StageError, match="no"), lock.held(place):
            raise StageError("no")
    assert lock._holder(place) is None


def test_a_stale_lock_is_taken_over(place: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    put(place, "elsewhere", 61)
    with lock.held(place):
        pass
    assert "took over the lock of ada on elsewhere, 61 minutes old" in capsys.readouterr().out


def test_a_command_that_died_here_holds_nothing(place: Stage) -> None:
    """Run again, it goes on at once. No process has this number: Linux gives none above 4194304."""
    import socket

    put(place, socket.gethostname(), 1, pid=4_194_305)
    with lock.held(place):
        pass


def test_a_lock_that_was_taken_over_is_left_to_its_new_owner(place: Stage) -> None:
    with lock.held(place):
        place.client("s3").delete_object(Bucket=place.bucket("deploy"), Key=lock.KEY)
        put(place, "elsewhere", 0)
    assert (lock._holder(place) or {})["host"] == "elsewhere"


def test_what_somebody_else_has_deployed_since_is_not_taken_back(
    stage: Stage, aws: Endpoint, make_release: Callable[[str], Release]
) -> None:
    first, second = make_release("2026.1.1"), make_release("2026.1.2")
    serving.up(stage, first, Plan())
    theirs = endpoint.describe(stage)
    assert theirs

    def interfere(answer: dict[str, Any]) -> None:
        stage.client("sagemaker").update_endpoint(
            EndpointName=stage.prefix, EndpointConfigName=theirs["EndpointConfigName"]
        )
        answer.clear()

    aws.spoil, aws.spoiled = interfere, stage.prefix
    with pytest.raises(TrialError, match="Somebody else has deployed since"):
        serving.up(stage, second, Plan())


def test_logs_are_followed_without_a_line_twice(
    stage: Stage, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    logs = stage.client("logs")
    logs.create_log_group(logGroupName="g")
    logs.create_log_stream(logGroupName="g", logStreamName="s")
    turns = iter(["second", "third", None])

    def write(text: str) -> None:
        events = [{"timestamp": int(1000 * time.time()), "message": text}]
        logs.put_log_events(logGroupName="g", logStreamName="s", logEvents=events)

    def wait(_: float) -> None:
        text = next(turns)
        if text is None:
            raise KeyboardInterrupt
        write(text)

    write("first")
    monkeypatch.setattr("time.sleep", wait)
    with pytest.raises(KeyboardInterrupt):
        print_logs(stage, ["g"], 60, follow=True)
    assert [line.split()[1] for line in capsys.readouterr().out.splitlines()] == ["first", "second", "third"]
