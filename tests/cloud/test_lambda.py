"""The Lambda part of a stage lives its whole life against moto's server, with the real Zappa doing the deploying."""

from __future__ import annotations

import json
import zipfile
from typing import TYPE_CHECKING, Any

import pytest

from backend.deploy import errors, function, options, package, parts, serving
from backend.deploy.gateway import api_id
from backend.deploy.options import Options
from backend.deploy.refusals import StageError
from backend.deploy.stage import READS, Stage, open_stage
from tests.cloud.halves import function_parts, remove_function

if TYPE_CHECKING:
    from pathlib import Path

EMBEDDED = Options(mode="embedded", email="someone@example.org")


LEFT: list[int] = []  # what each run left of the calls it was given


class Crash(BaseException):
    """The machine goes off."""


def answers(url: str, key: str) -> str:
    assert url.startswith("https://")
    assert len(key) >= 20
    return "answers"


def fails(url: str, key: str) -> str:
    raise StageError("It answers 500.")


@pytest.fixture(autouse=True)
def small_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package of one line: the real one has its own tests, and takes seconds to send."""
    archive = tmp_path / "package.zip"
    with zipfile.ZipFile(archive, "w") as content:
        content.writestr("handler.py", "lambda_handler = None")
    monkeypatch.setattr(package, "build", lambda *_, **__: tmp_path)
    monkeypatch.setattr(package, "package", lambda *_: archive)


def test_deploy_update_and_destroy(stage: Stage) -> None:
    function.up(stage, EMBEDDED, answers)
    made = function_parts(stage)
    assert {row.kind for row in made} == {
        "function", "stack", "API key", "usage plan", "role", "bucket", "log group", "alarm", "topic", "budget",
    }  # fmt: skip
    function.up(stage, EMBEDDED, answers)
    assert [row[:2] for row in function_parts(stage)] == [row[:2] for row in made]
    remove_function(stage)
    assert function_parts(stage) == []


def test_failed_update_goes_back_to_the_code_before(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    function.up(stage, EMBEDDED, answers)
    ran: list[tuple[str, ...]] = []
    real = package.zappa
    monkeypatch.setattr(package, "zappa", lambda *given: (ran.append(given[2:]), real(*given))[1])
    with pytest.raises(StageError, match="back on the code, settings and rights before"):
        function.up(stage, EMBEDDED, fails)
    assert [command[0] for command in ran] == ["update", "update"]
    good = serving.last_good(stage)
    assert good
    assert ran[1][-1] == good.package


def test_usage_plan_limits_the_key(stage: Stage) -> None:
    function.up(stage, Options(mode="embedded", rate=3, burst=4, quota=50), answers)
    gateway = stage.client("apigateway")
    [plan] = gateway.get_usage_plans()["items"]
    assert (plan["throttle"], plan["quota"]["limit"]) == ({"burstLimit": 4, "rateLimit": 3.0}, 50)
    assert [bound["stage"] for bound in plan["apiStages"]] == ["test"]
    [key] = gateway.get_usage_plan_keys(usagePlanId=plan["id"])["items"]
    assert key["name"] == stage.prefix


def test_large_numbers_reach_aws_as_they_are(stage: Stage) -> None:
    """`g` wrote 1e+06, with which every later look at the usage plan ended."""
    function.up(stage, Options(mode="embedded", quota=1_000_000, burst=2_000_000, budget=1e6, email="a@b.c"), answers)
    function.up(stage, Options(mode="embedded", quota=3_000_000, burst=2_000_000, budget=1e6, email="a@b.c"), answers)
    [plan] = stage.client("apigateway").get_usage_plans()["items"]
    assert (plan["quota"]["limit"], plan["throttle"]["burstLimit"]) == (3_000_000, 2_000_000)
    assert "of $1000000.00" in next(row.note for row in function_parts(stage) if row.kind == "budget")


def refuse(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *what: str | int) -> Path:
    """Have Zappa's process refused: operation, code, message, times. The file counts these down."""
    refusal = tmp_path / "refusal.json"
    refusal.write_text(json.dumps(what))
    monkeypatch.setenv("REFUSE_FILE", str(refusal))
    return refusal


def test_a_role_that_lambda_does_not_know_yet_is_waited_for(
    stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    message = "The role defined for the function cannot be assumed by Lambda."
    left = refuse(tmp_path, monkeypatch, "CreateFunction", "InvalidParameterValueException", message, 2)
    function.up(stage, EMBEDDED, answers)
    assert json.loads(left.read_text())[-1] == 0


def test_what_zappa_may_not_do_is_told_in_the_same_words(
    stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    message = "User: me is not authorized to perform: lambda:CreateFunction on resource: arn:aws:lambda:x because no"
    left = refuse(tmp_path, monkeypatch, "CreateFunction", "AccessDeniedException", message, 99)
    with pytest.raises(StageError, match="may not do lambda:CreateFunction: add to its policy"):
        function.up(stage, EMBEDDED, answers)
    assert json.loads(left.read_text())[-1] == 98


def test_api_gateways_own_answers_are_problems(stage: Stage) -> None:
    function.up(stage, EMBEDDED, answers)
    gateway = stage.client("apigateway")
    there = {item["responseType"]: item for item in gateway.get_gateway_responses(restApiId=api_id(stage))["items"]}
    for kind, (problem, _) in errors.ANSWERS.items():
        body = json.loads(there[kind]["responseTemplates"]["application/json"])
        assert (body["type"], body["status"]) == (f"/problems/{problem.slug}", int(there[kind]["statusCode"]))
        headers = there[kind]["responseParameters"]
        assert headers["gatewayresponse.header.Content-Type"] == "'application/problem+json'"
        assert "gatewayresponse.header.Access-Control-Allow-Origin" not in headers


def test_preflight_needs_no_key_where_other_origins_may_call(
    stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    book = json.loads((options.ROOT / "zappa_settings.json").read_text())
    book["base"]["aws_environment_variables"]["BACKEND_CORS_ORIGINS"] = "https://a.example"
    (tmp_path / "zappa_settings.json").write_text(json.dumps(book))
    monkeypatch.setattr(options, "ROOT", tmp_path)
    function.up(stage, EMBEDDED, answers)
    gateway, api = stage.client("apigateway"), api_id(stage)
    ours = [r for r in gateway.get_resources(restApiId=api)["items"] if "ANY" in r.get("resourceMethods", {})]
    assert ours
    for resource in ours:
        here = {"restApiId": api, "resourceId": resource["id"]}
        assert gateway.get_method(**here, httpMethod="ANY")["apiKeyRequired"] is True
        assert gateway.get_method(**here, httpMethod="OPTIONS")["apiKeyRequired"] is False
        both = [gateway.get_integration(**here, httpMethod=method) for method in ("ANY", "OPTIONS")]
        assert both[0]["uri"] == both[1]["uri"]
    answer = gateway.get_gateway_response(restApiId=api, responseType="THROTTLED")
    assert "gatewayresponse.header.Access-Control-Allow-Origin" in answer["responseParameters"]


def test_foreign_stack_is_left_alone(stage: Stage) -> None:
    template = '{"Resources": {"Topic": {"Type": "AWS::SNS::Topic"}}}'
    stage.client("cloudformation").create_stack(StackName=stage.prefix, TemplateBody=template)
    with pytest.raises(StageError, match="not ours"):
        function.up(stage, EMBEDDED, answers)
    assert "not ours" in parts.remove(stage, function.PARTS)["stack"]
    assert stage.client("s3").list_buckets()["Buckets"] == []
    assert stage.client("cloudformation").describe_stacks(StackName=stage.prefix)["Stacks"]


def test_dry_run_makes_nothing(stage: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    function.up(open_stage("test", dry_run=True), EMBEDDED, answers)
    printed = capsys.readouterr().out
    for call in ("S3 CreateBucket", "IAM PutRolePolicy", "API Gateway CreateApiKey", "zappa deploy test"):
        assert f"would {'run' if 'zappa' in call else 'call'} {call}" in printed
    assert function_parts(stage) == []


def heal(stage: Stage, counter: Path, calls: int, run: str) -> bool:
    """Run `up` or `destroy`, dying after this many calls that write, here or in Zappa's process; whether it died."""
    counter.write_text(str(calls))

    def count(model: Any, **_: Any) -> None:
        if model.name.startswith(READS):
            return
        left = int(counter.read_text()) - 1
        counter.write_text(str(left))
        if left == 0:
            raise Crash

    dying = open_stage(stage.name)
    dying.session.events.register("after-call", count)
    try:
        function.up(dying, EMBEDDED, answers) if run == "up" else remove_function(dying)
    except Crash:
        return True
    except StageError:
        return int(counter.read_text()) <= 0  # it was Zappa's process that died
    finally:
        LEFT.append(int(counter.read_text()))
        counter.write_text("1000000")
    return False


@pytest.fixture
def counter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "calls"
    path.write_text("1000000")
    monkeypatch.setenv("CRASH_FILE", str(path))
    return path


QUICK = (14, 16)  # Zappa has made the function, and the stack; the rest takes minutes
CALLS = [n if n in QUICK else pytest.param(n, marks=pytest.mark.slow) for n in range(1, 48)]


@pytest.mark.parametrize("calls", CALLS)
def test_a_crash_of_deploy_is_healed_by_running_it_again(stage: Stage, counter: Path, calls: int) -> None:
    heal(stage, counter, calls, "up")
    function.up(stage, EMBEDDED, answers)
    assert len(function_parts(stage)) == 12


def test_crashes_of_deploy_are_tried_to_its_last_call(stage: Stage, counter: Path) -> None:
    counter.write_text("1000")
    assert not heal(stage, counter, 1000, "up")
    assert 1000 - LEFT[-1] < len(CALLS) + 1


@pytest.mark.slow
@pytest.mark.parametrize("calls", range(1, 25))
def test_a_crash_of_destroy_is_healed_by_running_it_again(stage: Stage, counter: Path, calls: int) -> None:
    function.up(stage, EMBEDDED, answers)
    heal(stage, counter, calls, "destroy")
    remove_function(stage)
    assert function_parts(stage) == []
