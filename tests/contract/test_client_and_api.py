"""The client and its shell command against the live API."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner, Result

from ui.__main__ import main
from ui.client import BlankSheet, Client

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Drawing


def run(url: str, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["--url", url, *arguments])


@pytest.fixture
def folder(tmp_path: Path, drawing: Drawing) -> Path:
    for digit in "357":
        (tmp_path / f"{digit}.png").write_bytes(drawing(digit))
    (tmp_path / "4-broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    (tmp_path / "notes.txt").write_text("no picture")
    return tmp_path


def test_the_client_reads_a_drawing(live_api: str, drawing: Drawing) -> None:
    prediction = Client(live_api).predict(drawing("3"), include=("image", "explanation"))
    assert prediction.label == "3"
    assert prediction.image
    assert prediction.explanation


def test_a_stream_of_pictures_is_answered_in_order(live_api: str, drawing: Drawing) -> None:
    digits = "0123456789" * 15
    labels = [getattr(a, "label", None) for a in Client(live_api).predict_batch(drawing(digit) for digit in digits)]
    assert "".join(map(str, labels)) == digits


def test_one_bad_picture_in_a_stream_is_an_error_in_its_place(live_api: str, drawing: Drawing) -> None:
    blank = drawing("1", width=16)
    answers = list(Client(live_api).predict_batch([blank, _blank(), drawing("2")]))
    assert [type(answer).__name__ for answer in answers] == ["Prediction", "BlankSheet", "Prediction"]
    assert isinstance(answers[1], BlankSheet)


def _blank() -> bytes:
    from PIL import Image

    buffer = io.BytesIO()
    Image.new("L", (50, 50), 255).save(buffer, "PNG")
    return buffer.getvalue()


def test_the_client_knows_whether_the_api_is_ready(live_api: str) -> None:
    assert Client(live_api).ready()
    assert not Client("http://127.0.0.1:9", retries=0).ready()


def test_the_command_prints_label_and_confidence(live_api: str, folder: Path) -> None:
    result = run(live_api, str(folder / "3.png"))
    assert result.exit_code == 0
    assert result.stdout.startswith(f"{folder}/3.png: 3 (9")


@pytest.mark.parametrize("module", ["ui", "ui.client"])
def test_the_command_starts_by_either_name(live_api: str, folder: Path, module: str) -> None:
    command = [sys.executable, "-m", module, "--url", live_api, str(folder / "7.png")]
    assert subprocess.check_output(command, text=True).startswith(f"{folder}/7.png: 7 (9")


def test_the_command_prints_json_lines(live_api: str, folder: Path) -> None:
    result = run(live_api, "--json", str(folder / "3.png"), str(folder / "5.png"))
    assert [json.loads(line)["label"] for line in result.stdout.splitlines()] == ["3", "5"]


def test_a_folder_becomes_csv_and_one_unreadable_picture_makes_the_code_1(live_api: str, folder: Path) -> None:
    result = run(live_api, str(folder), "--output", str(folder / "out.csv"))
    rows = list(csv.DictReader((folder / "out.csv").read_text().splitlines()))
    assert [row["label"] for row in rows] == ["3", "", "5", "7"]
    assert rows[1]["problem"]
    assert result.exit_code == 1


def test_wrong_usage_is_2_and_an_absent_api_is_3_with_the_remedy(folder: Path) -> None:
    assert run("http://127.0.0.1:9", str(folder / "absent.png")).exit_code == 2
    result = run("http://127.0.0.1:9", str(folder / "3.png"))
    assert result.exit_code == 3
    assert "API_URL" in result.stderr
