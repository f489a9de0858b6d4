"""The SageMaker part of a stage lives its whole life against moto's server, and survives a crash after every call."""

from __future__ import annotations

import json
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from backend.deploy import endpoint, registry
from backend.deploy import release as serving
from backend.deploy.plan import Plan
from backend.deploy.refusals import StageError
from backend.deploy.stage import READS, Stage, open_stage
from tests.cloud.halves import model_parts, remove_model

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from backend.deploy.plan import Release

SERVERLESS = Plan()
INSTANCE = Plan(instance_type="ml.m5.large", ttl_hours=2)
SERVICES = ("sts", "s3", "iam", "logs", "sagemaker", "sagemaker-runtime", "scheduler", "application-autoscaling")


class Crash(BaseException):
    """The machine goes off."""


@contextmanager
def crash_after(stage: Stage, calls: int) -> Iterator[None]:
    """Stop the world after the n-th call that changes AWS; after a call that reads, all is as it was before it."""
    left = [calls]

    def count(model: Any, **_: Any) -> None:
        left[0] -= not model.name.startswith((*READS, "Invoke"))
        if left[0] == 0:
            left[0] = -1
            raise Crash

    clients = [stage.client(service) for service in SERVICES]
    for client in clients:
        client.meta.events.register("after-call", count)
    yield
    for client in clients:
        client.meta.events.unregister("after-call", count)


def same_clients(stage: Stage, name: str) -> Stage:
    """Another stage through the same clients: making those takes longer than a whole serving."""
    return Stage(name, stage.session, stage.config, _clients=stage._clients)


def live(stage: Stage) -> str:
    described = endpoint.describe(stage)
    assert described is not None
    return str(described["EndpointConfigName"])


def test_first_deploy_serves_and_approves_the_release(stage: Stage, make_release: Callable[[str], Release]) -> None:
    release = make_release("2026.1.1")
    serving.up(stage, release, SERVERLESS)
    assert release.name in live(stage)
    [entry] = registry.entries(stage)
    assert (entry.status, entry.version, entry.config) == ("Approved", "2026.1.1", live(stage))


def test_second_run_changes_nothing(stage: Stage, make_release: Callable[[str], Release]) -> None:
    release = make_release("2026.1.1")
    serving.up(stage, release, SERVERLESS)
    before = model_parts(stage)
    serving.up(stage, release, SERVERLESS)
    assert [row[:3] for row in model_parts(stage)] == [row[:3] for row in before]


def test_second_model_updates_the_endpoint_and_never_deletes_it(
    stage: Stage, make_release: Callable[[str], Release]
) -> None:
    serving.up(stage, make_release("2026.1.1"), SERVERLESS)
    calls: list[tuple[str, str]] = []

    def note(model: Any, params: dict[str, Any], **_: Any) -> None:
        calls.append((model.name, json.loads(params["body"]).get("EndpointName", "")))

    stage.session.events.register("before-call.sagemaker", note)
    second = make_release("2026.1.2")
    stage._clients.clear()
    serving.up(stage, second, SERVERLESS)
    assert second.name in live(stage)
    assert ("UpdateEndpoint", stage.prefix) in calls
    deleted = {name for call, name in calls if call.startswith("Delete")}
    assert deleted == {stage.candidate}  # on which the release was tried before


@pytest.mark.parametrize(
    ("spoil", "after"),
    [("wrong", False), ("imprecise", False), ("stale", False), ("malformed", False), ("wrong", True)],
)
def test_failed_trial_never_gets_the_traffic_and_one_that_fails_with_it_is_rolled_back(
    stage: Stage, aws: Any, make_release: Callable[[str], Release], spoil: str, *, after: bool
) -> None:
    first, second = make_release("2026.1.1"), make_release("2026.1.2")
    serving.up(stage, first, SERVERLESS)
    spoils = {
        "wrong": lambda a: a.update(probabilities=a["probabilities"][::-1]),
        "imprecise": lambda a: a["probabilities"].__setitem__(0, a["probabilities"][0] + 0.01),  # the digit stays
        "stale": lambda a: a.update(version="2025.1.1"),
        "malformed": lambda a: a.clear(),
    }
    aws.spoil = spoils[spoil]
    aws.spoiled = stage.prefix if after else stage.candidate
    told = f"The endpoint is back on {first.name}" if after else "It never had the stage's traffic"
    with pytest.raises(StageError, match=told):
        serving.up(stage, second, SERVERLESS)
    assert first.name in live(stage)
    assert endpoint.describe(stage, stage.candidate) is None
    assert {e.name: e.status for e in registry.entries(stage)} == {first.name: "Approved", second.name: "Rejected"}


def test_a_failure_never_goes_back_to_a_release_that_failed(
    stage: Stage, aws: Any, make_release: Callable[[str], Release]
) -> None:
    first = make_release("2026.1.1")
    serving.up(stage, first, SERVERLESS)
    aws.spoil, aws.spoiled = lambda answer: answer.clear(), stage.prefix
    for version in ("2026.1.2", "2026.1.3"):
        with pytest.raises(StageError, match=f"The endpoint is back on {first.name}"):
            serving.up(stage, make_release(version), SERVERLESS)
        assert first.name in live(stage)


def test_slow_endpoint_is_rolled_back(stage: Stage, make_release: Callable[[str], Release]) -> None:
    first = make_release("2026.1.1")
    serving.up(stage, first, SERVERLESS)
    with pytest.raises(StageError, match="slower than"):
        serving.up(stage, make_release("2026.1.2"), SERVERLESS, max_ms=0.001)
    assert first.name in live(stage)


def test_first_release_that_fails_leaves_no_endpoint(
    stage: Stage, aws: Any, make_release: Callable[[str], Release]
) -> None:
    aws.spoil = lambda answer: answer.clear()
    with pytest.raises(StageError, match="the endpoint was removed"):
        serving.up(stage, make_release("2026.1.1"), SERVERLESS)
    assert endpoint.describe(stage) is None


def test_rollback_serves_the_earlier_version(stage: Stage, make_release: Callable[[str], Release]) -> None:
    first = make_release("2026.1.1")
    serving.up(stage, first, SERVERLESS)
    serving.up(stage, make_release("2026.1.2"), SERVERLESS)
    serving.rollback(stage, "2026.1.1", SERVERLESS)
    assert first.name in live(stage)


def test_rollback_to_an_unknown_version_names_those_there_are(
    stage: Stage, make_release: Callable[[str], Release]
) -> None:
    release = make_release("2026.1.1")
    serving.up(stage, release, SERVERLESS)
    with pytest.raises(StageError, match=release.name):
        serving.rollback(stage, "1999.1.1", SERVERLESS)


def test_promote_serves_the_same_bytes_on_another_stage(stage: Stage, make_release: Callable[[str], Release]) -> None:
    release = make_release("2026.1.1")
    serving.up(stage, release, SERVERLESS)
    production = open_stage("production")
    serving.promote(stage, "2026.1.1", production, SERVERLESS)
    assert release.name in live(production)


def test_what_failed_on_one_stage_is_not_promoted_to_another(
    stage: Stage, aws: Any, make_release: Callable[[str], Release]
) -> None:
    aws.spoil = lambda answer: answer.clear()
    with pytest.raises(StageError, match="removed"):
        serving.up(stage, make_release("2026.1.1"), SERVERLESS)
    production = open_stage("production")
    with pytest.raises(StageError, match="is Rejected in stage test: only what passed there may go on"):
        serving.promote(stage, "2026.1.1", production, SERVERLESS)
    assert model_parts(production) == []


def test_instance_endpoint_scales_and_removes_itself(stage: Stage, make_release: Callable[[str], Release]) -> None:
    serving.up(stage, make_release("2026.1.1"), INSTANCE)
    targets = stage.client("application-autoscaling").describe_scalable_targets(ServiceNamespace="sagemaker")
    assert targets["ScalableTargets"][0]["MaxCapacity"] == 2
    schedule = stage.client("scheduler").get_schedule(GroupName=stage.prefix, Name=stage.prefix)
    assert schedule["Target"]["Arn"] == "arn:aws:scheduler:::aws-sdk:sagemaker:deleteEndpoint"
    assert json.loads(schedule["Target"]["Input"]) == {"EndpointName": stage.prefix}
    ends = datetime.strptime(f"{schedule['ScheduleExpression']}+0000", "at(%Y-%m-%dT%H:%M:%S)%z")
    assert timedelta(hours=1.9) < ends - datetime.now(UTC) <= timedelta(hours=INSTANCE.ttl_hours)


def test_burstable_endpoint_does_not_scale(stage: Stage, make_release: Callable[[str], Release]) -> None:
    """AWS refuses autoscaling for ml.t*, which new accounts often have alone."""
    serving.up(stage, make_release("2026.1.1"), Plan(instance_type="ml.t2.medium"))
    targets = stage.client("application-autoscaling").describe_scalable_targets(ServiceNamespace="sagemaker")
    assert targets["ScalableTargets"] == []


def test_plan_that_sagemaker_refuses_is_refused_at_once() -> None:
    with pytest.raises(StageError, match="--max-instances 2 is below --instances 4"):
        Plan(instance_type="ml.m5.large", instances=4)
    with pytest.raises(StageError, match="--provisioned 9"):
        Plan(provisioned=9)


def test_serverless_is_not_turned_into_instances(stage: Stage, make_release: Callable[[str], Release]) -> None:
    release = make_release("2026.1.1")
    serving.up(stage, release, SERVERLESS)
    with pytest.raises(StageError, match="choose another STAGE"):
        serving.up(stage, release, INSTANCE)


def test_foreign_endpoint_is_left_alone(stage: Stage, make_release: Callable[[str], Release]) -> None:
    sagemaker = stage.client("sagemaker")
    sagemaker.create_model(ModelName="x", ExecutionRoleArn=stage.role_arn("x"), PrimaryContainer={"Image": "x"})
    variant = {"VariantName": "x", "ModelName": "x", "InstanceType": "ml.t2.medium", "InitialInstanceCount": 1}
    sagemaker.create_endpoint_config(EndpointConfigName="theirs", ProductionVariants=[variant])
    sagemaker.create_endpoint(EndpointName=stage.prefix, EndpointConfigName="theirs")
    with pytest.raises(StageError, match="not ours"):
        serving.up(stage, make_release("2026.1.1"), SERVERLESS)
    assert stage.client("s3").list_buckets()["Buckets"] == []


def test_destroy_leaves_nothing(stage: Stage, make_release: Callable[[str], Release]) -> None:
    serving.up(stage, make_release("2026.1.1"), INSTANCE)
    serving.up(stage, make_release("2026.1.2"), INSTANCE)
    remove_model(stage)
    assert model_parts(stage) == []
    assert stage.client("s3").list_buckets()["Buckets"] == []
    assert stage.client("iam").list_roles()["Roles"] == []


def test_destroy_leaves_other_stages_alone(stage: Stage, make_release: Callable[[str], Release]) -> None:
    other = open_stage("tests")
    for each in (stage, other):
        serving.up(each, make_release(f"2026.1.{len(each.name)}"), SERVERLESS)
    before = model_parts(other)
    remove_model(stage)
    assert [row[:3] for row in model_parts(other)] == [row[:3] for row in before]


@pytest.mark.usefixtures("aws")
def test_dry_run_of_deploy_makes_nothing(
    make_release: Callable[[str], Release], capsys: pytest.CaptureFixture[str]
) -> None:
    stage = open_stage("test", dry_run=True)
    serving.up(stage, make_release("2026.1.1"), INSTANCE)
    printed = capsys.readouterr().out
    for call in ("S3 CreateBucket", "IAM CreateRole", "SageMaker CreateEndpoint", "Scheduler CreateSchedule"):
        assert f"would call {call}" in printed
    assert model_parts(open_stage("test")) == []


def shape(stage: Stage) -> list[tuple[str, str, str]]:
    """The inventory without the stage's name and ages."""
    return sorted((row.kind, row.name.replace(stage.prefix, "*"), row.state) for row in model_parts(stage))


@pytest.mark.slow
def test_a_crash_after_any_call_of_deploy_is_healed_by_running_it_again(
    stage: Stage, make_release: Callable[[str], Release]
) -> None:
    release, plan = make_release("2026.1.1"), INSTANCE  # makes all that a serverless one does, and more
    serving.up(stage, release, plan)
    expected, calls, crashed = shape(stage), 0, True
    while crashed:
        calls += 1
        fresh, crashed = same_clients(stage, f"c{calls}"), False
        with crash_after(fresh, calls):
            try:
                serving.up(fresh, release, plan)
            except Crash:
                crashed = True
        serving.up(fresh, release, plan)
        assert shape(fresh) == expected
    assert calls > 12


@pytest.mark.slow
def test_a_crash_after_any_call_of_an_update_is_healed_by_running_it_again(
    stage: Stage, make_release: Callable[[str], Release]
) -> None:
    first, second = make_release("2026.1.1"), make_release("2026.1.2")
    calls, crashed = 0, True
    while crashed:
        calls += 1
        fresh, crashed = same_clients(stage, f"c{calls}"), False
        serving.up(fresh, first, SERVERLESS)
        with crash_after(fresh, calls):
            try:
                serving.up(fresh, second, SERVERLESS)
            except Crash:
                crashed = True
        serving.up(fresh, second, SERVERLESS)
        assert second.name in live(fresh)
        assert {entry.status for entry in registry.entries(fresh)} == {"Approved"}
    assert calls > 12


@pytest.mark.slow
def test_a_crash_after_any_call_of_destroy_is_healed_by_running_it_again(
    stage: Stage, make_release: Callable[[str], Release]
) -> None:
    release = make_release("2026.1.1")
    calls, crashed = 0, True
    while crashed:
        calls += 1
        serving.up(stage, release, INSTANCE)
        crashed = False
        with crash_after(stage, calls):
            try:
                remove_model(stage)
            except Crash:
                crashed = True
        remove_model(stage)
        assert model_parts(stage) == []
    assert calls > 12


def carded(release: Release, **more: Any) -> Release:
    """The same release, its card changed."""
    path = release.folder / "card.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **more}))
    return release


def improved(**feedback: Any) -> dict[str, Any]:
    """What training.improve notes in a card."""
    given = {"n": 40, "gained": 12, "lost": 0, "contradicted": 0.0, **feedback}
    return {
        "improved": {"instead_of": "2026.1.1", "gates": [], "feedback": given},
        "lineage": {"parent": "2026.1.1", "feedback": "f" * 64, "corrections": 31, "reads": 0.9, "read": 0.6},
    }


def test_what_the_gate_refuses_is_not_deployed_and_says_why(
    stage: Stage, make_release: Callable[[str], Release]
) -> None:
    serving.up(stage, make_release("2026.1.1"), SERVERLESS)
    before = live(stage)
    with pytest.raises(StageError, match="feedback: of 40 drawings held out 2 were gained and 1 lost"):
        serving.up(stage, carded(make_release("2026.1.2"), **improved(gained=2, lost=1)), SERVERLESS)
    assert live(stage) == before
    assert [entry.version for entry in registry.entries(stage)] == ["2026.1.1"]


def test_what_passes_the_gate_serves_and_its_lineage_stands_in_the_registry(
    stage: Stage, make_release: Callable[[str], Release]
) -> None:
    serving.up(stage, make_release("2026.1.1"), SERVERLESS)
    serving.up(stage, carded(make_release("2026.1.2"), **improved()), SERVERLESS)
    newest = registry.entries(stage)[0]
    assert newest.version == "2026.1.2"
    assert {name: newest.metrics[name] for name in ("parent", "feedback", "corrections")} == {
        "parent": "2026.1.1", "feedback": "f" * 64, "corrections": "31",
    }  # fmt: skip


def test_the_list_of_releases_says_what_each_reads_and_what_it_learnt_from(
    stage: Stage, make_release: Callable[[str], Release], capsys: pytest.CaptureFixture[str]
) -> None:
    metrics = {"test": 0.995, "unseen pen": 0.98, "unseen letter": 0.75, "unseen scan": 0.9}
    serving.up(stage, carded(make_release("2026.1.1"), metrics=metrics), SERVERLESS)
    serving.up(stage, carded(make_release("2026.1.2"), **improved()), SERVERLESS)
    capsys.readouterr()
    serving.show_releases(stage)
    newest, oldest = capsys.readouterr().out.splitlines()
    assert "live" in newest
    assert "31 corrections after 2026.1.1" in newest
    assert oldest.endswith("test 99.50%, letter 75.0% to pen 98.0%")


def test_an_earlier_release_is_put_back_whatever_the_gate_says(
    stage: Stage, make_release: Callable[[str], Release]
) -> None:
    first = carded(make_release("2026.1.1"), metrics={"test": 0.5})
    serving.up(stage, first, SERVERLESS)
    serving.up(stage, make_release("2026.1.2"), SERVERLESS)
    serving.rollback(stage, "2026.1.1", SERVERLESS)
    assert live(stage).startswith(f"{stage.prefix}-2026-1-1") or "2026-1-1" in live(stage)
