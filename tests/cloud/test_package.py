"""The very zip that goes to Lambda: what is in it, what is not, and that it answers under the real runtime client."""

from __future__ import annotations

import base64
import json
import platform
import re
import shutil
import subprocess
import sys
import time
import zipfile
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image, ImageOps

from backend.deploy import package
from backend.deploy.options import Options, settings
from backend.deploy.stage import Stage
from backend.predictions import predict_one
from backend.preprocessing import normalise
from tests.cloud.runtime_api import Function
from tests.numbers import OVERLAP, strokes_of, written
from training.data import pictures

if TYPE_CHECKING:
    from collections.abc import Iterator

    from backend.predictors import EmbeddedPredictor
    from tests.conftest import Drawing

MODES = {"sagemaker": Options(mode="sagemaker"), "embedded": Options(mode="embedded")}
MB = 1e6
LIMITS = {"sagemaker": 17 * MB, "embedded": 24 * MB}
SYMBOLS = 0 if shutil.which("strip") else 2 * MB  # which nothing takes out without binutils' `strip`
UNWANTED = (
    r"(^|/)(tensorflow|streamlit|keras|moto|boto3|botocore)(/|\.py)"
    r"|(^|/)tests?/"  # folders: werkzeug/test.py and jinja2/tests.py are modules that they need
    r"|(?<!backend/numbers/borders)\.npz$|\.gz$|\.pem$|credentials$|zappa_settings\.json$"
)


class Here:
    """As much of a boto3 session as building a package asks for."""

    region_name = "us-east-1"


def built(suffix: str = "") -> dict[str, Path]:
    """Both packages, built as `make deploy` builds them."""
    stage = Stage("dev", Here(), _account="123456789012")
    made = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        for mode, options in MODES.items():
            folder = package.build(mode + suffix, embedded=options.embedded)
            made[mode] = package.package(folder, settings(stage, options), "dev")
    return made


def unpack(zips: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folders = {}
    for mode, archive in zips.items():
        folders[mode] = tmp_path_factory.mktemp(mode)
        with zipfile.ZipFile(archive) as content:
            content.extractall(folders[mode])
    return folders


@pytest.fixture(scope="session")
def zips() -> dict[str, Path]:
    return built()


@pytest.fixture(scope="session")
def unpacked(zips: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return unpack(zips, tmp_path_factory)


@pytest.fixture(scope="session")
def runnable(unpacked: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The packages; without a Python of Lambda's version here, the same for this one, which has other wheels."""
    if (sys.platform, platform.machine()) != ("linux", "x86_64"):
        pytest.skip("The package holds libraries for Linux on x86-64, which cannot run here.")
    if package.lambda_python():
        return unpacked
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(package, "PYTHON", f"{sys.version_info.major}.{sys.version_info.minor}")
        return unpack(built("-here"), tmp_path_factory)


@pytest.fixture(scope="session")
def python() -> tuple[str, Path]:
    """A Python for `runnable`, and a folder with what Lambda's own runtime brings: awslambdaric and boto3."""
    found = package.lambda_python() or sys.executable
    tree = Path("build") / "lambda" / f"awslambdaric-{Path(found).resolve().name}"
    if not tree.is_dir():
        pip = [found, "-m", "pip", "install", "-q", "--no-warn-script-location", "--root-user-action=ignore"]
        subprocess.run([*pip, f"--target={tree}", "awslambdaric>=4,<5", "boto3>=1.40,<2"], check=True)
    return found, tree.resolve()


@pytest.fixture(scope="module")
def running(runnable: dict[str, Path], python: tuple[str, Path]) -> Iterator[Function]:
    """The embedded package under awslambdaric, with the environment that zappa_settings.json gives it."""
    book = json.loads(Path("zappa_settings.json").read_text())["base"]["aws_environment_variables"]
    running = Function(runnable["embedded"], *python, {**book, "BACKEND_MODEL_DIR": "model"})
    yield running
    running.stop()


@pytest.mark.parametrize("mode", MODES)
def test_size_is_within_the_limit(zips: dict[str, Path], mode: str) -> None:
    size = zips[mode].stat().st_size
    print(f"{mode}: {size / MB:.1f} MB zipped")
    assert size < LIMITS[mode] + SYMBOLS


@pytest.mark.parametrize("mode", MODES)
def test_unpacked_size_is_within_lambdas_250_mb(unpacked: dict[str, Path], mode: str) -> None:
    assert sum(path.stat().st_size for path in unpacked[mode].rglob("*")) < 150 * MB


@pytest.mark.parametrize("mode", MODES)
def test_no_library_needs_a_newer_glibc_than_lambdas(unpacked: dict[str, Path], mode: str) -> None:
    libraries = [path for path in unpacked[mode].rglob("*.so*") if path.is_file()]
    needed = {tuple(map(int, v.split(b"."))) for p in libraries for v in re.findall(rb"GLIBC_(2\.\d+)", p.read_bytes())}
    assert len(libraries) > 10
    assert max(needed) <= (2, 34)


@pytest.mark.parametrize("mode", MODES)
def test_nothing_is_in_it_that_does_not_answer_drawings(zips: dict[str, Path], mode: str) -> None:
    with zipfile.ZipFile(zips[mode]) as content:
        names = content.namelist()
        settings = content.read("zappa_settings.py").decode()
    assert [name for name in names if re.search(UNWANTED, name)] == []
    assert not re.search(r"(?i)secret|password|AKIA|api_key", settings)
    assert not any(name.startswith(f"backend/{file}") for name in names for file in package.NOT_SERVED)
    assert ("model/model.tflite" in names) == (mode == "embedded")
    others = {name for name in names if name.startswith("training/")} - {"training/", "training/artifacts/"}
    assert bool(others) == (mode == "embedded")
    assert all(name.endswith(("/", "/model.tflite", "/card.json")) for name in others)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF"])
@pytest.mark.parametrize("digit", ["3", "7"])
def test_every_format_is_read_rightly_on_lambda(running: Function, drawing: Drawing, kind: str, digit: str) -> None:
    headers = {"Content-Type": f"image/{kind.lower()}"}
    answer = running.request("POST", "/predictions", drawing(digit, kind=kind), headers)
    assert answer.status == 200, answer.body
    assert answer.json["label"] == digit
    assert answer.json["model"]["served_by"] == "embedded"


SURROUNDINGS = {
    "photo": lambda digit, rng: Image.open(
        BytesIO(pictures.photograph(ImageOps.invert(digit.resize((280, 280))), rng))
    ),
    "cut out": lambda digit, rng: pictures.cut_out(digit, 28, rng),
    "cut out, large": lambda digit, rng: pictures.cut_out(digit, 400, rng),
    "close-up": pictures.close_up,
    "plot": pictures.plot,
    **pictures.AROUND,
}


@pytest.mark.parametrize("place", SURROUNDINGS)
def test_pictures_of_all_surroundings_are_read_on_lambda_as_here(
    running: Function, embedded: EmbeddedPredictor, drawing: Drawing, place: str
) -> None:
    """Each takes another way through NumPy, which imports parts of itself only then."""
    digit = Image.fromarray(normalise(drawing("7")))
    for seed in range(3):
        picture = pictures.encode(SURROUNDINGS[place](digit, np.random.default_rng(seed)))
        answer = running.request("POST", "/predictions", picture, {"Content-Type": "image/png"})
        assert answer.status == 200, answer.body
        assert answer.json["label"] == predict_one(embedded, picture).label


def test_picture_the_model_saw_comes_back_whole(running: Function, drawing: Drawing) -> None:
    answer = running.request("POST", "/predictions?include=image", drawing("5"), {"Content-Type": "image/png"})
    assert answer.json["image"]


def test_every_model_that_ships_answers_on_lambda(running: Function, drawing: Drawing) -> None:
    shipped = {card.parent.name for card in Path("training/artifacts").glob("*/card.json")}
    assert {card["name"] for card in running.request("GET", "/models").json["models"]} == shipped
    for name in shipped:
        answer = running.request("POST", f"/predictions?model={name}", drawing("5"), {"Content-Type": "image/png"})
        assert answer.json["model"]["name"] == name


def test_batch_is_answered_on_lambda(running: Function, drawing: Drawing) -> None:
    images = [{"image": base64.b64encode(drawing(digit)).decode()} for digit in "12"]
    body = json.dumps({"images": [image["image"] for image in images]}).encode()
    answer = running.request("POST", "/predictions/batch", body, {"Content-Type": "application/json"})
    assert answer.status == 200, answer.body


def test_a_number_whose_digits_touch_is_read_on_lambda_with_and_without_its_strokes(running: Function) -> None:
    media = {"Content-Type": "application/json"}
    for gap, strokes in ((-14, []), (OVERLAP, strokes_of("858", OVERLAP))):
        body = {"image": base64.b64encode(written("858", gap)).decode(), "strokes": strokes}
        answer = running.request("POST", "/numbers", json.dumps(body).encode(), media)
        assert answer.status == 200, answer.body
        assert answer.json["number"] == "858"


def test_a_turned_number_is_read_on_lambda(running: Function) -> None:
    level = Image.open(BytesIO(written("2047"))).convert("L")
    picture = pictures.encode(level.rotate(18, Image.Resampling.BICUBIC, expand=True, fillcolor=255))
    answer = running.request("POST", "/numbers", picture, {"Content-Type": "image/png"})
    assert answer.status == 200, answer.body
    assert answer.json["number"] == "2047"


@pytest.mark.parametrize(
    ("method", "path", "body", "media", "status"),
    [
        ("POST", "/predictions", b"not a picture", "text/plain", 415),
        ("GET", "/predictions", b"", "", 405),
        ("GET", "/nothing", b"", "", 404),
    ],
)
def test_problems_are_problems_on_lambda(
    running: Function, method: str, path: str, body: bytes, media: str, status: int
) -> None:
    answer = running.request(method, path, body, {"Content-Type": media} if media else {})
    assert (answer.status, answer.headers["content-type"]) == (status, "application/problem+json")
    assert answer.json["status"] == status


def test_half_a_picture_is_422_on_lambda(running: Function, drawing: Drawing) -> None:
    answer = running.request("POST", "/predictions", drawing("7")[:500], {"Content-Type": "image/png"})
    assert (answer.status, answer.json["type"].rsplit("/", 1)[-1]) == (422, "unreadable-image")


def test_cold_start_is_within_seconds(runnable: dict[str, Path], python: tuple[str, Path], drawing: Drawing) -> None:
    started = time.perf_counter()
    cold = Function(runnable["embedded"], *python, {"BACKEND_MODEL_DIR": "model"})
    try:
        cold.request("POST", "/predictions", drawing("7"), {"Content-Type": "image/png"})
        first = time.perf_counter() - started
        started = time.perf_counter()
        cold.request("POST", "/predictions", drawing("7"), {"Content-Type": "image/png"})
        warm = time.perf_counter() - started
    finally:
        cold.stop()
    print(f"import and first answer {first:.2f} s, then {1000 * warm:.1f} ms")
    assert first < 10


def test_what_settings_switch_on_is_in_the_package(
    runnable: dict[str, Path], python: tuple[str, Path], drawing: Drawing
) -> None:
    """Metrics, a rate limit and other origins are libraries' work, which nothing else imports."""
    switched = {
        "BACKEND_METRICS": "Digits",
        "BACKEND_RATE_LIMIT": "1 per minute",
        "BACKEND_CORS_ORIGINS": "https://a.example",
    }
    function = Function(runnable["embedded"], *python, {"BACKEND_MODEL_DIR": "model", **switched})
    headers = {"Content-Type": "image/png", "Origin": "https://a.example"}
    try:
        first, second = (function.request("POST", "/predictions", drawing("7"), headers) for _ in range(2))
        docs = function.request("GET", "/docs")
    finally:
        printed = function.stop()
    assert (first.status, second.status, docs.status) == (200, 429, 200)
    assert first.headers["access-control-allow-origin"] == "https://a.example"
    assert '"CloudWatchMetrics"' in printed


@pytest.mark.parametrize("mode", MODES)
def test_nothing_is_in_it_twice_as_source_and_compiled(zips: dict[str, Path], mode: str) -> None:
    with zipfile.ZipFile(zips[mode]) as content:
        names = set(content.namelist())
    compiled = {name for name in names if name.endswith(".pyc")}
    assert bool(compiled) == bool(package.lambda_python())
    assert [name for name in compiled if name.removesuffix("c") in names] == []
    kind = "pyc" if compiled else "py"
    assert {f"handler.{kind}", f"backend/wsgi.{kind}", "zappa_settings.py"} <= names


def test_every_library_in_it_can_be_mapped(unpacked: dict[str, Path]) -> None:
    libraries = [path.read_bytes() for path in unpacked["embedded"].rglob("*.so*")]
    assert len(libraries) > 10
    assert all(package._loads(elf) for elf in libraries)


def test_endpoint_that_is_missing_is_a_503_on_lambda(
    runnable: dict[str, Path], python: tuple[str, Path], drawing: Drawing
) -> None:
    environment = {
        "SAGEMAKER_ENDPOINT_NAME": "fullstack-model-dev",
        "AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME": "http://127.0.0.1:9",  # nobody listens on the discard port
    }
    relay = Function(runnable["sagemaker"], *python, environment)
    try:
        answer = relay.request("POST", "/predictions", drawing("7"), {"Content-Type": "image/png"})
    finally:
        relay.stop()
    assert (answer.status, answer.json["type"].rsplit("/", 1)[-1]) == (503, "model-unavailable")
