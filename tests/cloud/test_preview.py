"""`make deploy` says before its question what would change, old -> new; `make status`, what was changed by hand."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from backend.deploy import __main__ as deploy
from backend.deploy import choices, endpoint, gateway, options, preview

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pytest

    from backend.deploy.plan import Release
    from backend.deploy.stage import Stage


def would(stage: Stage, folder: Path, **given: object) -> list[str]:
    before, now = choices.settle(stage, given)
    return [line.strip() for line in preview.lines(stage, now, before, folder)]


def test_the_same_again_changes_nothing(live: Stage, first: Release) -> None:
    assert would(live, first.folder) == ["Nothing would change but the code, which is packaged anew."]


def test_another_model_is_named_with_the_one_that_it_replaces(
    live: Stage, first: Release, make_release: Callable[[str], Release]
) -> None:
    second = make_release("2026.1.2")
    assert would(live, second.folder) == [f"release: {first.name} -> {second.name}"]


def test_limits_environment_rights_alarms_endpoint_and_bill_are_compared(
    live: Stage, first: Release, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    book = json.loads((options.ROOT / "zappa_settings.json").read_text())
    book["base"] |= {"memory_size": 2048}
    book["base"]["aws_environment_variables"] |= {"BACKEND_FEEDBACK": "s3://drawings/given", "A_TOKEN": "hidden"}
    (tmp_path / "zappa_settings.json").write_text(json.dumps(book))
    monkeypatch.setattr(options, "ROOT", tmp_path)
    told = would(live, first.folder, memory_mb=4096, quota=9)
    assert (
        "endpoint on: serverless, 2048 MB, 5 at once, 0 kept warm -> serverless, 4096 MB, 5 at once, 0 kept warm"
        in told
    )
    assert "function memory_size: 1024 -> 2048" in told
    assert "variable BACKEND_FEEDBACK: none -> s3://drawings/given" in told
    assert "variable A_TOKEN: none -> ***" in told
    assert "limit quota: 5000 -> 9" in told
    assert "right KeepFeedback: none -> arn:aws:s3:::drawings/given/*" in told


def test_a_change_of_mode_takes_the_endpoint_its_right_and_its_alarm(live: Stage, first: Release) -> None:
    told = would(live, first.folder, mode="embedded")
    assert told == [
        "endpoint: removed once the function answers by itself",
        "variable BACKEND_MODEL_DIR: none -> model",
        "variable SAGEMAKER_ENDPOINT_NAME: fullstack-model-test -> none",
        f"right AskTheModel: {live.arn('sagemaker', 'endpoint/fullstack-model-test')} -> none",
        "alarm endpoint-errors: there -> removed",
        "at rest: $0.40 a month -> $0.30",
    ]


def test_a_new_stage_starts_from_none(stage: Stage, first: Release) -> None:
    told = would(stage, first.folder)
    assert f"release: none -> {first.name}" in told
    assert "function, API, key, usage plan: none -> made, sagemaker" in told
    assert "alarm slow: none -> made" in told


def test_status_names_each_thing_that_was_changed_by_hand(live: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    deploy.status(live)
    assert "by hand" not in capsys.readouterr().out
    live.client("lambda").update_function_configuration(FunctionName=live.prefix, MemorySize=128)
    wider = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}
    live.client("iam").put_role_policy(
        RoleName=live.role("function"), PolicyName="stage", PolicyDocument=json.dumps(wider)
    )
    plan, key = gateway.plan_of(live), gateway.key_of(live)
    assert plan
    assert key
    patch = [{"op": "replace", "path": "/quota/limit", "value": "7"}]
    live.client("apigateway").update_usage_plan(usagePlanId=plan["id"], patchOperations=patch)
    live.client("cloudwatch").disable_alarm_actions(AlarmNames=[f"{live.prefix}-slow"])
    model = endpoint.models(live)[0].name
    variant = {
        "VariantName": "AllTraffic",
        "ModelName": model,
        "InstanceType": "ml.m5.large",
        "InitialInstanceCount": 9,
    }
    live.client("sagemaker").create_endpoint_config(EndpointConfigName="by-hand", ProductionVariants=[variant])
    live.client("sagemaker").update_endpoint(EndpointName=live.prefix, EndpointConfigName="by-hand")
    deploy.status(live)
    told = [line for line in capsys.readouterr().out.splitlines() if line.startswith("changed by hand")]
    what = [line.removeprefix("changed by hand: ").partition(";")[0] for line in told]
    assert what == [
        "the function's memory_size", "the function's rights", "the usage plan's quota", "the alarm slow",
        "what the endpoint serves",
    ]  # fmt: skip
