"""The page's container service against a server that speaks Lightsail's wire; Docker and the CLI are stand-ins."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING, Any

import pytest

from backend.deploy import page
from backend.deploy.stage import Stage, StageError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SERVICES: dict[str, dict[str, Any]] = {}
ASKED: list[tuple[str, dict[str, Any]]] = []


class Lightsail(BaseHTTPRequestHandler):
    """Container services that are ready at once."""

    def log_message(self, *args: object) -> None:
        pass

    def do_POST(self) -> None:
        action = self.headers["X-Amz-Target"].rsplit(".", 1)[-1]
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        ASKED.append((action, asked))
        status, answer = self.answer(action, asked.get("serviceName", ""))
        body = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/x-amz-json-1.1")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def answer(self, action: str, name: str) -> tuple[int, dict[str, Any]]:
        if action == "CreateContainerService":
            SERVICES[name] = {"containerServiceName": name, "state": "READY", "url": "https://page.example/"}
        elif name not in SERVICES:
            return 404, {"__type": "NotFoundException", "message": "none"}
        elif action == "DeleteContainerService":
            del SERVICES[name]
        elif action == "GetContainerServices":
            return 200, {"containerServices": [SERVICES[name]]}
        elif action == "GetContainerImages":
            return 200, {"containerImages": [{"image": f":{name}.page.2"}, {"image": f":{name}.page.1"}]}
        return 200, {}


@pytest.fixture
def lightsail(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    SERVICES.clear()
    ASKED.clear()
    server = HTTPServer(("127.0.0.1", 0), Lightsail)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    monkeypatch.setenv("AWS_ENDPOINT_URL_LIGHTSAIL", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setattr(page, "url_of", lambda _: "https://api.example/dev")
    monkeypatch.setattr(page, "key_of", lambda *_, **__: {"value": "the key"})
    yield stage
    server.shutdown()
    server.server_close()


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """docker and aws that note what they were asked."""
    for name in ("docker", "aws"):
        tool = tmp_path / name
        tool.write_text(f'#!/bin/sh\necho {name} "$@" >> {tmp_path}/ran\n')
        tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    return tmp_path / "ran"


def test_page_runs_against_the_stages_api(lightsail: Stage, tools: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page.up(lightsail)
    [deployment] = [asked for action, asked in ASKED if action == "CreateContainerServiceDeployment"]
    container = deployment["containers"]["page"]
    assert container["image"] == ":fullstack-model-test-page.page.2"
    assert container["environment"] == {"API_URL": "https://api.example/dev", "API_KEY": "the key"}
    assert deployment["publicEndpoint"]["healthCheck"]["path"] == "/_stcore/health"
    assert [line.split()[0] for line in tools.read_text().splitlines()] == ["docker", "aws"]
    printed = capsys.readouterr().out
    assert "https://page.example/" in printed
    assert "the key" not in printed


def test_second_run_makes_no_second_service(lightsail: Stage, tools: Path) -> None:
    page.up(lightsail)
    page.up(lightsail)
    assert [action for action, _ in ASKED].count("CreateContainerService") == 1


def test_destroy_removes_the_service_and_may_be_repeated(lightsail: Stage, tools: Path) -> None:
    page.up(lightsail)
    page.destroy(lightsail)
    page.destroy(lightsail)
    assert SERVICES == {}


def test_without_docker_says_so(lightsail: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(StageError, match="docker is not installed"):
        page.up(lightsail)
