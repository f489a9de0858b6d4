"""Somebody deletes a part by hand: the next deploy makes it again, and says where an address or a key has changed."""

from __future__ import annotations

import zipfile
from typing import TYPE_CHECKING

import pytest

from backend.deploy import __main__ as deploy
from backend.deploy import choices, endpoint, function, gateway, package, parts, release
from backend.deploy.options import Options
from backend.deploy.plan import Plan
from tests.cloud.halves import MODEL, function_parts, model_parts, remove_function, remove_model

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from backend.deploy.parts import Left
    from backend.deploy.plan import Release
    from backend.deploy.stage import Stage

INSTANCE = Plan(instance_type="ml.m5.large")
EMBEDDED = Options(mode="embedded", email="me@example.org")


def names(rows: list[Left]) -> set[tuple[str, str]]:
    return {(row.kind, row.name) for row in rows}


def delete(stage: Stage, row: Left) -> None:
    """As somebody does in AWS's console, where no order is asked for."""
    if row.kind == "time to live":
        stage.client("scheduler").delete_schedule(GroupName=row.name, Name=row.name)
    elif row.kind == "schedule group":
        stage.client("scheduler").delete_schedule_group(Name=row.name)
    elif row.kind == "registry group":
        for entry in parts.inventory(stage, release.registry.PARTS)[0]:
            release.registry.PARTS[0].remove(stage, entry.name)
        release.registry.PARTS[1].remove(stage, row.name)
    else:
        found = (part for part in (*MODEL, *function.PARTS) if part.kind == row.kind)
        next(part for part in found if names([row]) <= names([*part.find(stage)])).remove(stage, row.name)


def test_each_part_of_the_models_half_comes_back(
    stage: Stage, make_release: Callable[[str], Release], capsys: pytest.CaptureFixture[str]
) -> None:
    made = make_release("2026.1.1")
    release.up(stage, made, INSTANCE)
    whole = model_parts(stage)
    for row in whole:
        delete(stage, row)
        assert names([row]) - names(model_parts(stage)), row
        release.up(stage, made, INSTANCE)
        assert names(model_parts(stage)) == names(whole), row
    with capsys.disabled():
        print(f"\n{len(whole)} parts deleted in turn")
    remove_model(stage)


def test_status_and_destroy_take_an_endpoint_whose_config_is_gone(
    stage: Stage, make_release: Callable[[str], Release]
) -> None:
    release.up(stage, make_release("2026.1.1"), INSTANCE)
    for config in endpoint.configs(stage):
        delete(stage, config)
    assert "endpoint" in {row.kind for row in model_parts(stage)}
    remove_model(stage)
    assert model_parts(stage) == []


@pytest.fixture
def deployed(stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stage:
    archive = tmp_path / "package.zip"
    with zipfile.ZipFile(archive, "w") as content:
        content.writestr("handler.py", "lambda_handler = None")
    monkeypatch.setattr(package, "build", lambda *_, **__: tmp_path)
    monkeypatch.setattr(package, "package", lambda *_: archive)
    up(stage)
    return stage


def up(stage: Stage) -> None:
    function.up(stage, EMBEDDED, lambda *_: "answers")


def test_deleted_rest_api_is_made_again_and_its_new_address_told(
    deployed: Stage, capsys: pytest.CaptureFixture[str]
) -> None:
    old = gateway.url_of(deployed)
    deployed.client("apigateway").delete_rest_api(restApiId=gateway.api_id(deployed))
    assert gateway.url_of(deployed) is None
    up(deployed)
    new = gateway.url_of(deployed)
    assert new != old
    assert f"the API's address has changed to {new}" in capsys.readouterr().out
    remove_function(deployed)
    assert function_parts(deployed) == []


def test_status_names_what_is_gone_and_what_was_changed_by_hand(
    deployed: Stage, capsys: pytest.CaptureFixture[str]
) -> None:
    choices.keep(deployed, choices.chosen({}, {"mode": "embedded", "email": "me@example.org"}))
    deploy.status(deployed)
    assert "gone:" not in capsys.readouterr().out
    deployed.client("cloudwatch").delete_alarms(AlarmNames=[f"{deployed.prefix}-slow"])
    deployed.client("sns").delete_topic(TopicArn=deployed.arn("sns", deployed.prefix))
    deployed.client("lambda").update_function_configuration(
        FunctionName=deployed.prefix, Environment={"Variables": {"BACKEND_LOG": "a secret"}}
    )
    deploy.status(deployed)
    told = capsys.readouterr().out
    assert "gone: alarm slow" in told
    assert "gone: topic" in told
    assert "changed by hand: the function's BACKEND_LOG" in told
    assert "a secret" not in told


@pytest.mark.slow
def test_each_part_of_the_functions_half_comes_back(deployed: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    """Of an alarm, one stands for all; with the bucket go the package and what was good, so nothing is told."""
    whole = function_parts(deployed)
    tried = {row.kind: row for row in whole}
    for row in tried.values():
        delete(deployed, row)
        capsys.readouterr()
        up(deployed)
        told = capsys.readouterr().out
        assert names(function_parts(deployed)) == names(whole), row
        assert ("address has changed" in told) == (row.kind in ("stack", "function")), row
        assert ("key has changed" in told) == (row.kind == "API key"), row
