"""A stage changes its mode: code, whole environment and rights go together, forth and back; no endpoint is left."""

from __future__ import annotations

import json
import zipfile
from itertools import pairwise, permutations
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import pytest

from backend.deploy import __main__ as deploy
from backend.deploy import endpoint, function, options, package, trial
from backend.deploy.options import Options
from backend.deploy.trial import TrialError

if TYPE_CHECKING:
    from pathlib import Path

    from backend.deploy.stage import Stage

MODES = {
    "sagemaker": ["--mode", "sagemaker", "--no-fallback"],  # a stage remembers that it has one
    "sagemaker+fallback": ["--mode", "sagemaker", "--fallback"],
    "embedded": ["--mode", "embedded"],
}
# Each mode once the old one and once the new one; all six pairs take minutes.
QUICK = list(pairwise([*MODES, *MODES][:4]))
PAIRS = [pair if pair in QUICK else pytest.param(*pair, marks=pytest.mark.slow) for pair in permutations(MODES, 2)]
RELAYS = {"SAGEMAKER_ENDPOINT_NAME": "fullstack-model-test"}
EMBEDS = {"BACKEND_MODEL_DIR": "model"}
TOLD = {
    "sagemaker": RELAYS,
    "sagemaker+fallback": RELAYS | EMBEDS | {"BACKEND_FALLBACK": "embedded"},
    "embedded": EMBEDS,
}


@pytest.fixture
def settings_book(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """zappa_settings.json of one's own."""
    book = tmp_path / "zappa_settings.json"
    book.write_text((options.ROOT / "zappa_settings.json").read_text())
    monkeypatch.setattr(options, "ROOT", tmp_path)
    return book


@pytest.fixture(autouse=True)
def another_package_for_each_mode(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package that holds its mode and no more."""

    def pack(folder: Path, *_: Any) -> Path:
        with zipfile.ZipFile(tmp_path / "package.zip", "w") as content:
            content.writestr("handler.py", f"lambda_handler = {folder.name!r}")
        return tmp_path / "package.zip"

    monkeypatch.setattr(package, "build", lambda name, **_: tmp_path / name)
    monkeypatch.setattr(package, "package", pack)
    monkeypatch.setattr(trial, "try_api", lambda *_, **__: "answers")


def deploy_as(stage: Stage, mode: str) -> None:
    deploy.up(stage, deploy.parser().parse_args(["up", "--stage", stage.name, "--yes", *MODES[mode]]))


def state(stage: Stage) -> tuple[dict[str, str], str, set[str]]:
    """What the function is told, a hash of its code, and which rights it has beside those of every mode."""
    about = stage.client("lambda").get_function_configuration(FunctionName=stage.prefix)
    told = {k: v for k, v in about["Environment"]["Variables"].items() if k in TOLD["sagemaker+fallback"]}
    given = stage.client("iam").get_role_policy(RoleName=stage.role("function"), PolicyName="stage")["PolicyDocument"]
    document = json.loads(unquote(given)) if isinstance(given, str) else given
    names = {statement.get("Sid", "no name") for statement in document["Statement"]}
    return told, about["CodeSha256"], names - {"BeCalledByApiGateway", "WriteLogs", "Trace"}


@pytest.mark.parametrize(("old", "new"), PAIRS)
def test_a_stage_changes_its_mode_and_nothing_of_the_old_one_stays(stage: Stage, old: str, new: str) -> None:
    deploy_as(stage, old)
    before = state(stage)
    deploy_as(stage, new)
    told, code, rights = state(stage)
    assert told == TOLD[new]
    assert rights == ({"AskTheModel"} if "sagemaker" in new else set())
    assert code != before[1]
    assert (endpoint.describe(stage) is not None) == ("sagemaker" in new)
    alarms = {alarm.rpartition("-")[0] for alarm in alarm_names(stage)}
    assert ("fullstack-model-test-endpoint" in alarms) == ("sagemaker" in new)


def alarm_names(stage: Stage) -> list[str]:
    return [alarm["AlarmName"] for alarm in stage.client("cloudwatch").describe_alarms()["MetricAlarms"]]


@pytest.mark.parametrize(("old", "new"), PAIRS)
def test_a_change_of_mode_that_fails_its_trial_is_taken_back_whole(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, old: str, new: str
) -> None:
    deploy_as(stage, old)
    before = state(stage)

    def fails(*_: Any, **__: Any) -> str:
        raise TrialError("It answers 500.")

    monkeypatch.setattr(trial, "try_api", fails)
    with pytest.raises(TrialError, match="back on the code, settings and rights before"):
        deploy_as(stage, new)
    assert state(stage) == before
    assert (endpoint.describe(stage) is not None) == ("sagemaker" in old)


def test_a_function_that_stops_keeping_feedback_keeps_none(stage: Stage, settings_book: Path) -> None:
    book = json.loads(settings_book.read_text())
    book["base"]["aws_environment_variables"]["BACKEND_FEEDBACK"] = "s3://drawings/given"
    plain = settings_book.read_text()
    settings_book.write_text(json.dumps(book))
    function.up(stage, Options(mode="embedded"), lambda *_: "answers")
    assert state(stage)[2] == {"KeepFeedback", "FindFeedback"}
    settings_book.write_text(plain)
    function.up(stage, Options(mode="embedded"), lambda *_: "answers")
    about = stage.client("lambda").get_function_configuration(FunctionName=stage.prefix)
    assert "BACKEND_FEEDBACK" not in about["Environment"]["Variables"]
    assert state(stage)[2] == set()


def test_while_a_change_is_tried_the_old_code_may_still_do_its_work(stage: Stage) -> None:
    deploy_as(stage, "sagemaker")
    seen: list[set[str]] = []
    function.up(stage, Options(mode="embedded"), lambda *_: (seen.append(state(stage)[2]), "answers")[1])
    assert seen == [{"no name"}]  # AskTheModel, once more without its Sid
