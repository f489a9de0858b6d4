"""The rights of whoever deploys: least, linted, and complete for every call that the commands are seen to make."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from backend.deploy import __main__ as deploy
from backend.deploy import canary, choices, function, package
from backend.deploy.logs import TRAINING_JOBS, ensure_job_logs
from backend.deploy.options import Options
from backend.deploy.plan import Plan
from backend.deploy.refusals import ACTIONS
from backend.deploy.roles import policy
from backend.deploy.stage import open_stage
from tests.cloud.test_destroy import furnish
from tests.cloud.unwilling import Unwilling

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest

    from backend.deploy.plan import Release
    from backend.deploy.stage import Stage

LARGEST = 6144  # letters of a managed policy
NONE_NEEDED = {"sts:GetCallerIdentity"}
PREFIXES = {"resourcegroupstaggingapi": "tag", "sagemaker-runtime": "sagemaker"}


def actions(document: dict[str, Any]) -> set[str]:
    found: set[str] = set()
    for statement in document["Statement"]:
        found |= {statement["Action"]} if isinstance(statement["Action"], str) else set(statement["Action"])
    return found


def right(call: str) -> str:
    """A call as it was seen on the wire -> the action that IAM asks for."""
    service, operation, method = call.split()
    if service == "apigateway":
        return f"apigateway:{method}"
    return ACTIONS.get(operation, f"{PREFIXES.get(service, service)}:{operation}")


def test_policy_passes_the_linter_and_fits_into_one(stage: Stage) -> None:
    text = json.dumps(policy(stage, "deployer"), separators=(",", ":"))
    assert len(text) <= LARGEST
    command = [str(Path(sys.executable).with_name("parliament")), "--string", text]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_the_command_prints_it_for_the_account(stage: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    deploy.main(["policy", "--stage", stage.name])
    printed = json.loads(capsys.readouterr().out)
    assert stage.account in json.dumps(printed)
    assert actions(printed) == actions(policy(stage, "deployer"))


def test_only_the_workflow_of_one_repository_and_environment_may_take_the_role(
    stage: Stage, capsys: pytest.CaptureFixture[str]
) -> None:
    deploy.main(["policy", "--stage", stage.name, "--github", "somebody/digits"])
    [statement] = json.loads(capsys.readouterr().out)["Statement"]
    known = statement["Condition"]["StringEquals"]
    assert known["token.actions.githubusercontent.com:sub"] == "repo:somebody/digits:environment:test"
    assert stage.account in statement["Principal"]["Federated"]


def test_the_workflow_runs_what_make_has_and_keeps_no_key() -> None:
    text = Path(".github/workflows/deploy.yml").read_text()
    workflow = yaml.safe_load(text)
    job = workflow["jobs"]["deploy"]
    assert (workflow["permissions"], job["permissions"]) == ({}, {"contents": "read", "id-token": "write"})
    targets = set(re.findall(r"^([a-z-]+):", Path("Makefile").read_text(), re.MULTILINE))
    runs = [step["run"] for step in job["steps"] if "run" in step]
    assert {run.split()[1] for run in runs} <= targets
    assert not any("${{" in run for run in runs)  # an input in a command would be run as one
    assert "secrets." not in text


def test_every_call_of_up_status_and_destroy_is_allowed(
    stage: Stage, make_release: Callable[[str], Release], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On instances and serverless, a first time and again; Zappa's own process too."""
    calls = tmp_path / "calls"
    calls.touch()
    monkeypatch.setenv("CALLS_FILE", str(calls))
    archive = tmp_path / "package.zip"
    archive.write_bytes(b"PK\x05\x06" + 18 * b"\0")
    monkeypatch.setattr(package, "build", lambda *_, **__: tmp_path)
    monkeypatch.setattr(package, "package", lambda *_: archive)
    aws = Unwilling(stage)
    furnish(stage)
    deploy.destroy(stage)
    deploy.release.up(stage, make_release("2026.1.1"), Plan())
    deploy.release.up(stage, make_release("2026.1.2"), Plan())
    for _ in range(2):
        function.up(stage, Options(email="me@example.org"), lambda *_: "answers")
    deploy.status(stage)
    deploy.logs(stage, 60)
    more = {"domain": "api.example.org", "certificate": "arn:aws:acm:us-east-1:123456789012:certificate/1"}
    function.up(stage, Options(**more), lambda *_: "answers")
    choices.keep(stage, choices.chosen({}, {}))
    now = canary.share(choices.chosen({}, {}), 10, shadow=False)
    for version, end in (("2026.1.3", canary.stop), ("2026.1.4", canary.promote)):
        canary.start(stage, make_release(version), now, lambda *_: "answers")
        end(stage, now, check=lambda *_: "answers")
    ensure_job_logs(stage, TRAINING_JOBS)
    job = open_stage(stage.name).client("logs")  # SageMaker's own call
    job.create_log_stream(logGroupName=TRAINING_JOBS, logStreamName=f"{stage.prefix}-train/1")
    deploy.destroy(stage)
    seen = aws.calls | set(calls.read_text().splitlines())
    allowed = actions(policy(stage, "deployer")) | NONE_NEEDED
    assert {right(call) for call in seen} - allowed == set()
    print(f"{len(seen)} kinds of calls, {len({right(call) for call in seen})} rights")
    assert len(seen) > 90
