"""The API's own description: valid, complete, true (schemathesis asks what it promises), and readable offline."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import openapi_spec_validator
import pytest
from PIL import Image

from backend import contract
from backend.app import create_app
from tests.contract.misbehaving import LinearModel, refuse, say, wait

if TYPE_CHECKING:
    from collections.abc import Callable

    from flask import Flask
    from flask.testing import FlaskClient

    from tests.conftest import Drawing
    from tests.contract.misbehaving import Runtime

KEY = "key-of-the-tests"
CONFIGURED = {"api_keys": sha256(KEY.encode()).hexdigest()}


@pytest.mark.parametrize("hooks", ["tests.contract.schemathesis_hooks", ""])
def test_the_live_api_is_as_it_describes_itself(serve: Callable[[Flask], str], hooks: str) -> None:
    """Schemathesis: every operation, good and bad input, headers, methods, keys, links; no failure.

    Once with pictures of ours, which no schema can describe, and once as anybody would run it.
    """
    url = serve(create_app(CONFIGURED, LinearModel()))
    here = Path(__file__).parent
    command = [sys.executable, "-m", "schemathesis.cli", "--config-file", str(here / "schemathesis.toml"), "run"]
    options = [url + contract.OPENAPI, f"--header={contract.API_KEY_HEADER}: {KEY}", "--max-examples=10"]
    ran = subprocess.run(
        [*command, *options, "--generation-deterministic", "--no-color"],
        cwd=here.parents[1],
        env=os.environ | {"SCHEMATHESIS_HOOKS": hooks, "PYTHONPATH": "."},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout
    assert "❌" not in ran.stdout


@pytest.fixture
def described(client: FlaskClient) -> dict[str, Any]:
    return client.get(contract.OPENAPI).json


def test_the_description_is_valid_openapi_3_1(described: dict[str, Any]) -> None:
    assert described["openapi"].startswith("3.1")
    openapi_spec_validator.validate(described)


def test_every_route_of_the_contract_is_described(described: dict[str, Any]) -> None:
    routes = {contract.PREDICTIONS, contract.BATCH, contract.HEALTH, contract.READY, contract.OPENAPI, contract.DOCS}
    assert routes <= set(described["paths"])


def test_keys_are_described_only_where_they_are_asked_for(described: dict[str, Any]) -> None:
    guarded = create_app(CONFIGURED, LinearModel()).test_client().get(contract.OPENAPI).json
    assert guarded["paths"]["/predictions"]["post"]["security"] == [{"key": []}]
    assert "401" in guarded["paths"]["/predictions"]["post"]["responses"]
    assert "401" not in described["paths"]["/predictions"]["post"]["responses"]


def test_every_documented_status_of_predictions_is_reachable(
    runtime: Runtime, drawing: Drawing, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Everything under POST /predictions in the description, got from the app that gave it."""
    monkeypatch.setattr("backend.predictors.READ_TIMEOUT", 0.5)
    settings = {"sagemaker_endpoint_name": "digits", "rate_limit": "12 per hour"} | CONFIGURED
    client = create_app(settings).test_client()
    well = runtime.behave
    blank = BytesIO()
    Image.new("L", (28, 28)).save(blank, "PNG")

    def status(data: bytes = drawing("7"), behave: Any = well, key: str = KEY) -> str:
        runtime.behave = behave
        response = client.post("/predictions", data=data, content_type="image/png", headers={"X-Api-Key": key})
        return str(response.status_code)

    reached = {
        status(),
        status(b""),
        status(key="wrong"),
        status(bytes(5_000_000)),
        status(b"no picture"),
        status(blank.getvalue()),
        status(behave=say(b"{}")),
        status(behave=refuse(400, "ValidationError")),
        status(behave=wait(5)),
        *[status() for _ in range(5)],
    }
    documented = client.get(contract.OPENAPI).json["paths"]["/predictions"]["post"]["responses"]
    assert reached == set(documented)


def test_the_page_shows_every_route_and_problem_and_asks_no_other_host(client: FlaskClient) -> None:
    page = client.get(contract.DOCS)
    for path in json.loads(client.get(contract.OPENAPI).data)["paths"]:
        assert f"<code>{path}</code>" in page.text
    for problem in contract.PROBLEMS:
        assert f'id="{problem.slug}"' in page.text
    assert not re.findall(r'(?:src|href)="(?!openapi\.json|#)', page.text)
    policy = dict(part.split() for part in page.headers["Content-Security-Policy"].split(";"))
    assert (policy["default-src"], policy["connect-src"]) == ("'none'", "'self'")


def test_a_problems_type_leads_to_its_line(client: FlaskClient) -> None:
    for problem in contract.PROBLEMS:
        response = client.get(f"{contract.PROBLEM_PAGES}{problem.slug}")
        assert (response.status_code, response.location) == (303, f"{contract.DOCS}#{problem.slug}")
