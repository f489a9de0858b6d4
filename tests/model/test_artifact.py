"""The model that ships: its files, what it reads, and that both its forms say the same."""

from __future__ import annotations

import json
import tarfile
from io import BytesIO
from itertools import product
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image, ImageDraw

from backend.predictors import EmbeddedPredictor
from backend.settings import SHIPPED_MODEL
from tests.model.conftest import own_strokes
from training.archive import unpack
from training.data import doodles, pictures, strokes
from training.serve import SavedModel

if TYPE_CHECKING:
    from pathlib import Path

    from flask.testing import FlaskClient
    from numpy.typing import NDArray

    from tests.conftest import Drawing


@pytest.fixture(scope="module")
def saved_model() -> SavedModel:
    return SavedModel(SHIPPED_MODEL / "model.tar.gz")


@pytest.fixture(scope="module")
def card() -> dict[str, object]:
    return dict(json.loads((SHIPPED_MODEL / "card.json").read_text(encoding="utf-8")))


def test_saved_model_and_litert_agree_within_1e_5_and_on_every_label(
    saved_model: SavedModel, embedded: EmbeddedPredictor, varied: tuple[NDArray[np.uint8], NDArray[np.int64]]
) -> None:
    x, _ = varied
    lite = embedded.predict(x)
    rows = saved_model.predict(x.tolist())
    probabilities = np.array([row["probabilities"] for row in rows])
    assert np.abs(probabilities - lite.probabilities).max() < 1e-5
    assert (probabilities.argmax(axis=1) == lite.probabilities.argmax(axis=1)).all()
    assert np.abs(np.array([row["score"] for row in rows]) - lite.scores).max() < 1e-5


def test_endpoint_describes_itself_as_the_card_does(saved_model: SavedModel, card: dict[str, object]) -> None:
    (row,) = saved_model.predict(np.zeros((1, 28, 28)).tolist())
    for name in ("name", "version", "labels"):
        assert row[name] == card[name]
    assert row["threshold"] == pytest.approx(card["threshold"])


def test_probabilities_add_up_to_one(
    embedded: EmbeddedPredictor, varied: tuple[NDArray[np.uint8], NDArray[np.int64]]
) -> None:
    assert embedded.predict(varied[0]).probabilities.sum(axis=1) == pytest.approx(1, abs=1e-5)


def test_artifact_is_under_2_mb_and_the_embedded_model_under_700_kb() -> None:
    sizes = {path.name: path.stat().st_size for path in SHIPPED_MODEL.iterdir()}
    assert sizes.keys() == {"model.tflite", "model.tar.gz", "card.json"}
    assert sum(sizes.values()) < 2_000_000
    assert sizes["model.tflite"] < 700_000


def test_card_says_what_the_model_is_and_how_it_was_made(card: dict[str, object]) -> None:
    metrics = card["metrics"]
    assert isinstance(metrics, dict)
    assert metrics["test"] >= 0.993
    assert metrics["unseen pen"] >= 0.97
    assert card["labels"] == list("0123456789")
    assert {"version", "date", "data", "trained_by", "threshold", "threshold_rule", "temperature"} <= card.keys()


@pytest.mark.parametrize("width", [6, 12, 20, 28])
def test_our_own_ten_digits_are_read_at_every_pen_width(client: FlaskClient, drawing: Drawing, width: float) -> None:
    for digit in "0123456789":
        for style in range(3):
            answer = client.post("/predictions", data=drawing(digit, style, width), content_type="image/png").get_json()
            assert answer["label"] == digit, (digit, style, answer)


@pytest.mark.parametrize(("x", "y", "side"), [(30, 30, 56), (250, 40, 56), (140, 140, 260), (60, 220, 100)])
def test_moving_and_scaling_the_drawing_keeps_the_answer(client: FlaskClient, x: float, y: float, side: float) -> None:
    for digit in range(10):
        sheet = strokes.draw(strokes.fit(own_strokes(digit, 0), side, (x, y)), side / 14)
        answer = client.post("/predictions", data=pictures.encode(sheet), content_type="image/png").get_json()
        assert answer["label"] == str(digit)


def test_photos_of_paper_are_read(client: FlaskClient) -> None:
    rng = np.random.default_rng(3)
    right = 0
    for item in range(60):
        placed = strokes.fit(own_strokes(item % 10, item // 10), rng.uniform(90, 200), (140, 140))
        photo = pictures.photograph(strokes.draw(placed, rng.uniform(6, 14)), rng)
        answer = client.post("/predictions", data=photo, content_type="image/jpeg").get_json()
        right += answer.get("label") == str(item % 10)
    assert right >= 58


def test_what_is_no_digit_is_rejected(client: FlaskClient) -> None:
    rng = np.random.default_rng(4)
    drawings = [strokes.vary(drawing, rng, strength=0.5) for drawing in doodles.DOODLES.values()]
    drawings += [doodles.scribble(rng) for _ in range(40)]
    drawings += [doodles.several([own_strokes(i % 10, 0), own_strokes((i + 3) % 10, 1)], rng) for i in range(30)]
    rejected = 0
    for drawing in drawings:
        sheet = strokes.draw(strokes.fit(drawing, 200), 12, detail=2)
        answer = client.post("/predictions", data=pictures.encode(sheet), content_type="image/png").get_json()
        rejected += answer["label"] is None and answer["rejection"]["reason"] in {"not_a_digit", "several_digits"}
    assert rejected >= 0.9 * len(drawings)


def test_a_sheet_full_of_strokes_is_no_digit(client: FlaskClient) -> None:
    rng = np.random.default_rng(6)
    rejected = 0
    for count, width in product((3, 8, 20, 60), (8, 16)):
        for _ in range(8):
            sheet = Image.new("L", (280, 280), 255)
            for _ in range(count):
                ImageDraw.Draw(sheet).line([tuple(point) for point in rng.uniform(10, 270, (12, 2))], 0, width)
            answer = client.post("/predictions", data=pictures.encode(sheet), content_type="image/png").get_json()
            rejected += answer.get("label") is None
    assert rejected >= 52  # of 64


SMALL = sorted(path.parent for path in SHIPPED_MODEL.parent.glob("*/card.json") if path.parent != SHIPPED_MODEL)
LEAST = {"softmax": 0.7, "mlp": 0.85, "lenet5": 0.9}  # of our own ten digits, bent


def test_models_for_comparison_are_under_1_mb_together() -> None:
    assert {folder.name for folder in SMALL} == set(LEAST)
    assert sum(path.stat().st_size for folder in SMALL for path in folder.iterdir()) < 1_000_000


@pytest.mark.parametrize("folder", SMALL, ids=lambda folder: folder.name)
def test_a_model_for_comparison_has_its_folders_name_and_reads_as_a_network_of_its_kind_can(
    folder: Path, varied: tuple[NDArray[np.uint8], NDArray[np.int64]]
) -> None:
    x, y = varied
    answers = EmbeddedPredictor(folder).predict(x)
    assert answers.name == folder.name
    assert np.mean(answers.probabilities.argmax(axis=1) == y) > LEAST[folder.name]


def tar(path: Path, **files: bytes) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, BytesIO(content))
    return path


def test_an_archive_is_unpacked_with_its_folders(tmp_path: Path) -> None:
    unpack(tar(tmp_path / "a.tar.gz", **{"1/variables/index": b"weights"}), tmp_path / "out")
    assert (tmp_path / "out" / "1" / "variables" / "index").read_bytes() == b"weights"


@pytest.mark.parametrize("name", ["../beside", "/elsewhere/it"])
def test_an_archive_writes_nothing_outside_of_its_folder(tmp_path: Path, name: str) -> None:
    with pytest.raises(tarfile.TarError, match="outside"):
        unpack(tar(tmp_path / "a.tar.gz", **{name: b"hostile"}), tmp_path / "out")
    assert not (tmp_path / "beside").exists()
