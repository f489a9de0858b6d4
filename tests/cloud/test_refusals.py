"""What people meet: each refusal of AWS' is one sentence with the remedy, exit code 1, and nothing half-made."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError, NoCredentialsError, NoRegionError

from backend.deploy.refusals import SENTENCES, StageError, explain
from backend.deploy.stage import ROOT
from tests.cloud.conftest import DUMMY
from tests.cloud.halves import model_parts

if TYPE_CHECKING:
    from collections.abc import Callable

    from backend.deploy.stage import Stage

COMMANDS = [("backend.deploy", "up"), ("backend.deploy", "status")]

KEYS = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing"}


def run(*command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """A command as a person runs it, without any of this machine's AWS settings."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    nowhere = {name: value for name, value in DUMMY.items() if "FILE" in name or "METADATA" in name}
    return subprocess.run(
        [sys.executable, "-m", *command],
        env={**clean, **nowhere, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("command", COMMANDS)
def test_no_credentials(command: tuple[str, str]) -> None:
    done = run(*command, AWS_DEFAULT_REGION="us-east-1")
    assert (done.returncode, done.stderr.strip()) == (1, SENTENCES["NoCredentialsError"])


@pytest.mark.parametrize("command", COMMANDS)
def test_no_region(command: tuple[str, str]) -> None:
    done = run(*command, **KEYS)
    assert (done.returncode, done.stderr.strip()) == (1, SENTENCES["NoRegionError"])


def test_region_that_does_not_answer() -> None:
    dead = {"AWS_ENDPOINT_URL": "http://127.0.0.1:9", "AWS_DEFAULT_REGION": "us-nowhere-1"}
    done = run("backend.deploy", "status", **KEYS, **dead)
    assert (done.returncode, done.stderr.strip()) == (1, SENTENCES["EndpointConnectionError"])


def test_bad_stage_name() -> None:
    done = run("backend.deploy", "status", "--stage", "My-Stage", AWS_DEFAULT_REGION="us-east-1")
    assert done.returncode == 1
    assert "STAGE=My-Stage" in done.stderr


def refused(code: str, message: str, operation: str = "CreateEndpoint") -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": message}}, operation)


def test_denied_names_the_action_and_the_policy_line() -> None:
    message = (
        "User: arn:aws:iam::123456789012:user/me is not authorized to perform: sagemaker:CreateEndpoint on resource: "
        "arn:aws:sagemaker:us-east-1:123456789012:endpoint/fullstack-model-dev because no identity-based policy allows"
    )
    sentence = explain(refused("AccessDeniedException", message))
    line = json.loads(sentence[sentence.index("{") : sentence.index("}") + 1])
    assert line["Action"] == "sagemaker:CreateEndpoint"
    assert line["Resource"] == "arn:aws:sagemaker:us-east-1:123456789012:endpoint/fullstack-model-dev"


DENIED = "User: me is not authorized to perform: {} on resource: {} {}"
PUT = DENIED.format("s3:PutObject", '"arn:aws:s3:::b/k"', "because")


@pytest.mark.parametrize(
    ("operation", "message", "action", "resource"),
    [
        ("HeadBucket", "Forbidden", "s3:ListBucket", "*"),
        ("HeadObject", "Forbidden", "s3:GetObject", "*"),
        ("PutObject", PUT, "s3:PutObject", "arn:aws:s3:::b/k"),
        ("DescribeBudget", "no", "budgets:ViewBudget", "*"),
    ],
)
def test_the_line_to_add_is_valid(operation: str, message: str, action: str, resource: str) -> None:
    """HEAD has no text, and its right another name; S3 puts the ARN in quotes."""
    said = explain(refused("403" if operation.startswith("Head") else "AccessDenied", message, operation))
    line = json.loads(said[said.index("{") : said.index("}") + 1])
    assert line == {"Effect": "Allow", "Action": action, "Resource": resource}


@pytest.mark.parametrize(
    ("reason", "who"),
    [
        ("with an explicit deny in a service control policy", "service control policy"),
        ("because no service control policy allows the sns:CreateTopic action", "service control policy"),
        ("with an explicit deny in a permissions boundary", "permissions boundary"),
        ("because no permissions boundary allows the sns:CreateTopic action", "permissions boundary"),
        ("with an explicit deny in an identity-based policy", "explicit Deny"),
        ("with an explicit deny in a resource-based policy", "policy of the resource"),
        ("because no session policy allows the sns:CreateTopic action", "policy of this session"),
    ],
)
def test_where_a_line_cannot_help_none_is_proposed(reason: str, who: str) -> None:
    said = explain(refused("AuthorizationError", DENIED.format("sns:CreateTopic", "arn:aws:sns:x", reason)))
    assert who in said
    assert "sns:CreateTopic" in said
    assert "{" not in said


def test_a_quota_keeps_the_words_of_which() -> None:
    message = "The account-level service limit 'ml.m5.large for endpoint usage' is 0 Instances."
    assert "'ml.m5.large for endpoint usage' is 0" in explain(refused("ResourceLimitExceeded", message))


def test_zappa_typed_by_hand_stops_at_once_with_the_right_command() -> None:
    there = set(ROOT.glob("*.zip"))
    environment = {**os.environ, **DUMMY, "AWS_ENDPOINT_URL": "http://127.0.0.1:9", "VIRTUAL_ENV": sys.prefix}
    command = [sys.executable, "-m", "zappa.cli", "package", "dev"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("Run `make deploy STAGE=dev` instead")
    assert set(ROOT.glob("*.zip")) == there


@pytest.mark.parametrize(
    ("error", "remedy"),
    [
        (NoCredentialsError(), "aws configure"),
        (NoRegionError(), "AWS_DEFAULT_REGION"),
        (refused("BucketAlreadyExists", "taken"), "another STAGE"),
        (refused("ResourceLimitExceeded", "The account-level service limit is 0"), "Service Quotas"),
        (refused("ExpiredToken", "expired"), "sign in again"),
        (refused("ThrottlingException", "Rate exceeded"), "run the command again"),
        (refused("InternalFailure", "Oops"), "Run the command again"),
    ],
)
def test_refusal_has_its_remedy(error: Exception, remedy: str) -> None:
    sentence = explain(error)
    assert remedy in sentence
    assert "\n" not in sentence


@pytest.mark.parametrize(
    ("service", "call", "code"),
    [
        ("s3", "CreateBucket", "BucketAlreadyExists"),
        ("sagemaker", "CreateEndpoint", "ResourceLimitExceeded"),
        ("iam", "CreateRole", "AccessDenied"),
    ],
)
def test_deploy_that_was_refused_goes_on_once_it_is_allowed(
    stage: Stage, make_release: Callable[[str], Any], service: str, call: str, code: str
) -> None:
    from backend.deploy import release as serving
    from backend.deploy.plan import Plan

    class Refusal:
        status_code = 403
        headers: dict[str, str] = {}  # noqa: RUF012 - never changed

    answer = {"Error": {"Code": code, "Message": "no"}, "ResponseMetadata": {"HTTPStatusCode": 403}}
    events, name = stage.client(service).meta.events, f"before-call.{service}.{call}"

    def refuse(**_: Any) -> tuple[Refusal, dict[str, Any]]:
        return Refusal(), answer

    events.register(name, refuse)
    release = make_release("2026.1.1")
    with pytest.raises(ClientError) as raised:
        serving.up(stage, release, Plan())
    assert explain(raised.value)
    events.unregister(name, refuse)
    serving.up(stage, release, Plan())
    assert any(row.kind == "endpoint" and row.state == "InService" for row in model_parts(stage))


def test_release_that_was_never_exported_says_so(stage: Stage, tmp_path: Any) -> None:
    from backend.deploy.plan import Release

    with pytest.raises(StageError, match="make export"):
        Release.load(tmp_path, stage)
