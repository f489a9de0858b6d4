"""The embedded model's files: whatever is wrong with them is a sentence at the start, and replacing them is safe."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from backend import predictors
from backend.app import create_app
from backend.predictors import EmbeddedPredictor
from backend.settings import SHIPPED_MODEL, SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

X = np.zeros((1, 28, 28), np.uint8)
LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 600000\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the shipped model."""
    for name in ("model.tflite", "card.json"):
        shutil.copy(SHIPPED_MODEL / name, tmp_path)
    return tmp_path


def change_card(folder: Path, **members: Any) -> None:
    card = json.loads((folder / "card.json").read_text(encoding="utf-8"))
    (folder / "card.json").write_text(json.dumps(card | members), encoding="utf-8")


def change_model(folder: Path, change: Callable[[bytes], bytes]) -> None:
    path = folder / "model.tflite"
    path.write_bytes(change(path.read_bytes()))


def without_digest(folder: Path, change: Callable[[bytes], bytes]) -> None:
    """As a model that was exported before there were digests."""
    change_card(folder, sha256={})
    change_model(folder, change)


def flip(content: bytes) -> bytes:
    changed = bytearray(content)
    for at in np.random.default_rng(1).integers(len(changed) // 2, len(changed), 20):
        changed[at] ^= 255
    return bytes(changed)


FAULTS: dict[str, tuple[Callable[[Path], object], str]] = {
    "no model": (lambda f: (f / "model.tflite").unlink(), r"model\.tflite cannot be read: No such file"),
    "no card": (lambda f: (f / "card.json").unlink(), r"card\.json cannot be read: No such file"),
    "a folder as model": (
        lambda f: [(f / "model.tflite").unlink(), (f / "model.tflite").mkdir()],
        r"cannot be read: Is a directory",
    ),
    "20 flipped bytes": (lambda f: change_model(f, flip), "damaged"),
    "half a model": (lambda f: change_model(f, lambda c: c[: len(c) // 2]), "damaged"),
    "half a model, no digest": (lambda f: without_digest(f, lambda c: c[: len(c) // 2]), "cannot be used"),
    "no bytes, no digest": (lambda f: without_digest(f, lambda _: b""), "cannot be used"),
    "not a model, no digest": (lambda f: without_digest(f, lambda _: b"hello"), "cannot be used"),
    "a pointer as model": (lambda f: change_model(f, lambda _: LFS), "git lfs pull"),
    "a pointer as card": (lambda f: (f / "card.json").write_bytes(LFS), "git lfs pull"),
    "half a card": (
        lambda f: (f / "card.json").write_bytes((f / "card.json").read_bytes()[:100]),
        "not a model's card",
    ),
    "a card of Latin-1": (
        lambda f: (f / "card.json").write_bytes('{"name": "ä"}'.encode("latin-1")),
        "not a model's card",
    ),
    "a threshold of NaN": (lambda f: change_card(f, threshold=float("nan")), "not a model's card"),
    "a threshold of 7": (lambda f: change_card(f, threshold=7), "threshold"),
    "a threshold as text": (lambda f: change_card(f, threshold="0.5"), "threshold"),
    "equal labels": (lambda f: change_card(f, labels=list("0123456788")), "twice"),
    "integer labels": (lambda f: change_card(f, labels=list(range(10))), "labels"),
    "an empty label": (lambda f: change_card(f, labels=["", *"123456789"]), "labels"),
    "no labels": (lambda f: change_card(f, labels=[]), "labels"),
    "nine labels": (lambda f: change_card(f, labels=list("012345678")), "9 labels"),
    "a version of 7": (lambda f: change_card(f, version=7), "version"),
}


@pytest.mark.parametrize(("harm", "words"), FAULTS.values(), ids=FAULTS)
def test_a_wrong_file_stops_the_start_with_a_sentence(folder: Path, harm: Callable[[Path], object], words: str) -> None:
    harm(folder)
    with pytest.raises(SettingsError, match=words) as raised:
        create_app({"model_dir": str(folder)})
    assert str(raised.value).endswith("BACKEND_MODEL_DIR names the folder.")
    assert "\n" not in str(raised.value)


def test_the_command_ends_with_the_sentence_and_no_trace(folder: Path) -> None:
    change_model(folder, flip)
    command = [sys.executable, "-m", "backend.server", "--port", "0"]
    ran = subprocess.run(
        command, env={"BACKEND_MODEL_DIR": str(folder)}, capture_output=True, text=True, check=False, timeout=60
    )
    assert ran.returncode == 1
    assert ran.stderr.count("\n") == 1
    assert "damaged" in ran.stderr


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look for new files at every question."""
    monkeypatch.setattr(predictors, "LOOK_EVERY", 0)


def replace(folder: Path, **members: Any) -> None:
    """Put another model in place, file by file, as training.export does."""
    new = folder / "new"
    new.mkdir()
    shutil.copy(SHIPPED_MODEL / "model.tflite", new)
    (new / "card.json").write_bytes((SHIPPED_MODEL / "card.json").read_bytes())
    change_card(new, **members)
    for name in ("model.tflite", "card.json"):
        (new / name).replace(folder / name)


def test_a_replaced_model_answers_without_a_restart(folder: Path, at_once: None) -> None:
    predictor = EmbeddedPredictor(folder)
    replace(folder, version="2099.1.1")
    assert predictor.predict(X).version == "2099.1.1"


def test_copying_over_the_model_in_use_harms_nothing(folder: Path, at_once: None) -> None:
    """Where LiteRT maps the file, this is a bus error; while it is half, the model of before answers."""
    predictor = EmbeddedPredictor(folder)
    before = predictor.predict(X)
    with (folder / "model.tflite").open("r+b") as file:
        file.truncate(0)
        file.flush()
        assert (predictor.predict(X).probabilities == before.probabilities).all()
        file.write((SHIPPED_MODEL / "model.tflite").read_bytes())
    assert (predictor.predict(X).probabilities == before.probabilities).all()


def test_a_damaged_replacement_is_not_taken_and_said_once(
    folder: Path, at_once: None, caplog: pytest.LogCaptureFixture
) -> None:
    predictor = EmbeddedPredictor(folder)
    version = predictor.predict(X).version
    change_model(folder, flip)
    assert {predictor.predict(X).version for _ in range(5)} == {version}
    assert [record.getMessage().partition(" is ")[2][:7] for record in caplog.records] == ["damaged"]
    assert caplog.messages[0].endswith(". The model of before goes on.")


def test_a_model_and_its_card_that_come_one_after_the_other_are_taken_together(folder: Path, at_once: None) -> None:
    predictor = EmbeddedPredictor(folder)
    content = (SHIPPED_MODEL / "model.tflite").read_bytes() + b"\0"  # another file, the same model
    (folder / "model.tflite").write_bytes(content)
    before = predictor.predict(X).version
    change_card(folder, version="2099.1.1", sha256={"model.tflite": sha256(content).hexdigest()})
    assert (before, predictor.predict(X).version) == (predictor_version(), "2099.1.1")


def predictor_version() -> str:
    return str(json.loads((SHIPPED_MODEL / "card.json").read_text(encoding="utf-8"))["version"])


def test_without_a_digest_a_file_is_taken_when_nobody_has_written_for_a_second(
    folder: Path, at_once: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    predictor = EmbeddedPredictor(folder)
    replace(folder, version="2099.1.1", sha256={})
    assert predictor.predict(X).version == predictor_version()
    monkeypatch.setattr("backend.artifact.SETTLED", 0)
    assert predictor.predict(X).version == "2099.1.1"


def test_the_shipped_card_has_the_digests_of_its_files() -> None:
    card = json.loads((SHIPPED_MODEL / "card.json").read_text(encoding="utf-8"))
    for name, digest in card["sha256"].items():
        assert sha256((SHIPPED_MODEL / name).read_bytes()).hexdigest() == digest
