"""A stage remembers what was chosen for it: a later deploy shows it and changes only what it is told to."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from backend.deploy import __main__ as deploy
from backend.deploy import choices, function, options, release
from backend.deploy.buckets import ensure_bucket
from backend.deploy.options import Options
from backend.deploy.roles import ensure_role, policy
from backend.deploy.stage import open_stage
from backend.deploy.trial import TrialError

if TYPE_CHECKING:
    from backend.deploy.plan import Plan
    from backend.deploy.stage import Stage


class Made:
    """What the halves were asked to deploy."""

    functions: list[Options]
    plans: list[Plan]


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> Made:
    """Both halves note what they are asked for; the stage's bucket is real, as far as moto is."""
    noted = Made()
    noted.functions, noted.plans = [], []
    monkeypatch.setattr(function, "up", lambda _, options: noted.functions.append(options))
    monkeypatch.setattr(release, "up", lambda _, __, plan, ___: noted.plans.append(plan))
    return noted


def run(stage: Stage, *given: str) -> None:
    deploy.up(stage, deploy.parser().parse_args(["up", "--yes", "--accept-hourly", *given]))


def test_a_later_deploy_keeps_every_choice(stage: Stage, made: Made) -> None:
    chosen = ["--email", "me@example.org", "--rate", "3", "--quota", "1000000", "--budget", "7", "--fallback"]
    run(stage, *chosen, "--instance-type", "ml.m5.large", "--ttl-hours", "2")
    run(stage)
    first, second = made.functions
    assert first == second == Options("sagemaker", True, "me@example.org", 3, 20, 1000000, 7)
    assert made.plans[0] == made.plans[1]
    assert (made.plans[1].instance_type, made.plans[1].ttl_hours) == ("ml.m5.large", 2)


def test_a_choice_changes_only_by_saying_so(stage: Stage, made: Made, capsys: pytest.CaptureFixture[str]) -> None:
    run(stage, "--mode", "embedded", "--email", "me@example.org", "--burst", "5")
    capsys.readouterr()
    run(stage, "--email", "")
    assert made.functions[-1] == Options("embedded", email="", burst=5)
    told = capsys.readouterr().out
    assert "  email: me@example.org -> none" in told
    assert "  burst: 5\n" in told


def test_what_failed_its_trial_is_not_remembered(stage: Stage, made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    run(stage, "--mode", "embedded", "--rate", "3")

    def fails(*_: Any) -> None:
        raise TrialError("It answers 500.")

    monkeypatch.setattr(function, "up", fails)
    with pytest.raises(TrialError):
        run(stage, "--rate", "99", "--fallback")
    assert choices.options(choices.chosen(choices.remembered(stage), {})) == Options("embedded", rate=3)


def test_another_stage_has_its_own(stage: Stage, made: Made) -> None:
    run(stage, "--mode", "embedded", "--rate", "3")
    assert choices.remembered(open_stage("other")) == {}


def test_make_passes_on_what_is_given_and_nothing_else() -> None:
    def line(*given: str) -> list[str]:
        command = [str(shutil.which("make")), "--no-print-directory", "-n", "deploy", *given]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        return done.stdout[done.stdout.index("backend.deploy up") :].replace("\\\n", "").split()

    plain = line()
    assert plain == ["backend.deploy", "up", "--stage", "dev", "--requests-per-day", "1000"]
    more = line("EMAIL=", "QUOTA=9", "TTL_HOURS=0", "FALLBACK=0", "TAG=a=b c=d", "YES=1")
    assert more[len(plain) :] == [
        "--email",
        '""',
        "--quota",
        '"9"',
        "--ttl-hours",
        '"0"',
        "--no-fallback",
        "--tag",
        "a=b",
        "c=d",
        "--yes",
    ]


def test_tags_and_boundary_are_on_everything_that_is_made_and_are_remembered(stage: Stage) -> None:
    boundary = "arn:aws:iam::123456789012:policy/bound"
    run = deploy.parser().parse_args(["up", "--tag", "team=digits", "cost=4 2", "--permissions-boundary", boundary])
    ensure_bucket(stage, "deploy")
    choices.keep(stage, choices.settle(stage, vars(run))[1])
    later = open_stage(stage.name)
    choices.settle(later, {})
    bucket, role = ensure_bucket(later, "models"), ensure_role(later, "ttl", policy(later, "schedule"))
    tags = later.client("s3").get_bucket_tagging(Bucket=bucket)["TagSet"]
    wanted = {"team": "digits", "cost": "4 2", "Project": "fullstack-model", "Stage": "test"}
    assert {tag["Key"]: tag["Value"] for tag in tags} == wanted
    made = later.client("iam").get_role(RoleName=role.rpartition("/")[2])["Role"]
    assert made["PermissionsBoundary"]["PermissionsBoundaryArn"] == boundary
    assert options.settings(later, Options())[later.name]["tags"] == wanted
    choices.settle(later, {"tag": []})
    assert later.tags == later.mark
    assert later.owns(tags)


def test_a_role_that_is_there_gets_its_boundary(stage: Stage) -> None:
    ensure_role(stage, "ttl", policy(stage, "schedule"))
    choices.settle(stage, {"permissions_boundary": "arn:aws:iam::123456789012:policy/bound"})
    for _ in range(2):
        role = ensure_role(stage, "ttl", policy(stage, "schedule"))
    made = stage.client("iam").get_role(RoleName=role.rpartition("/")[2])["Role"]
    assert made["PermissionsBoundary"]["PermissionsBoundaryArn"].endswith(":policy/bound")


@pytest.mark.parametrize("tag", ["team", "=x", "aws:team=x", "Stage=other", "Project=mine"])
def test_a_tag_that_cannot_be_is_refused_before_anything(tag: str) -> None:
    with pytest.raises(SystemExit, match="2"):
        deploy.parser().parse_args(["up", "--tag", tag])


@pytest.mark.parametrize(
    "given", [["--quota", "0"], ["--memory-mb", "1500"], ["--concurrency", "201"], ["--budget", "x"], ["--rate", "nan"]]
)
def test_a_number_that_aws_refuses_is_refused_before_anything(given: list[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        deploy.parser().parse_args(["up", *given])
