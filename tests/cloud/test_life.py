"""One stage's whole life by the command line: every mode, a canary, nothing left, and what it cost.

`pytest tests/cloud/test_life.py --live` does it in the account of this machine, as stage "live": half an hour, cents.
"""

from __future__ import annotations

import io
import json
import tarfile
import time
import zipfile
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
from botocore.client import BaseClient

from backend.deploy import __main__ as deploy
from backend.deploy import canary, choices, cost, gateway, package, parts, trial
from backend.deploy.plan import RELEASE_FILES
from backend.deploy.rule import Patience
from backend.deploy.stage import ARTIFACT, open_stage
from tests.cloud.played import Api

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from backend.deploy.stage import Stage

    Ask = Callable[[bytes, str], str]  # picture and caller -> the version that answered

MODES = (
    ["--mode", "sagemaker", "--no-fallback", "--max-ms", "60000"],
    ["--fallback"],
    ["--mode", "embedded"],
    ["--mode", "sagemaker"],
)
CALLERS = 40


@pytest.fixture
def live(request: pytest.FixtureRequest) -> bool:
    return bool(request.config.getoption("--live", default=False))


@pytest.fixture
def place(live: bool, request: pytest.FixtureRequest) -> Stage:
    """Stage "live" of this machine's account, or stage "test" of the simulated one."""
    if live:
        return open_stage("live")
    found: Stage = request.getfixturevalue("stage")
    return found


@pytest.fixture
def ask(live: bool, place: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ask:
    """How the deployed API is asked: over the network, or, where moto runs no function, as it would be run."""
    if live:
        return lambda picture, caller: over_the_network(place, picture, caller)
    archive = tmp_path / "package.zip"
    with zipfile.ZipFile(archive, "w") as content:
        content.writestr("handler.py", "lambda_handler = None")
    monkeypatch.setattr(package, "build", lambda *_, **__: tmp_path)
    monkeypatch.setattr(package, "package", lambda *_: archive)
    monkeypatch.setattr(trial, "try_api", lambda *_, **__: "answers")
    return lambda picture, caller: str(Api(place).predict(picture, caller)["model"]["version"])


def over_the_network(stage: Stage, picture: bytes, caller: str) -> str:
    key = (gateway.key_of(stage, value=True) or {})["value"]
    asked = trial.Https(gateway.url_of(stage) or "", key)
    asked.headers |= {"X-Caller-Id": caller, "X-Request-Id": f"life-{caller}"}
    status, body = asked("/predictions", picture)
    assert status == 200, body
    return str(json.loads(body)["model"]["version"])


@pytest.fixture
def another(tmp_path: Path) -> Path:
    """The same weights under another version of as many letters, which stands in the graph too."""
    card = json.loads((ARTIFACT / "card.json").read_text())
    old = card["version"]
    new = f"{old[:-1]}{(int(old[-1]) + 1) % 10}"
    folder = tmp_path / "another"
    folder.mkdir()
    for name in RELEASE_FILES:
        (folder / name).write_bytes((ARTIFACT / name).read_bytes())
    (folder / "card.json").write_text(json.dumps({**card, "version": new}))
    with tarfile.open(ARTIFACT / "model.tar.gz") as before, tarfile.open(folder / "model.tar.gz", "w:gz") as after:
        for member in before.getmembers():
            content = before.extractfile(member)
            data = content.read().replace(old.encode(), new.encode()) if content else b""
            after.addfile(member, io.BytesIO(data))
    return folder


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often each operation of AWS's was called, and the API asked."""
    counted: Counter[str] = Counter()
    call, ask = BaseClient._make_api_call, trial.Https.__call__

    def make_api_call(self: BaseClient, operation: str, arguments: dict[str, Any]) -> Any:
        counted[operation] += 1
        return call(self, operation, arguments)

    def https(self: trial.Https, path: str, body: bytes | None = None) -> tuple[int, bytes]:
        counted["API"] += 1
        return ask(self, path, body)

    monkeypatch.setattr(BaseClient, "_make_api_call", make_api_call)
    monkeypatch.setattr(trial.Https, "__call__", https)
    return counted


def spent(calls: Counter[str], hours: float) -> str:
    """By the price list, for AWS's own figure comes a day later; cents of storage are not counted."""
    usd = calls["InvokeEndpoint"] * cost.asked(2048) + (calls["API"] + calls["Invoke"]) * cost.Setup().per_request
    usd += hours * cost.Setup().fixed / 730
    asked = (
        f"{calls['InvokeEndpoint']} questions to endpoints, {calls['API']} to the API, {calls['Invoke']} to functions"
    )
    return f"spent about ${usd:.4f} in {hours:.2f} hours: {asked}, of {calls.total()} calls"


def run(stage: Stage, command: str, *given: str) -> None:
    deploy.main([command, *given, "--stage", stage.name])


def test_a_stage_lives_in_every_mode_has_a_canary_and_leaves_nothing(
    place: Stage,
    ask: Ask,
    another: Path,
    seven: bytes,
    live: bool,
    calls: Counter[str],
    capsys: pytest.CaptureFixture[str],
) -> None:
    started = time.monotonic()
    try:
        for mode in MODES:
            run(place, "up", *mode, "--yes")
        rows, unseen = parts.inventory(place, deploy.PARTS)
        assert {"endpoint", "release", "function", "stack", "usage plan", "alarm"} <= {row.kind for row in rows}
        assert unseen == {}
        run(place, "canary", "start", "--artifact", str(another), "--share", "50", "--yes")
        versions = {ask(seven, str(caller)) for caller in range(CALLERS)}
        assert len(versions) == 2
        judged = judge(place, live=live)
        assert judged == "promote"
        assert ask(seven, "anybody") == json.loads((another / "card.json").read_text())["version"]
        run(place, "status")
        run(place, "rollback", json.loads((ARTIFACT / "card.json").read_text())["version"])
    finally:
        run(place, "destroy")
        with capsys.disabled():
            print("\n" + spent(calls, (time.monotonic() - started) / 3600))
    assert parts.inventory(place, deploy.PARTS) == ([], {})


def judge(stage: Stage, *, live: bool) -> str:
    """Judge until the log has all answers: CloudWatch shows them some seconds later."""
    if not live:
        Api(stage).write_log()
    end, verdict = time.monotonic() + 300, "wait"
    while verdict == "wait" and time.monotonic() < end:
        _, now = choices.settle(stage, {})
        verdict = canary.judge(stage, now, Patience(answers=CALLERS // 4, hours=0)).what
        time.sleep(5)
    return verdict
