"""A new release meets a share of the callers: proved, judged by what its log says, promoted or taken back."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from backend.deploy import __main__ as deploy
from backend.deploy import canary, choices, endpoint, registry, release
from backend.deploy.plan import Plan
from backend.deploy.refusals import StageError, refusal
from backend.deploy.rule import Patience
from backend.deploy.stage import Stage
from backend.deploy.trial import TrialError
from tests.cloud.halves import MAX_MS, NOW, deployed
from tests.cloud.played import Api
from tests.cloud.unwilling import WAYS, Unwilling

if TYPE_CHECKING:
    from collections.abc import Callable

    from backend.deploy.plan import Release
    from tests.cloud.conftest import Endpoint

FEW = Patience(answers=10, hours=0)
TOLD = {"denied": "may not do", "throttled": "slow down", "timed out": "longer than a minute"}


@pytest.fixture
def second(make_release: Callable[[str], Release]) -> Release:
    return make_release("2026.1.2")


@pytest.fixture
def api(live: Stage) -> Api:
    return Api(live)


def start(stage: Stage, new: Release, percent: float = 30, *, shadow: bool = False) -> dict[str, Any]:
    now = canary.share(choices.chosen(choices.remembered(stage), {}), percent, shadow=shadow)
    canary.start(stage, new, now, Api(stage).check)
    return now


def state(stage: Stage) -> tuple[str, str, dict[str, str]]:
    """What the stage's endpoint serves, what the candidate's, and what the function is told of it."""
    served = (endpoint.describe(stage) or {}).get("EndpointConfigName", "")
    tried = (endpoint.describe(stage, stage.candidate) or {}).get("EndpointConfigName", "")
    about = stage.client("lambda").get_function_configuration(FunctionName=stage.prefix)
    return served, tried, {k: v for k, v in about["Environment"]["Variables"].items() if "CANARY" in k}


def may_ask(stage: Stage) -> Any:
    given = stage.client("iam").get_role_policy(RoleName=stage.role("function"), PolicyName="stage")["PolicyDocument"]
    return next(each["Resource"] for each in given["Statement"] if each.get("Sid") == "AskTheModel")


def ask(api: Api, picture: bytes, callers: int = 40) -> dict[str, str]:
    """caller -> version that answered."""
    return {name: api.predict(picture, name)["model"]["version"] for name in map(str, range(callers))}


def test_a_share_of_the_callers_gets_the_new_release_and_always_the_same_ones(
    api: Api, second: Release, seven: bytes
) -> None:
    start(api.stage, second, 30)
    versions = ask(api, seven)
    assert 4 <= list(versions.values()).count("2026.1.2") <= 22
    assert ask(api, seven) == versions
    start(api.stage, second, 80)
    more = ask(api, seven)
    assert {name for name, version in versions.items() if version == "2026.1.2"} < {
        name for name, version in more.items() if version == "2026.1.2"
    }


def test_the_function_may_ask_both_endpoints_and_no_other_while_it_does(live: Stage, second: Release) -> None:
    own = live.arn("sagemaker", f"endpoint/{live.prefix}")
    assert may_ask(live) == own
    start(live, second)
    assert may_ask(live) == [own, live.arn("sagemaker", f"endpoint/{live.candidate}")]
    canary.stop(live, NOW, check=Api(live).check)
    assert may_ask(live) == own


def test_both_releases_stand_side_by_side_in_status(
    api: Api, second: Release, seven: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    start(api.stage, second, 50)
    versions = list(ask(api, seven).values())
    api.write_log()
    capsys.readouterr()
    deploy.status(api.stage)
    told = capsys.readouterr().out
    rows = {line.split()[0]: line.split()[1:3] for line in told.splitlines() if line.startswith("2026-1")}
    assert [int(row[0]) for row in rows.values()] == [versions.count("2026.1.1"), versions.count("2026.1.2")]
    assert {row[1] for row in rows.values()} == {"0.0%"}
    assert "canary answers 50 % of the callers" in told
    assert "Canary" in told
    assert "gone:" not in told
    assert "by hand" not in told


def test_a_canary_as_good_as_the_other_is_promoted(api: Api, second: Release, seven: bytes) -> None:
    now = start(api.stage, second, 50)
    assert canary.judge(api.stage, now, FEW, api.check).what == "wait"
    ask(api, seven)
    api.write_log()
    assert canary.judge(api.stage, now, FEW, api.check).what == "promote"
    served, tried, told = state(api.stage)
    assert (second.name in served, tried, told) == (True, "", {})
    entries = {entry.name: entry for entry in registry.entries(api.stage)}
    assert (entries[second.name].status, entries[second.name].canary[:9]) == ("Approved", "promoted:")
    assert choices.remembered(api.stage)["canary"] == 0
    assert set(ask(api, seven, 20).values()) == {"2026.1.2"}
    with pytest.raises(StageError, match="has no canary"):
        canary.judge(api.stage, now, FEW)


def refuses(answer: dict[str, Any]) -> None:
    answer["score"] = 0.0


@pytest.mark.parametrize("shadow", [False, True])
def test_a_canary_that_rejects_more_is_taken_back(
    api: Api, aws: Endpoint, second: Release, seven: bytes, shadow: bool
) -> None:
    now = start(api.stage, second, 50, shadow=shadow)
    aws.spoil, aws.spoiled = refuses, api.stage.candidate
    ask(api, seven, 130)
    api.write_log()
    verdict = canary.judge(api.stage, now, FEW, api.check)
    assert verdict == ("take back", "It rejects 100.0%, the other 0.0%.")
    served, tried, told = state(api.stage)
    assert (second.name in served, tried, told) == (False, "", {})
    entry = registry.find(api.stage, second.name)
    assert (entry.status, entry.canary) == ("Rejected", f"taken back: {verdict.why}")
    alarms = [alarm["AlarmName"] for alarm in api.stage.client("cloudwatch").describe_alarms()["MetricAlarms"]]
    assert f"{api.stage.prefix}-candidate-errors" not in alarms


def test_a_shadow_answers_nobody(api: Api, second: Release, seven: bytes) -> None:
    start(api.stage, second, shadow=True)
    assert set(ask(api, seven, 20).values()) == {"2026.1.1"}
    api.write_log()
    found = canary.read(api.stage, canary.running(api.stage))
    assert (found.stable.answers, found.new.answers, found.new.same) == (20, 20, 20)


def test_a_canary_that_fails_costs_no_answer_and_is_taken_back(
    api: Api, aws: Endpoint, second: Release, seven: bytes
) -> None:
    now = start(api.stage, second, 50)
    aws.spoil, aws.spoiled = dict.clear, api.stage.candidate
    assert set(ask(api, seven, 50).values()) == {"2026.1.1"}
    api.write_log()
    verdict = canary.judge(api.stage, now, FEW, api.check)
    assert (verdict.what, "of its calls failed" in verdict.why) == ("take back", True)


def test_an_alarm_takes_it_back(api: Api, second: Release) -> None:
    now = start(api.stage, second)
    name = f"{api.stage.prefix}-candidate-errors"
    api.stage.client("cloudwatch").set_alarm_state(AlarmName=name, StateValue="ALARM", StateReason="test")
    assert canary.judge(api.stage, now, FEW, api.check) == ("take back", f"The alarm {name} is on.")


def test_what_is_wrong_never_gets_a_share(live: Stage, aws: Endpoint, second: Release) -> None:
    before = state(live)
    aws.spoil, aws.spoiled = lambda answer: answer.update(probabilities=answer["probabilities"][::-1]), live.candidate
    with pytest.raises(TrialError, match="It never had the stage's traffic"):
        start(live, second)
    assert state(live) == before
    assert registry.find(live, second.name).status == "Rejected"


def test_code_that_knows_no_canary_is_told_nothing(
    live: Stage, second: Release, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = state(live)

    def old(_: Any, body: str, headers: Any, answer_headers: dict[str, str]) -> bytes:
        answer_headers["x-amz-function-error"] = "Unhandled"
        return json.dumps({"errorMessage": "There is no setting canary."}).encode()

    monkeypatch.setattr("moto.awslambda.models.LambdaFunction.invoke", old)
    with pytest.raises(TrialError, match=r"There is no setting canary.* The API does not point to it"):
        start(live, second)
    assert state(live) == before
    assert registry.canary(live) is None
    assert registry.find(live, second.name).canary.startswith("taken back")


def test_a_canary_of_the_same_version_is_refused(live: Stage, first: Release, second: Release) -> None:
    with pytest.raises(StageError, match="has the stage's traffic already"):
        start(live, first)
    card = json.loads((second.folder / "card.json").read_text())
    (second.folder / "card.json").write_text(json.dumps({**card, "version": "2026.1.1"}))
    with pytest.raises(StageError, match="could not be told apart"):
        start(live, second)


def test_nothing_else_is_deployed_over_a_canary(
    live: Stage, first: Release, second: Release, make_release: Callable[[str], Release]
) -> None:
    start(live, second)
    for other in (second, make_release("2026.1.3")):
        with pytest.raises(StageError, match="is the canary of stage test: first"):
            release.up(live, other, Plan())
    with pytest.raises(StageError, match="is the canary already"):
        start(live, make_release("2026.1.4"))
    release.up(live, first, Plan(), MAX_MS)  # what has the traffic may be deployed again
    assert second.name in state(live)[1]


def test_a_stage_without_an_endpoint_has_no_canary(stage: Stage, second: Release) -> None:
    with pytest.raises(StageError, match="serves no release by an endpoint"):
        start(stage, second)


def void(_: object) -> None:
    """A statement as a function."""


def converge(
    stage: Stage, begin: Callable[[Stage], object], do: Callable[[Stage], object], chosen: tuple[str, ...] = ()
) -> int:
    """Refuse each call of `do` in turn after `begin`, then allow it; returns how many there were."""
    aws = Unwilling(stage)
    begin(stage)
    aws.seen.clear()
    do(stage)
    whole = str(state(stage)).replace(stage.prefix, "*")
    operations = sorted({operation for _, operation in aws.seen} - {"GetCallerIdentity", "InvokeEndpoint"})
    assert set(chosen) <= set(operations), operations
    for number, operation in enumerate(chosen or operations):
        fresh = Stage(f"c{number}", stage.session, stage.config, _clients=stage._clients)
        begin(fresh)
        aws.refuse, aws.how = operation, WAYS[number % 3]
        with pytest.raises(Exception, match=r".") as raised:
            do(fresh)
        assert TOLD[aws.how] in refusal(raised.value), (operation, aws.how)
        aws.refuse = ""
        do(fresh)
        assert str(state(fresh)).replace(fresh.prefix, "*") == whole, (operation, aws.how)
    return len(chosen or operations)


OFTEN = ("CreateEndpoint", "PutRolePolicy", "UpdateFunctionConfiguration", "UpdateModelPackage")


@pytest.mark.parametrize("chosen", [OFTEN, pytest.param((), marks=pytest.mark.slow)])
def test_a_refused_start_goes_on_once_it_may(
    stage: Stage, first: Release, second: Release, chosen: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    tried = converge(stage, lambda place: deployed(place, first), lambda place: start(place, second), chosen)
    with capsys.disabled():
        print(f"\n{tried} refusals of a canary's start, each healed")


@pytest.mark.slow
@pytest.mark.parametrize("how", ["promote", "stop"])
def test_a_refused_end_goes_on_once_it_may(
    stage: Stage, first: Release, second: Release, how: str, capsys: pytest.CaptureFixture[str]
) -> None:
    def end(place: Stage) -> None:
        if registry.canary(place):
            {"promote": canary.promote, "stop": canary.stop}[how](place, NOW, check=Api(place).check)

    tried = converge(stage, lambda place: start(deployed(place, first), second), end)
    with capsys.disabled():
        print(f"\n{tried} refusals of a canary's {how}, each healed")


def test_a_promotion_stopped_half_way_can_still_be_taken_back(live: Stage, first: Release, second: Release) -> None:
    start(live, second)
    aws = Unwilling(live)
    aws.refuse = "UpdateFunctionConfiguration"
    with pytest.raises(Exception, match="not authorized"):
        canary.promote(live, NOW, check=Api(live).check)
    assert second.name in state(live)[0]
    aws.refuse = ""
    canary.stop(live, NOW, check=Api(live).check)
    served, tried, told = state(live)
    assert (first.name in served, tried, told) == (True, "", {})


def test_destroy_removes_a_stage_with_its_canary(live: Stage, second: Release) -> None:
    start(live, second)
    deploy.destroy(live)
    assert deploy.parts.inventory(live, deploy.PARTS) == ([], {})


def test_the_command_asks_starts_and_judges(
    live: Stage, second: Release, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(canary.function.trial, "try_api", lambda *_, **__: "answers")
    about = ["--stage", live.name]
    with pytest.raises(StageError, match="Nothing was deployed"):
        deploy.main(["canary", "start", *about, "--artifact", str(second.folder)])
    deploy.main(["canary", "start", *about, "--artifact", str(second.folder), "--share", "25", "--yes"])
    told = capsys.readouterr().out
    assert "$0 at rest" in told
    assert "is the canary: answers 25 % of the callers" in told
    with pytest.raises(SystemExit, match="3"):
        deploy.main(["canary", "judge", *about])
    assert "wait: 0 of 200 answers" in capsys.readouterr().out
    deploy.main(["list", *about])
    assert "Canary" in capsys.readouterr().out
    deploy.main(["canary", "stop", *about])
    assert "is taken back: by hand" in capsys.readouterr().out
