"""Other people's tools on the API's description: linters find no error, and generated clients call every operation.

Their programs stand in generated/; npm's tools and openapi-python-client are installed into a temporary folder.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import requests

from backend.schemas import PICTURE
from tests.contract.process import Process

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not shutil.which("npm"), reason="needs Node.js and npm"),
]

PACKAGES = [
    "@redocly/cli@2",
    "@stoplight/spectral-cli@6",
    "html-validate@10",
    "openapi-typescript@7",
    "openapi-fetch@0",
    "@hey-api/openapi-ts@0",
    "oazapfts@7",
    "@oazapfts/runtime@1",
    "newman@6",
    "openapi-to-postmanv2@6",
    "typescript@5",
    "tsx@4",
]
COMPILER = {
    "compilerOptions": {
        "strict": True,
        "module": "esnext",
        "target": "es2022",
        "moduleResolution": "bundler",
        "noEmit": True,
        "skipLibCheck": True,
        "types": [],
        "lib": ["es2022", "dom", "dom.iterable"],
    },
    "files": ["openapi_fetch.ts", "hey_api.ts", "oazapfts.ts", "node.d.ts"],
}


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    process = Process(BACKEND_FEEDBACK=str(tmp_path_factory.mktemp("given")))
    yield process
    assert process.stop() == 0


@pytest.fixture(scope="module")
def folder(api: Process, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tools, the description, and the programs that use what the tools make of it."""
    path = tmp_path_factory.mktemp("generated")
    (path / "package.json").write_text('{"type": "module"}', encoding="utf-8")
    (path / "tsconfig.json").write_text(json.dumps(COMPILER), encoding="utf-8")
    (path / "node.d.ts").write_text("declare const process: { argv: string[] };", encoding="utf-8")
    (path / "rules.yaml").write_text('extends: ["spectral:oas"]\n', encoding="utf-8")
    (path / "openapi.json").write_bytes(requests.get(f"{api.url}/openapi.json", timeout=30).content)
    for program in (Path(__file__).parent / "generated").iterdir():
        if program.is_file():
            shutil.copy(program, path)
    run(path, "npm", "install", "--no-audit", "--no-fund", *PACKAGES)
    return path


def run(folder: Path, *command: str, **environment: str) -> str:
    """What the command says; it must succeed."""
    ran = subprocess.run(
        command, cwd=folder, env=os.environ | environment, capture_output=True, text=True, timeout=900, check=False
    )
    assert ran.returncode == 0, ran.stdout[-3000:] + ran.stderr[-3000:]
    return ran.stdout + ran.stderr


def npx(folder: Path, *command: str) -> str:
    return run(folder, "npx", "--no-install", *command)


def test_redoclys_and_spectrals_recommended_rules_find_no_error(folder: Path) -> None:
    assert "is valid" in npx(folder, "redocly", "lint", "--extends", "recommended", "openapi.json")
    assert "0 errors" in npx(folder, "spectral", "lint", "--ruleset", "rules.yaml", "openapi.json")


def test_the_page_of_the_description_is_valid_html(folder: Path, api: Process) -> None:
    (folder / "docs.html").write_bytes(requests.get(f"{api.url}/docs", timeout=30).content)
    (folder / ".htmlvalidate.json").write_text('{"extends": ["html-validate:standard"]}', encoding="utf-8")
    npx(folder, "html-validate@10", "docs.html")


def test_generated_typescript_compiles_and_calls_every_operation(folder: Path, api: Process) -> None:
    """openapi-typescript with openapi-fetch, hey-api and oazapfts."""
    npx(folder, "openapi-typescript", "openapi.json", "-o", "schema.d.ts")
    npx(folder, "openapi-ts", "-i", "openapi.json", "-o", "hey")
    npx(folder, "oazapfts", "openapi.json", "oaz.ts")
    npx(folder, "tsc", "-p", ".")
    for program in ("openapi_fetch.ts", "hey_api.ts", "oazapfts.ts"):
        npx(folder, "tsx", program, api.url, PICTURE)


def test_a_postman_collection_calls_every_operation(folder: Path) -> None:
    """Converted and sent by newman; the feedback's example is nobody's, so 404."""
    convert = ("openapi2postmanv2", "-s", "openapi.json", "-o", "collection.json")
    npx(folder, *convert, "-O", "parametersResolution=Example")
    npx(folder, "newman", "run", "collection.json", "--reporters", "json", "--reporter-json-export", "report.json")
    report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    statuses = [each["response"]["code"] for each in report["run"]["executions"]]
    assert sorted(statuses) == [200] * (len(statuses) - 3) + [201, 404, 404]
    described = json.loads((folder / "openapi.json").read_text(encoding="utf-8"))["paths"]
    assert len(statuses) == sum(len(path) for path in described.values())


def test_a_generated_python_client_calls_every_operation(folder: Path, api: Process) -> None:
    packages = str(folder / "packages")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--target", packages]
    run(folder, *pip, "openapi-python-client>=0.26,<1")
    generate = [sys.executable, "-m", "openapi_python_client", "generate", "--path", "openapi.json"]
    run(folder, *generate, "--output-path", "client", "--meta", "none", PYTHONPATH=packages)
    path = os.pathsep.join([packages, str(folder)])
    run(folder, sys.executable, "python_client.py", api.url, PICTURE, PYTHONPATH=path)
