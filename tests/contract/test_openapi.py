"""The API's own description: valid, complete, true (schemathesis asks what it promises), and readable offline."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from hashlib import sha256
from inspect import cleandoc
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import jsonschema
import openapi_spec_validator
import pytest
from PIL import Image

from backend import contract
from backend.app import create_app
from backend.schemas import EXAMPLES, PICTURE
from tests.contract.misbehaving import LinearModel, refuse, say, wait

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from flask import Flask
    from flask.testing import FlaskClient

    from tests.conftest import Drawing
    from tests.contract.misbehaving import Runtime

DESCRIBED = Path(__file__).with_name("openapi.json")
KEY = "key-of-the-tests"
FEEDBACKS = {"Feedback", "FeedbackReceipt", "KeptFeedback", "Learning", "Use"}  # only where feedback is collected
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
    routes = {contract.PREDICTIONS, contract.BATCH, contract.NUMBERS, contract.NUMBERS_BATCH}
    routes |= {contract.MODELS, contract.HEALTH, contract.READY, contract.OPENAPI, contract.DOCS}
    assert routes <= set(described["paths"])


def test_keys_are_described_only_where_they_are_asked_for(described: dict[str, Any]) -> None:
    guarded = create_app(CONFIGURED, LinearModel()).test_client().get(contract.OPENAPI).json
    assert guarded["security"] == [{"key": []}]
    assert "security" not in guarded["paths"]["/predictions"]["post"]
    assert guarded["paths"]["/health"]["get"]["security"] == []
    assert described["security"] == []
    assert "401" in guarded["paths"]["/predictions"]["post"]["responses"]
    assert "401" not in described["paths"]["/predictions"]["post"]["responses"]


def test_every_example_is_as_its_schema_says(described: dict[str, Any]) -> None:
    """And every schema of the contract that is a body has one."""
    shown = [part for part in every(described["paths"]) if "example" in part and "$ref" in part.get("schema", {})]
    assert {part["schema"]["$ref"].rpartition("/")[2] for part in shown} == set(EXAMPLES) - FEEDBACKS
    for part in shown:
        whole = {"$ref": part["schema"]["$ref"], "components": described["components"]}
        jsonschema.validate(part["example"], whole, jsonschema.Draft202012Validator)


def every(node: Any) -> Iterator[dict[str, Any]]:
    """Each object in a JSON document."""
    if isinstance(node, dict):
        yield node
    for child in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from every(child)


def test_what_is_answered_is_as_its_schema_says(client: FlaskClient, described: dict[str, Any]) -> None:
    """The examples, asked: a one is read, and a batch holds an answer and a problem."""
    one = client.post("/predictions?include=image", json=EXAMPLES["ImageBody"]).json
    batch = client.post("/predictions/batch", json={"images": [PICTURE, "!"]}).json
    assert (one["label"], batch["results"][1]["problem"]["status"]) == ("1", 400)
    answers = {"Prediction": one, "BatchPrediction": batch, "Readiness": client.get("/ready").json}
    answers["ModelList"] = client.get("/models").json
    for name, answer in answers.items():
        whole = {"$ref": f"#/components/schemas/{name}", "components": described["components"]}
        jsonschema.validate(answer, whole, jsonschema.Draft202012Validator)


def test_the_schemas_say_what_the_wire_does(tmp_path: Path) -> None:
    """No default that is never sent, exactly one of two, consent given, json first, a tag and a description each."""
    given = create_app({"feedback": str(tmp_path)}, LinearModel()).test_client().get(contract.OPENAPI).json
    schemas = given["components"]["schemas"]
    assert not [part for part in every(schemas) if "default" in part]
    assert schemas["Prediction"]["properties"]["image"] == {"type": "string"}
    assert [each["required"] for each in schemas["BatchResult"]["oneOf"]] == [["prediction"], ["problem"]]
    assert schemas["Feedback"]["properties"]["consent"]["const"] is True
    operations = [each for path in given["paths"].values() for each in path.values()]
    tags = {tag["name"] for tag in given["tags"]}
    assert all(each["description"] and set(each["tags"]) <= tags for each in operations)
    bodies = [list(each["requestBody"]["content"]) for each in operations if "requestBody" in each]
    assert {body[0] for body in bodies} == {"application/json"}
    links = given["paths"]["/feedback"]["post"]["responses"]["201"]["links"]
    assert set(links) == {"get_feedback", "delete_feedback"} <= {each["operationId"] for each in operations}


def test_the_description_is_the_one_that_clients_were_made_from(tmp_path: Path) -> None:
    """`python -m tests.contract.test_openapi` writes it anew; its diff is what a client's author has to know."""
    assert whole(tmp_path) == json.loads(DESCRIBED.read_text(encoding="utf-8"))


def whole(folder: Path) -> dict[str, Any]:
    """The description of an API with all that it may have."""
    settings = {"feedback": str(folder), "api_keys": "0" * 64, "rate_limit": "5 per second", "prometheus": "1"}
    described: dict[str, Any] = create_app(settings, LinearModel()).test_client().get(contract.OPENAPI).json
    described["info"]["version"] = ""
    return described


def test_the_schemas_say_what_a_class_cannot(tmp_path: Path) -> None:
    schemas = whole(tmp_path)["components"]["schemas"]

    def only(member: str, name: str) -> dict[str, Any]:
        properties = {member: {"$ref": f"#/components/schemas/{name}"}}
        return {"type": "object", "title": f"{name}Result", "properties": properties, "required": [member]}

    for result, members in {"BatchResult": ("prediction", "Prediction"), "NumberResult": ("number", "Number")}.items():
        assert schemas[result].keys() == {"title", "description", "oneOf"}
        assert schemas[result]["title"] == result
        assert schemas[result]["oneOf"] == [only(*members), only("problem", "ProblemDetails")]
    assert schemas["Feedback"]["properties"]["consent"] == {"const": True, "type": "boolean"}
    assert schemas["Feedback"]["required"] == ["image", "label", "consent"]
    for model in ("Model", "ModelCard"):
        assert schemas[model]["properties"]["served_by"]["enum"] == ["embedded", "sagemaker", "fallback"]
    assert schemas["Health"]["properties"]["status"]["const"] == "ok"
    assert "const" not in schemas["Prediction"]["properties"]["confidence"]
    assert {"label", "confidence", "model", "request_id"} < set(schemas["Prediction"]["required"])
    assert all(schema["description"] == cleandoc(schema["description"]) for schema in schemas.values())


def test_the_root_leads_to_the_page(client: FlaskClient) -> None:
    response = client.get("/")
    assert (response.status_code, response.location) == (303, contract.DOCS)


def test_every_documented_status_of_predictions_is_reachable(
    runtime: Runtime, drawing: Drawing, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Everything under POST /predictions in the description, got from the app that gave it."""
    monkeypatch.setattr("backend.predictors.READ_TIMEOUT", 0.5)
    settings = {"sagemaker_endpoint_name": "digits", "rate_limit": "13 per hour"} | CONFIGURED
    client = create_app(settings).test_client()
    well = runtime.behave
    blank = BytesIO()
    Image.new("L", (28, 28)).save(blank, "PNG")

    def status(data: bytes = drawing("7"), behave: Any = well, key: str = KEY, query: str = "") -> str:
        runtime.behave = behave
        response = client.post(f"/predictions{query}", data=data, content_type="image/png", headers={"X-Api-Key": key})
        return str(response.status_code)

    reached = {
        status(),
        status(b""),
        status(query="?model=unknown"),
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


if __name__ == "__main__":
    with TemporaryDirectory() as folder:
        text = json.dumps(whole(Path(folder)), indent=1, ensure_ascii=False, sort_keys=True)
    DESCRIBED.write_text(text + "\n", encoding="utf-8")
