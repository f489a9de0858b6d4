"""The page's container service against a server that speaks Lightsail's wire; Docker and the CLI are stand-ins."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from backend.deploy import page
from backend.deploy.refusals import StageError

if TYPE_CHECKING:
    from pathlib import Path

    from backend.deploy.stage import Stage
    from tests.cloud.lightsail import Lightsail


@pytest.fixture
def served(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> Stage:
    """A stage with an API."""
    monkeypatch.setattr(page, "url_of", lambda _: "https://api.example/dev")
    monkeypatch.setattr(page, "key_of", lambda *_, **__: {"value": "the key"})
    return stage


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """docker and aws that note what they were asked."""
    for name in ("docker", "aws"):
        tool = tmp_path / name
        tool.write_text(f'#!/bin/sh\necho {name} "$@" >> {tmp_path}/ran\n')
        tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    return tmp_path / "ran"


def test_page_runs_against_the_stages_api(
    served: Stage, lightsail: Lightsail, tools: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page.up(served)
    [deployment] = lightsail.asked("CreateContainerServiceDeployment")
    container = deployment["containers"]["page"]
    assert container["image"] == ":fullstack-model-test-page.page.2"
    assert container["environment"] == {"API_URL": "https://api.example/dev", "API_KEY": "the key"}
    assert deployment["publicEndpoint"]["healthCheck"]["path"] == "/_stcore/health"
    assert [line.split()[0] for line in tools.read_text().splitlines()] == ["docker", "aws"]
    printed = capsys.readouterr().out
    assert "https://page.example/" in printed
    assert "the key" not in printed


def test_second_run_makes_no_second_service(served: Stage, lightsail: Lightsail, tools: Path) -> None:
    page.up(served)
    page.up(served)
    assert len(lightsail.asked("CreateContainerService")) == 1


def test_destroy_removes_the_service_and_may_be_repeated(served: Stage, lightsail: Lightsail, tools: Path) -> None:
    page.up(served)
    page.destroy(served)
    page.destroy(served)
    assert lightsail.services == {}


def test_without_docker_says_so(
    served: Stage, lightsail: Lightsail, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(StageError, match="docker is not installed"):
        page.up(served)


def test_a_container_that_does_not_start_is_a_failure(served: Stage, lightsail: Lightsail, tools: Path) -> None:
    page.up(served)
    lightsail.deploys = "FAILED"
    with pytest.raises(StageError, match="did not start, and what ran before still does"):
        page.up(served)


def test_image_is_built_for_lightsails_processor(served: Stage, tools: Path) -> None:
    page.up(served)
    assert "--platform linux/amd64" in tools.read_text()
