"""Who may ask, how often, and from which other pages."""

from __future__ import annotations

import subprocess
import sys
import time
from hashlib import sha256
from typing import TYPE_CHECKING

import pytest

from backend import contract
from backend.app import create_app
from backend.settings import SettingsError

if TYPE_CHECKING:
    from pathlib import Path

    from flask.testing import FlaskClient

    from backend.predictors import EmbeddedPredictor

PNG = {"content_type": "image/png"}
KEYS = ("first-key", "second-key")
HASHES = ",".join(sha256(key.encode()).hexdigest() for key in KEYS)


@pytest.fixture
def guarded(embedded: EmbeddedPredictor, tmp_path: Path) -> FlaskClient:
    return create_app({"api_keys": HASHES, "feedback": str(tmp_path)}, embedded).test_client()


@pytest.mark.parametrize("key", KEYS)
def test_each_of_several_keys_opens(guarded: FlaskClient, seven: bytes, key: str) -> None:
    assert guarded.post("/predictions", data=seven, headers={"X-Api-Key": key}, **PNG).json["label"] == "7"


@pytest.mark.parametrize(
    "headers", [{}, {"X-Api-Key": ""}, {"X-Api-Key": "wrong"}, {"X-Api-Key": HASHES[:64]}], ids=str
)
@pytest.mark.parametrize(
    "asked",
    [
        f"POST {contract.PREDICTIONS}",
        f"POST {contract.BATCH}",
        f"POST {contract.FEEDBACK}",
        f"GET {contract.FEEDBACK}/{'0' * 32}",
        f"DELETE {contract.FEEDBACK}/{'0' * 32}",
    ],
)
def test_no_key_or_a_wrong_one_is_401(guarded: FlaskClient, asked: str, headers: dict[str, str]) -> None:
    method, path = asked.split()
    response = guarded.open(path, method=method, data=b"", headers=headers, **PNG)
    assert (response.status_code, response.json["type"]) == (401, "/problems/invalid-api-key")
    assert response.headers["WWW-Authenticate"] == 'ApiKey header="X-Api-Key"'


@pytest.mark.parametrize("path", [contract.HEALTH, contract.READY, contract.OPENAPI, contract.DOCS])
def test_health_and_the_description_need_no_key(guarded: FlaskClient, path: str) -> None:
    assert guarded.get(path).status_code == 200


def test_keys_that_are_no_hashes_stop_the_start() -> None:
    with pytest.raises(SettingsError, match=r"python -m backend\.keys"):
        create_app({"api_keys": "a-plain-key"})


def test_the_command_makes_a_key_and_its_hash() -> None:
    command = [sys.executable, "-m", "backend.keys"]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    key, digest = (line.split()[-1] for line in lines)
    assert sha256(key.encode()).hexdigest() == digest
    assert len(key) == 43


def test_over_the_rate_is_429_and_says_when_to_come_back(embedded: EmbeddedPredictor, seven: bytes) -> None:
    client = create_app({"rate_limit": "3 per 3 seconds"}, embedded).test_client()
    for _ in range(3):
        assert client.post("/predictions", data=seven, **PNG).status_code == 200
    response = client.post("/predictions", data=seven, **PNG)
    assert (response.status_code, response.json["type"]) == (429, "/problems/rate-limited")
    time.sleep(int(response.headers["Retry-After"]))
    assert client.post("/predictions", data=seven, **PNG).status_code == 200


def test_each_key_has_its_own_rate(embedded: EmbeddedPredictor) -> None:
    client = create_app({"rate_limit": "1 per hour", "api_keys": HASHES}, embedded).test_client()

    def status(key: str) -> int:
        return client.post("/predictions", data=b"x", headers={"X-Api-Key": key}, **PNG).status_code

    assert [status(key) for key in ("first-key", "first-key", "second-key", "second-key")] == [415, 429, 415, 429]
    assert client.get("/health").status_code == 200


def test_without_keys_each_address_has_its_own_rate(embedded: EmbeddedPredictor) -> None:
    client = create_app({"rate_limit": "1 per hour"}, embedded).test_client()

    def status(address: str) -> int:
        return client.post("/predictions", data=b"x", environ_base={"REMOTE_ADDR": address}, **PNG).status_code

    assert [status(address) for address in ("192.0.2.1", "192.0.2.1", "192.0.2.2")] == [415, 429, 415]


def test_a_rate_that_means_nothing_stops_the_start(embedded: EmbeddedPredictor) -> None:
    with pytest.raises(SettingsError, match="60 per minute"):
        create_app({"rate_limit": "often"}, embedded)


def test_pages_of_other_origins_are_not_answered_by_default(client: FlaskClient, seven: bytes) -> None:
    response = client.post("/predictions", data=seven, headers={"Origin": "https://elsewhere.example"}, **PNG)
    assert "Access-Control-Allow-Origin" not in response.headers


def test_named_origins_may_call_and_others_may_not(embedded: EmbeddedPredictor, seven: bytes) -> None:
    client = create_app({"cors_origins": "https://page.example", "api_keys": HASHES}, embedded).test_client()
    preflight = {
        "Origin": "https://page.example",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "content-type, x-api-key",
    }
    allowed = client.options("/predictions", headers=preflight)
    assert allowed.status_code == 200, "a preflight carries no key"
    assert allowed.headers["Access-Control-Allow-Origin"] == "https://page.example"
    assert "x-api-key" in allowed.headers["Access-Control-Allow-Headers"].lower()
    refused = client.post("/predictions", data=seven, headers={"Origin": "https://page.example"}, **PNG)
    assert refused.status_code == 401
    assert refused.headers["Access-Control-Allow-Origin"] == "https://page.example", "a page can read its 401"
    assert set(refused.headers["Access-Control-Expose-Headers"].split(", ")) == {"X-Request-Id", "Retry-After"}
    other = client.post("/predictions", data=seven, headers={"Origin": "https://other.example"}, **PNG)
    assert "Access-Control-Allow-Origin" not in other.headers
