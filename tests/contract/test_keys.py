"""Who may ask, how often, and from which other pages."""

from __future__ import annotations

import subprocess
import sys
import time
from hashlib import sha256
from typing import TYPE_CHECKING

import pytest
import requests

from backend import contract
from backend.app import create_app
from backend.keys import accepted_key
from backend.settings import SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from flask import Flask
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
    assert response.json["detail"] == "Send your key in the header X-Api-Key."


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
    wait = response.headers["Retry-After"]
    assert response.json["detail"] == f"The limit is 3 per 3 second. Wait {wait} s."
    time.sleep(int(wait))
    assert client.post("/predictions", data=seven, **PNG).status_code == 200


def test_each_key_has_its_own_rate(embedded: EmbeddedPredictor) -> None:
    client = create_app({"rate_limit": "1 per hour", "api_keys": HASHES}, embedded).test_client()

    def status(key: str) -> int:
        return client.post("/predictions", data=b"x", headers={"X-Api-Key": key}, **PNG).status_code

    assert [status(key) for key in ("first-key", "first-key", "second-key", "second-key")] == [415, 429, 415, 429]
    assert client.get("/health").status_code == 200
    headers = {"X-Api-Key": "second-key"}
    refused = client.post("/predictions", data=b"x", headers=headers, **PNG)
    assert 3590 <= int(refused.headers["Retry-After"]) <= 3600


def test_without_keys_each_address_has_its_own_rate(embedded: EmbeddedPredictor) -> None:
    client = create_app({"rate_limit": "1 per hour"}, embedded).test_client()

    def status(address: str) -> int:
        return client.post("/predictions", data=b"x", environ_base={"REMOTE_ADDR": address}, **PNG).status_code

    assert [status(address) for address in ("192.0.2.1", "192.0.2.1", "192.0.2.2")] == [415, 429, 415]


@pytest.mark.parametrize("rate", ["often", "0 per minute", "-1 per hour", "5 per second; often", ";"])
def test_a_rate_that_means_nothing_stops_the_start(embedded: EmbeddedPredictor, rate: str) -> None:
    with pytest.raises(SettingsError, match="60 per minute"):
        create_app({"rate_limit": rate}, embedded)


def test_two_limits_are_both_kept(embedded: EmbeddedPredictor) -> None:
    client = create_app({"rate_limit": "2 per second; 3 per hour"}, embedded).test_client()

    def status() -> int:
        return client.post("/predictions", data=b"x", **PNG).status_code

    assert [status() for _ in range(3)] == [415, 415, 429]
    time.sleep(1.1)
    assert [status() for _ in range(2)] == [415, 429], "what a second's limit refused was not counted for the hour"


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
def test_a_key_need_not_be_ascii(embedded: EmbeddedPredictor, serve: Callable[[Flask], str], encoding: str) -> None:
    url = serve(create_app({"api_keys": sha256("schlüssel".encode()).hexdigest()}, embedded))
    headers = {"X-Api-Key": "schlüssel".encode(encoding)}
    assert requests.post(f"{url}/predictions", data=b"x", headers=headers, timeout=10).status_code == 415
    headers = {"X-Api-Key": "schlüsse1".encode(encoding)}
    assert requests.post(f"{url}/predictions", data=b"x", headers=headers, timeout=10).status_code == 401


@pytest.mark.parametrize(("given", "found"), [("ключ", True), ("клю4", False), ("\udc80", False)])
def test_lambda_gives_any_text_as_a_key(given: str, found: bool) -> None:
    digest = sha256("ключ".encode()).hexdigest()
    assert accepted_key(given, (digest,)) == found * digest


PROXIES = {"rate_limit": "1 per hour", "trusted_proxies": "127.0.0.1, 10.0.0.0/8"}


@pytest.mark.parametrize(
    ("settings", "forwarded", "statuses"),
    [
        (PROXIES, ["203.0.113.7", "203.0.113.8"], [415, 415]),
        (PROXIES, ["203.0.113.7", "203.0.113.7"], [415, 429]),
        (PROXIES, ["1.1.1.1, 203.0.113.7", "2.2.2.2, 203.0.113.7"], [415, 429]),
        (PROXIES, ["203.0.113.7, 10.1.2.3", "203.0.113.8, 10.1.2.3"], [415, 415]),
        (PROXIES, ["2001:db8::1", "2001:db8::2"], [415, 415]),
        (PROXIES, ["nonsense", "other"], [415, 429]),
        ({"rate_limit": "1 per hour"}, ["203.0.113.7", "203.0.113.8"], [415, 429]),
        (PROXIES | {"trusted_proxies": "127.9.9.9/8"}, ["203.0.113.7", "203.0.113.8"], [415, 415]),
        (PROXIES | {"trusted_proxies": "192.0.2.1"}, ["203.0.113.7", "203.0.113.8"], [415, 429]),
    ],
    ids=str,
)
def test_behind_a_trusted_proxy_the_clients_address_counts(
    embedded: EmbeddedPredictor, settings: dict[str, str], forwarded: list[str], statuses: list[int]
) -> None:
    """A client may write what it likes to the left of what the proxy adds."""
    client = create_app(settings, embedded).test_client()
    headers = [{"X-Forwarded-For": each} for each in forwarded]
    assert [client.post("/predictions", data=b"x", headers=each, **PNG).status_code for each in headers] == statuses


def test_a_proxy_that_is_no_address_stops_the_start(embedded: EmbeddedPredictor) -> None:
    with pytest.raises(SettingsError, match="BACKEND_TRUSTED_PROXIES"):
        create_app({"rate_limit": "1 per hour", "trusted_proxies": "my-proxy"}, embedded)


# ---- names


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost:8000", 200),
        ("127.0.0.1", 200),
        ("[::1]:8000", 200),
        ("page.localhost", 200),
        ("evil.example:8000", 400),
        ("127.0.0.1.evil.example", 400),
        ("localhost.evil.example", 400),
        ("evillocalhost", 400),
        ("[::2]", 400),
        ("[::1", 400),
    ],
)
def test_an_open_api_on_loopback_answers_loopback_names(
    embedded: EmbeddedPredictor, serve: Callable[[Flask], str], host: str, status: int
) -> None:
    """A page whose name was made to lead to 127.0.0.1 (DNS rebinding) is refused."""
    response = requests.get(serve(create_app({}, embedded)) + "/health", headers={"Host": host}, timeout=10)
    assert response.status_code == status
    refusal = "This API does not answer to that name in Host; BACKEND_TRUSTED_HOSTS can add it."
    assert status == 200 or response.json()["detail"] == refusal


@pytest.mark.parametrize("settings", [{"api_keys": HASHES}, {"trusted_hosts": "api.example, .page.example"}], ids=str)
def test_names_are_free_with_a_key_or_as_they_are_set(
    embedded: EmbeddedPredictor, serve: Callable[[Flask], str], settings: dict[str, str]
) -> None:
    url = serve(create_app(settings, embedded)) + "/health"
    hosts = ("api.example", "a.page.example", "127.0.0.1")
    statuses = [requests.get(url, headers={"Host": host}, timeout=10).status_code for host in hosts]
    assert statuses == [200, 200, 200 if "api_keys" in settings else 400]


# ---- other pages


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


def allowed(settings: str, origin: str, embedded: EmbeddedPredictor) -> str | None:
    client = create_app({"cors_origins": settings}, embedded).test_client()
    return client.get("/health", headers={"Origin": origin}).headers.get("Access-Control-Allow-Origin")


@pytest.mark.parametrize(
    ("setting", "origin", "may"),
    [
        ("https://*.example.com", "https://app.example.com", True),
        ("https://*.example.com", "https://a.b.example.com", True),
        ("https://*.example.com", "https://example.com", False),
        ("https://*.example.com", "https://xexample.com", False),
        ("https://*.example.com", "https://xexample.com.evil.net", False),
        ("https://*.example.com", "https://app.example.com.evil.net", False),
        ("https://*.example.com", "https://app.example.com:8443", False),
        ("https://*.example.com", "http://app.example.com", False),
        ("https://page.example.com", "https://page.example.com", True),
        ("https://page.example.com", "https://pageXexample.com", False),
        ("https://page.example.com", "https://page.example.com.evil.net", False),
        ("https://page.example.com", "null", False),
        ("http://localhost:8501", "http://localhost:8501", True),
        ("http://localhost:8501", "http://localhost:85011", False),
        ("https://[::1]:8501", "https://[::1]:8501", True),
        ("https://[::1]:8501", "https://:", False),
        ("https://a.example, https://b.example", "https://b.example", True),
    ],
)
def test_only_the_named_origins_may_call(setting: str, origin: str, may: bool, embedded: EmbeddedPredictor) -> None:
    assert allowed(setting, origin, embedded) == (origin if may else None)


def test_a_star_lets_every_page_call(embedded: EmbeddedPredictor) -> None:
    assert allowed("*", "https://anything.example", embedded) == "*"


@pytest.mark.parametrize(
    "setting",
    [
        "page.example.com",
        "https://page.example.com/",
        "http://localhost:*",
        "https://*",
        "https://*.com",
        "https://a*.example.com",
        "https://*.*.example.com",
        "https://a.*.example.com",
        "*, https://a.example",
        "null",
        "https://(a",
        "https://.*",
        "https://user@a.example",
        "ftp://a.example",
        "*.example.com",
    ],
)
def test_an_origin_that_is_none_stops_the_start(setting: str, embedded: EmbeddedPredictor) -> None:
    with pytest.raises(SettingsError, match="BACKEND_CORS_ORIGINS"):
        create_app({"cors_origins": setting}, embedded)
