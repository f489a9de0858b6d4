"""What the stage may do, and what the world may do with it: IAM policies and the API's template as AWS gets them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from backend.deploy import images, options, package
from backend.deploy.options import Options
from backend.deploy.roles import POLICIES, policy
from backend.deploy.stage import Stage

ACCOUNT, REGION = "123456789012", "us-east-1"
NOT_NARROWER = {"ecr:GetAuthorizationToken", "xray:PutTraceSegments", "xray:PutTelemetryRecords"}  # AWS takes only *
PEOPLES = {POLICIES / "deployer.json", POLICIES / "github.json"}  # test_rights.py
TEMPLATES = sorted(set(POLICIES.glob("*.json")) - PEOPLES)


class Here:
    """As much of a boto3 session as rendering asks for."""

    region_name = REGION


STAGE = Stage("dev", Here(), _account=ACCOUNT)


def rendered(template: Path) -> dict[str, Any]:
    if template.stem == "function":
        return options.rights(STAGE, Options())
    values = {"bucket": "b-123", **images.place(images.uri(STAGE, images.SERVING))}
    return policy(STAGE, template.stem, **values)


def named(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.stem)
def test_policy_passes_the_linter(template: Path) -> None:
    policy = json.dumps(rendered(template)["policy"])
    command = [str(Path(sys.executable).with_name("parliament")), "--string", policy]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_the_linter_finds_something_in_a_bad_policy() -> None:
    bad = {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "s3:Fly", "Resource": "*"}}
    command = [str(Path(sys.executable).with_name("parliament")), "--string", json.dumps(bad)]
    assert "Unknown action s3:Fly" in subprocess.run(command, capture_output=True, text=True, check=False).stdout


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.stem)
def test_no_action_is_a_pattern_and_no_resource_wider_than_aws_asks(template: Path) -> None:
    for statement in rendered(template)["policy"]["Statement"]:
        actions = set(named(statement["Action"]))
        assert not any("*" in action for action in actions)
        for resource in named(statement["Resource"]):
            assert resource != "*" or actions <= NOT_NARROWER
            assert (
                resource == "*"
                or "fullstack-model" in resource
                or "b-123" in resource
                or "ecr" in resource
                or "/aws/" in resource
            )


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.stem)
def test_role_is_only_for_aws_services(template: Path) -> None:
    for statement in rendered(template)["trust"]["Statement"]:
        assert statement["Action"] == "sts:AssumeRole"
        assert all(name.endswith(".amazonaws.com") for name in named(statement["Principal"]["Service"]))


def test_embedded_function_may_ask_no_endpoint() -> None:
    policy = options.rights(STAGE, Options(mode="embedded"))["policy"]
    assert not any("sagemaker" in json.dumps(statement) for statement in policy["Statement"])


def test_function_may_keep_feedback_where_the_settings_say_and_nowhere_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With BACKEND_FEEDBACK in zappa_settings.json: the files under that prefix, and the list of that bucket."""
    book = json.loads(Path("zappa_settings.json").read_text())
    book["base"]["aws_environment_variables"]["BACKEND_FEEDBACK"] = "s3://drawings/given/"
    (tmp_path / "zappa_settings.json").write_text(json.dumps(book))
    before = options.rights(STAGE, Options())["policy"]
    monkeypatch.setattr(options, "ROOT", tmp_path)
    policy = options.rights(STAGE, Options())["policy"]
    more = [statement for statement in policy["Statement"] if statement not in before["Statement"]]
    assert {action: s["Resource"] for s in more for action in named(s["Action"])} == {
        **dict.fromkeys(["s3:GetObject", "s3:PutObject", "s3:DeleteObject"], "arn:aws:s3:::drawings/given/*"),
        "s3:ListBucket": "arn:aws:s3:::drawings",
    }
    command = [str(Path(sys.executable).with_name("parliament")), "--string", json.dumps(policy)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The CloudFormation template that Zappa makes of the settings."""
    folder = tmp_path_factory.mktemp("template")
    settings = options.settings(STAGE, Options(), "key")
    arn = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{STAGE.prefix}"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_DEFAULT_REGION", REGION)
        role = STAGE.role_arn("function")
        package.zappa(folder, settings, "template", "dev", "-l", arn, "-r", role, "-o", "template.json")
    return dict(json.loads((folder / "app" / "template.json").read_text()))


def methods(template: dict[str, Any]) -> list[dict[str, Any]]:
    kinds = [part for part in template["Resources"].values() if part["Type"] == "AWS::ApiGateway::Method"]
    return [part["Properties"] for part in kinds]


def test_every_method_wants_a_key(template: dict[str, Any]) -> None:
    assert methods(template)
    assert all(method["ApiKeyRequired"] is True for method in methods(template))


def test_integration_runs_as_the_functions_role_for_29_seconds_at_most(template: dict[str, Any]) -> None:
    for method in methods(template):
        assert method["Integration"]["Credentials"] == STAGE.role_arn("function")
        assert method["Integration"].get("TimeoutInMillis", 29_000) <= 29_000


def test_there_is_no_function_url_and_nothing_else_is_public(template: dict[str, Any]) -> None:
    kinds = {part["Type"] for part in template["Resources"].values()}
    assert kinds == {"AWS::ApiGateway::RestApi", "AWS::ApiGateway::Resource", "AWS::ApiGateway::Method"}
    settings = json.loads(Path("zappa_settings.json").read_text())
    for stage in settings.values():
        merged = {**settings["base"], **stage}
        assert merged["function_url_enabled"] is False
        assert merged["binary_support"] is True
        assert (merged["debug"], merged["log_level"], merged["keep_warm"]) == (False, "WARNING", False)
        assert merged["runtime"] == "python3.13"


def test_binary_support_takes_every_media_type() -> None:
    """Zappa turns `binary_support` into the binary media type */* by a call after the stack is made."""
    from zappa.core import Zappa

    calls: list[dict[str, Any]] = []

    class Gateway:
        def get_rest_api(self, **_: str) -> dict[str, Any]:
            return {}

        def update_rest_api(self, **arguments: Any) -> None:
            calls.append(arguments)

    core = Zappa(load_credentials=False)
    core.apigateway_client = Gateway()
    core.add_binary_support(api_id="x", cors=False)
    assert {"op": "add", "path": "/binaryMediaTypes/*~1*"} in calls[0]["patchOperations"]


@pytest.mark.parametrize("file", ["ui/Dockerfile", "backend/Dockerfile"])
def test_a_dockerfile_passes_its_linter(file: str) -> None:
    linter = str(Path(sys.executable).with_name("hadolint"))
    done = subprocess.run([linter, file], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")
