"""Every call of `up` and `status` denied, throttled and timed out in turn, then allowed: told, and it converges."""

from __future__ import annotations

import json
import zipfile
from typing import TYPE_CHECKING

import pytest

from backend.deploy import __main__ as deploy
from backend.deploy import function, package, release
from backend.deploy.options import Options
from backend.deploy.plan import Plan
from backend.deploy.refusals import StageError, refusal
from backend.deploy.stage import Stage
from tests.cloud.halves import function_parts, model_parts
from tests.cloud.test_destroy import furnish
from tests.cloud.unwilling import WAYS, Unwilling

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from backend.deploy.parts import Left
    from backend.deploy.plan import Release

EACH = (  # one of each service of the function's half: Zappa takes seconds for each
    "CreateBucket", "PutRolePolicy", "CreateLogGroup", "CreateApiKey", "UpdateUsagePlan", "PutGatewayResponse",
    "PutMetricAlarm", "CreateTopic", "CreateBudget",
)  # fmt: skip
INSTANCE = Plan(instance_type="ml.m5.large", ttl_hours=2)
TOLD = {"denied": "may not do", "throttled": "slow down", "timed out": "longer than a minute"}
OFTEN = ("CreateRole", "CreateEndpoint", "PutScalingPolicy")  # a role, a quota, an organization's favourites


def shape(stage: Stage, rows: Iterable[Left]) -> list[tuple[str, str]]:
    return sorted((row.kind, row.name.replace(stage.prefix, "*")) for row in rows)


def refuse_in_turn(
    stage: Stage,
    up: Callable[[Stage], None],
    look: Callable[[Stage], list[Left]],
    chosen: Sequence[str] = (),
    ways: Sequence[str] = WAYS,
) -> int:
    """Refuse each call of `up` to a new stage, in each way; returns how many there were."""
    aws = Unwilling(stage)
    up(stage)
    apart = {"GetCallerIdentity", "InvokeEndpoint"}  # asked for once a process; the trial's own, which has its patience
    operations = sorted({operation for _, operation in aws.seen} - apart)
    whole, tried = shape(stage, look(stage)), 0
    for operation in chosen or operations:
        for how in ways:
            tried += 1
            fresh = Stage(f"c{tried}", stage.session, stage.config, _clients=stage._clients)
            aws.refuse, aws.how = operation, how
            with pytest.raises(Exception, match=r".") as raised:
                up(fresh)
            assert TOLD[how] in refusal(raised.value), (operation, how)
            aws.refuse = ""
            up(fresh)
            assert shape(fresh, look(fresh)) == whole, (operation, how)
    return tried


def test_a_refused_deploy_of_the_model_goes_on_once_it_may(
    stage: Stage, make_release: Callable[[str], Release]
) -> None:
    made = make_release("2026.1.1")
    assert refuse_in_turn(stage, lambda place: release.up(place, made, INSTANCE), model_parts, OFTEN) == 9


@pytest.mark.slow
def test_every_call_of_the_models_deploy(
    stage: Stage, make_release: Callable[[str], Release], capsys: pytest.CaptureFixture[str]
) -> None:
    made = make_release("2026.1.1")
    tried = refuse_in_turn(stage, lambda place: release.up(place, made, INSTANCE), model_parts)
    with capsys.disabled():
        print(f"\n{tried} refusals of the model's deploy, each healed")
    assert tried > 90


@pytest.fixture
def small_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = tmp_path / "package.zip"
    with zipfile.ZipFile(archive, "w") as content:
        content.writestr("handler.py", "lambda_handler = None")
    monkeypatch.setattr(package, "build", lambda *_, **__: tmp_path)
    monkeypatch.setattr(package, "package", lambda *_: archive)


@pytest.mark.slow
@pytest.mark.usefixtures("small_package")
def test_a_refused_deploy_of_the_function_goes_on_once_it_may(stage: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    def up(place: Stage) -> None:
        function.up(place, Options(mode="embedded", email="me@example.org"), lambda *_: "answers")

    tried = refuse_in_turn(stage, up, function_parts, EACH, WAYS[:1])
    with capsys.disabled():
        print(f"\n{tried} refusals of the function's deploy, each healed")
    assert tried == len(EACH)


@pytest.mark.slow
@pytest.mark.usefixtures("small_package")
def test_every_call_of_zappas_own(
    stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Denied in Zappa's process, which does not always end with an error for it; then allowed."""
    calls, order = tmp_path / "calls", tmp_path / "refusal.json"
    calls.touch()
    monkeypatch.setenv("CALLS_FILE", str(calls))
    options = Options(mode="embedded")
    function.up(stage, options, lambda *_: "answers")
    whole = shape(stage, function_parts(stage))
    operations = sorted({line.split()[1] for line in calls.read_text().splitlines()})
    monkeypatch.setenv("REFUSE_FILE", str(order))
    refused: list[str] = []
    for number, operation in enumerate(operations):
        fresh = Stage(f"z{number}", stage.session, stage.config, _clients=stage._clients)
        message = f"User: me is not authorized to perform: x:{operation} because no identity-based policy allows it"
        order.write_text(json.dumps([operation, "AccessDeniedException", message, 99]))
        try:
            function.up(fresh, options, lambda *_: "answers")
        except StageError:
            refused.append(operation)
        order.write_text(json.dumps(["", "", "", 0]))
        function.up(fresh, options, lambda *_: "answers")
        assert shape(fresh, function_parts(fresh)) == whole, operation
    with capsys.disabled():
        print(f"\n{len(operations)} calls of Zappa's denied in turn, each healed; told of {', '.join(refused)}")
    assert {"CreateFunction", "CreateStack"} <= set(refused)


@pytest.mark.slow
def test_every_call_of_status(stage: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    furnish(stage)
    aws = Unwilling(stage)
    deploy.status(stage)
    operations = sorted({operation for service, operation in aws.seen if service != "sts"})
    for number, operation in enumerate(operations):
        aws.refuse, aws.how = operation, WAYS[number % 3]
        capsys.readouterr()
        if operation == "DescribeEndpointConfig":  # of which only a price is told
            deploy.status(stage)
        else:
            with pytest.raises(StageError, match="could not be looked for"):
                deploy.status(stage)
        assert TOLD[aws.how] in capsys.readouterr().out, operation
    aws.refuse = ""
    deploy.status(stage)
    with capsys.disabled():
        print(f"\n{len(operations)} calls of status refused in turn")
