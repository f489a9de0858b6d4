"""The API as a process: how it starts, how it refuses to, and what it still answers while its endpoint is slow."""

from __future__ import annotations

import base64
import os
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
import requests

from tests.contract.misbehaving import well
from tests.contract.process import Process

if TYPE_CHECKING:
    from pathlib import Path

    from tests.contract.misbehaving import Runtime
    from tests.stand_in import Handler


def refusal(*arguments: str, **environment: str) -> str:
    """What `python -m backend.server` says before it exits with 1."""
    command = [sys.executable, "-m", "backend.server", *arguments]
    ran = subprocess.run(command, env=os.environ | environment, capture_output=True, text=True, timeout=60, check=False)
    assert (ran.returncode, ran.stdout) == (1, "")
    return ran.stderr


def test_a_wrong_setting_is_one_sentence_and_exit_code_1() -> None:
    said = refusal(BACKEND_FALLBACK="nonsense")
    assert said == 'The API cannot start: BACKEND_FALLBACK is "embedded" or empty, not "nonsense".\n'


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ({}, "You must specify a region"),
        ({"AWS_PROFILE": "nobody"}, "nobody"),
        ({"AWS_DEFAULT_REGION": "us-east-1", "AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME": "localhost:8080"}, "localhost:8080"),
        ({"SAGEMAKER_ENDPOINT_NAME": "https://runtime.example/endpoints/digits"}, "the endpoint's name alone"),
        ({"SAGEMAKER_ENDPOINT_NAME": "arn:aws:sagemaker:us-east-1:1:endpoint/digits"}, "the endpoint's name alone"),
    ],
    ids=str,
)
def test_an_endpoint_that_cannot_be_asked_is_one_sentence_and_exit_code_1(
    environment: dict[str, str], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_DEFAULT_REGION", "AWS_REGION"):
        monkeypatch.delenv(name, raising=False)
    nowhere = {"AWS_CONFIG_FILE": "/nowhere", "AWS_SHARED_CREDENTIALS_FILE": "/nowhere"}
    said = refusal(**nowhere | {"SAGEMAKER_ENDPOINT_NAME": "digits"} | environment)
    assert said.startswith("The API cannot start: ")
    assert words in said
    assert said.count("\n") == 1


def test_a_store_that_cannot_be_asked_is_one_sentence_and_exit_code_1() -> None:
    said = refusal(BACKEND_FEEDBACK="s3://drawings", AWS_PROFILE="nobody", AWS_CONFIG_FILE="/nowhere")
    assert said.splitlines()[-1].startswith("The API cannot start: boto3 cannot ask s3: ")
    assert "Traceback" not in said


def test_a_host_that_is_none_is_one_sentence_and_exit_code_1() -> None:
    said = refusal("--host", "no.such.host.invalid")
    assert said.splitlines()[-1].startswith("The API cannot start: ")
    assert "Traceback" not in said


@pytest.mark.parametrize("port", ["99999", "-1", "tcp://10.0.0.1:8000"])
def test_a_port_that_is_none_is_refused_by_the_command(port: str) -> None:
    command = [sys.executable, "-m", "backend.server", f"--port={port}"]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert ran.returncode == 2
    assert "--port" in ran.stderr
    assert len(ran.stderr) < 400


def test_a_clusters_service_links_are_no_settings() -> None:
    """Kubernetes puts these beside a service called "backend"."""
    link = "tcp://10.0.0.1:8000"
    names = ("PORT", "PORT_8000_TCP", "PORT_8000_TCP_ADDR", "SERVICE_HOST", "SERVICE_PORT", "SERVICE_PORT_HTTP")
    api = Process(**{f"BACKEND_{name}": link for name in names})
    assert requests.get(f"{api.url}/health", timeout=10).status_code == 200
    assert api.stop() == 0


def test_a_port_in_use_is_one_sentence_and_exit_code_1() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        said = refusal("--port", str(taken.getsockname()[1]))
    assert said.splitlines()[-1].startswith("The API cannot start: ")
    assert "Traceback" not in said


AT_ONCE = """
import json, sys, threading
from backend.app import create_app
from backend.predictors import read_answers, read_plain

sys.setswitchinterval(1e-6)
app = create_app({"feedback": sys.argv[1]})
picture = sys.stdin.read()
about = {"score": 1.0, "threshold": 0.3, "labels": ["0", "1"], "name": "m", "version": "1"}
statuses = set()

def post(path, body):
    statuses.add(app.test_client().post(path, json=body).status_code)

def by_eight(ask, *arguments):
    together = threading.Barrier(8)
    threads = [threading.Thread(target=lambda: (together.wait(), ask(*arguments))) for _ in range(8)]
    [each.start() for each in threads], [each.join() for each in threads]

by_eight(read_answers, json.dumps({"predictions": [{"probabilities": [1.0, 0.0], **about}]}), 1)
by_eight(read_plain, '{"predictions": [[1.0, 0.0]]}')
by_eight(post, "/feedback", {"image": picture, "label": "7", "consent": True})
by_eight(post, "/predictions", {"image": picture})
by_eight(post, "/predictions/batch", {"images": [picture]})
print(sorted(statuses))
"""


def test_the_first_requests_of_a_process_may_all_come_at_once(seven: bytes, tmp_path: Path) -> None:
    """Where two threads made a type's first decoder, two processes of three crashed here."""
    command = [sys.executable, "-c", AT_ONCE, str(tmp_path)]
    picture = base64.b64encode(seven).decode()
    ran = subprocess.run(command, input=picture, capture_output=True, text=True, timeout=60, check=False)
    assert (ran.returncode, ran.stdout) == (0, "[200, 201]\n"), ran.stderr


def test_health_is_answered_while_eight_requests_wait_for_the_endpoint(runtime: Runtime, seven: bytes) -> None:
    waiting, go_on = threading.Semaphore(0), threading.Event()

    def behave(handler: Handler, body: bytes) -> None:
        waiting.release()
        go_on.wait(20)
        well(handler, body)

    def ask(_: int) -> int:
        headers = {"Content-Type": "image/png"}
        return requests.post(f"{api.url}/predictions", data=seven, headers=headers, timeout=60).status_code

    runtime.behave = behave
    api = Process(SAGEMAKER_ENDPOINT_NAME="digits")
    try:
        with ThreadPoolExecutor(8) as clients:
            asked = [clients.submit(ask, n) for n in range(8)]
            came = [waiting.acquire(timeout=4) for _ in asked]  # before the endpoint's time limit of 5 seconds
            started = time.monotonic()
            assert requests.get(f"{api.url}/health", timeout=10).status_code == 200
            assert time.monotonic() - started < 1
            go_on.set()
            assert all(came), "all eight reach the endpoint together"
            assert {each.result() for each in asked} == {200}
    finally:
        go_on.set()
        api.stop()
