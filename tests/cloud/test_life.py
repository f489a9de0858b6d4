"""One stage's whole life, both parts together; `pytest tests/cloud/test_life.py --live` does it in a real account."""

from __future__ import annotations

import zipfile
from typing import TYPE_CHECKING

import pytest

from backend.deploy import __main__ as deploy
from backend.deploy import function, package, parts
from backend.deploy import release as model
from backend.deploy.options import Options
from backend.deploy.plan import Plan, Release
from backend.deploy.stage import ARTIFACT, open_stage

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from backend.deploy.stage import Stage


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
def check(live: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], str] | None:
    """How the deployed API is asked: over the network, or, where moto runs no function, not at all."""
    if live:
        return None
    archive = tmp_path / "package.zip"
    with zipfile.ZipFile(archive, "w") as content:
        content.writestr("handler.py", "lambda_handler = None")
    monkeypatch.setattr(package, "build", lambda *_, **__: tmp_path)
    monkeypatch.setattr(package, "package", lambda *_: archive)
    return lambda url, key: f"made {url} for a key of {len(key)} letters"


def test_a_stage_lives_and_leaves_nothing(place: Stage, check: Callable[[str, str], str] | None) -> None:
    release = Release.load(ARTIFACT, place)
    try:
        for _ in range(2):  # the second time changes nothing and still proves it
            model.up(place, release, Plan())
            function.up(place, Options(), check)
        rows, unseen = parts.inventory(place, deploy.PARTS)
        kinds = {row.kind for row in rows}
        assert {"endpoint", "release", "function", "stack", "usage plan", "alarm"} <= kinds
        assert unseen == {}
        assert release.name in next(row.note for row in rows if row.kind == "endpoint")
    finally:
        deploy.destroy(place)
    assert parts.inventory(place, deploy.PARTS) == ([], {})
