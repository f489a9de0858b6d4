"""What people gave through the API becomes a dataset, from a folder and from S3."""

from __future__ import annotations

from base64 import b64encode
from typing import TYPE_CHECKING

import pytest

from backend.app import create_app
from backend.preprocessing import normalise
from training.data.datasets import load
from training.data.sources import DataError

if TYPE_CHECKING:
    from pathlib import Path

    from backend.predictors import EmbeddedPredictor
    from tests.conftest import Drawing


def _give(place: str, embedded: EmbeddedPredictor, drawing: Drawing) -> None:
    client = create_app({"feedback": place}, embedded).test_client()
    for digit in "38":
        image = b64encode(drawing(digit)).decode()
        answer = client.post("/feedback", json={"image": image, "label": digit, "consent": True})
        assert answer.status_code == 201


@pytest.mark.parametrize("where", ["folder", "bucket"])
def test_what_people_gave_is_the_dataset_feedback(
    where: str,
    tmp_path: Path,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
    embedded: EmbeddedPredictor,
    drawing: Drawing,
) -> None:
    place = str(tmp_path) if where == "folder" else request.getfixturevalue("bucket")
    _give(place, embedded, drawing)
    monkeypatch.setenv("BACKEND_FEEDBACK", place)
    given = load("feedback")
    assert sorted(given.y) == [3, 8]
    for row, digit in enumerate(given.y):
        assert (given.x[row] == normalise(drawing(str(digit)))).all()


def test_a_broken_entry_is_left_out_and_stops_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, embedded: EmbeddedPredictor, drawing: Drawing
) -> None:
    """A line without its drawing, a damaged line, a link: as crashes and people leave them."""
    _give(str(tmp_path), embedded, drawing)
    picture = next(tmp_path.glob("*.png"))
    (tmp_path / "a.json").write_text('{"label": "1"}')
    for name, line in {"b": '{"label"', "c": "[]", "d": "null", "e": "{}"}.items():
        (tmp_path / f"{name}.json").write_text(line)
        (tmp_path / f"{name}.png").write_bytes(picture.read_bytes())
    (tmp_path / "f.json").write_text('{"label": "1"}')
    (tmp_path / "f.png").symlink_to(picture)
    monkeypatch.setenv("BACKEND_FEEDBACK", str(tmp_path))
    assert sorted(load("feedback").y) == [3, 8]


@pytest.mark.parametrize(("place", "reason"), [("", "is not set"), ("/nowhere/at/all", "no drawings")])
def test_a_store_that_is_not_there_is_a_sentence(place: str, reason: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BACKEND_FEEDBACK", place)
    with pytest.raises(DataError, match=reason):
        load("feedback")
