"""The page's container service against a server that speaks Lightsail's wire; Docker and the CLI are stand-ins."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from backend.deploy import page
from backend.deploy.stage import StageError
from tests.stand_in import StandIn

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from backend.deploy.stage import Stage
    from tests.stand_in import Handler


class Lightsail(StandIn):
    """Container services that are ready at once; `asked` holds each action and what went with it."""

    def __init__(self) -> None:
        self.services: dict[str, dict[str, Any]] = {}
        self.asked: list[tuple[str, dict[str, Any]]] = []
        super().__init__(self._act)

    def _act(self, handler: Handler, body: bytes) -> None:
        action, asked = handler.headers["X-Amz-Target"].rsplit(".", 1)[-1], json.loads(body)
        self.asked.append((action, asked))
        status, answer = self._answer(action, asked.get("serviceName", ""))
        handler.send(status, answer)

    def _answer(self, action: str, name: str) -> tuple[int, dict[str, Any]]:
        if action == "CreateContainerService":
            self.services[name] = {"containerServiceName": name, "state": "READY", "url": "https://page.example/"}
        elif name not in self.services:
            return 404, {"__type": "NotFoundException", "message": "none"}
        elif action == "DeleteContainerService":
            del self.services[name]
        elif action == "GetContainerServices":
            return 200, {"containerServices": [self.services[name]]}
        elif action == "GetContainerImages":
            return 200, {"containerImages": [{"image": f":{name}.page.2"}, {"image": f":{name}.page.1"}]}
        return 200, {}


@pytest.fixture
def lightsail(aws: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lightsail]:
    monkeypatch.setattr(page, "url_of", lambda _: "https://api.example/dev")
    monkeypatch.setattr(page, "key_of", lambda *_, **__: {"value": "the key"})
    with Lightsail() as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL_LIGHTSAIL", server.url)
        yield server


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
    stage: Stage, lightsail: Lightsail, tools: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page.up(stage)
    [deployment] = [asked for action, asked in lightsail.asked if action == "CreateContainerServiceDeployment"]
    container = deployment["containers"]["page"]
    assert container["image"] == ":fullstack-model-test-page.page.2"
    assert container["environment"] == {"API_URL": "https://api.example/dev", "API_KEY": "the key"}
    assert deployment["publicEndpoint"]["healthCheck"]["path"] == "/_stcore/health"
    assert [line.split()[0] for line in tools.read_text().splitlines()] == ["docker", "aws"]
    printed = capsys.readouterr().out
    assert "https://page.example/" in printed
    assert "the key" not in printed


def test_second_run_makes_no_second_service(stage: Stage, lightsail: Lightsail, tools: Path) -> None:
    page.up(stage)
    page.up(stage)
    assert [action for action, _ in lightsail.asked].count("CreateContainerService") == 1


def test_destroy_removes_the_service_and_may_be_repeated(stage: Stage, lightsail: Lightsail, tools: Path) -> None:
    page.up(stage)
    page.destroy(stage)
    page.destroy(stage)
    assert lightsail.services == {}


def test_without_docker_says_so(
    stage: Stage, lightsail: Lightsail, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(StageError, match="docker is not installed"):
        page.up(stage)
