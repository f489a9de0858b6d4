"""The client and its shell command against the live API."""

from __future__ import annotations

import csv
import io
import json
import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner, Result
from PIL import Image

from tests.conftest import scribble
from tests.stand_in import StandIn
from ui.__main__ import main
from ui.client import BlankSheet, Client

if TYPE_CHECKING:
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


@pytest.mark.parametrize("ask", [Client.predict_batch, Client.read_numbers])
def test_pictures_with_too_many_pixels_for_one_batch_are_all_read(live_api: str, drawing: Drawing, ask: Any) -> None:
    """Eleven of 4 megapixels; a batch takes 24 in all."""
    large = [_enlarged(drawing(digit), 2000) for digit in "01234567892"]
    assert [getattr(answer, "label", answer) for answer in ask(Client(live_api), large)] == list("01234567892")


def _enlarged(picture: bytes, side: int) -> bytes:
    buffer = io.BytesIO()
    Image.open(io.BytesIO(picture)).convert("L").resize((side, side)).save(buffer, "PNG")
    return buffer.getvalue()


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


SETTINGS = {
    "no scheme": {"API_URL": "127.0.0.1:8000"},
    "quoted": {"API_URL": '"http://127.0.0.1:8000"'},
    "a blank at its end": {"API_URL": "http://127.0.0.1:8000 "},
    "a key in typographic quotes": {"API_KEY": "\u201cabc\u201d"},
    "no bundle of certificates": {"API_URL": "https://127.0.0.1:9", "REQUESTS_CA_BUNDLE": "/nowhere.pem"},
}


@pytest.mark.parametrize("setting", SETTINGS.values(), ids=SETTINGS)
def test_a_setting_that_cannot_be_used_is_2_with_one_sentence(folder: Path, setting: dict[str, str]) -> None:
    result = CliRunner().invoke(main, [str(folder / "3.png")], env=setting)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.count("\n") == 1
    assert "again" not in result.stderr


def test_an_output_is_replaced_only_when_all_answers_have_come(live_api: str, folder: Path) -> None:
    output = folder / "out.csv"
    output.write_text("yesterday's")
    assert run("http://127.0.0.1:9", str(folder), "--output", str(output)).exit_code == 3
    assert output.read_text() == "yesterday's"
    assert run(live_api, str(folder / "3.png"), "--csv", "--output", str(output)).exit_code == 0
    assert output.read_text().startswith("file,label,confidence,problem\n")
    assert {path.suffix for path in folder.iterdir()} == {".png", ".txt", ".csv"}, "nothing is left beside it"


def test_an_output_through_a_link_leaves_the_link(live_api: str, folder: Path) -> None:
    (folder / "link.csv").symlink_to(folder / "out.csv")
    run(live_api, str(folder / "3.png"), "--output", str(folder / "link.csv"))
    assert (folder / "link.csv").is_symlink()
    assert "3.png: 3" in (folder / "out.csv").read_text()


def test_an_output_may_be_a_device_and_a_full_disk_is_a_sentence(live_api: str, folder: Path) -> None:
    assert run(live_api, str(folder / "3.png"), "--output", "/dev/null").exit_code == 0
    full = run(live_api, str(folder / "3.png"), "--output", "/dev/full")
    assert (full.exit_code, full.stderr) == (3, "The answers cannot be written: No space left on device.\n")


def test_head_ends_the_command_quietly(live_api: str, folder: Path) -> None:
    command = shlex.join([sys.executable, "-m", "ui", "--url", live_api, "--csv", *[str(folder)] * 900]) + " | head -1"
    done = subprocess.run(
        ["/bin/bash", "-o", "pipefail", "-c", command], capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.stdout, done.stderr) == ("file,label,confidence,problem\n", "")
    assert done.returncode == 141


def test_a_folder_of_everything_gives_each_file_its_row(live_api: str, tmp_path: Path, drawing: Drawing) -> None:
    """Links to nowhere and in a circle, a folder named like a picture, pipes, names of any bytes, other formats."""
    for name in (b"1.png", b"\xff\xfe-2.png", b"3 \x1b[31mred.png", b"=cmd|'calc'!A1.png", b"new\nline.png", b"x.jfif"):
        Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name)).write_bytes(drawing("7"))
    (tmp_path / "dangling.png").symlink_to("nowhere.png")
    (tmp_path / "circle.png").symlink_to("circle.png")
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "folder.png" / "up").symlink_to("..")
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "photo.HEIC").write_bytes(b"\0\0\0\x18ftypheic")
    (tmp_path / "empty.png").touch()
    (tmp_path / "folder" / "deeper").mkdir(parents=True)
    (tmp_path / "folder" / "deeper" / "2.png").write_bytes(drawing("7"))
    result = run(live_api, str(tmp_path))
    rows = {row["file"].removeprefix(f"{tmp_path}/"): row for row in csv.DictReader(io.StringIO(result.stdout))}
    read = {name for name, row in rows.items() if row["label"] == "7"}
    assert read == {
        "1.png",
        r"\udcff\udcfe-2.png",
        r"3 \x1b[31mred.png",
        "=cmd|'calc'!A1.png",
        r"new\nline.png",
        "x.jfif",
        "folder/deeper/2.png",
    }
    assert set(rows) - read == {"dangling.png", "circle.png", "pipe.png", "photo.HEIC", "empty.png"}
    assert all(rows[name]["problem"] for name in set(rows) - read)
    assert "Most Compatible" in rows["photo.HEIC"]["problem"]
    assert result.exit_code == 1


def test_names_of_any_bytes_are_text_and_exact_in_json(live_api: str, tmp_path: Path, drawing: Drawing) -> None:
    path = os.fsdecode(os.fsencode(tmp_path) + b"/\xff\x07.png")
    Path(path).write_bytes(drawing("7"))
    command = [sys.executable, "-m", "ui", "--url", live_api, path]
    assert subprocess.check_output(command, text=True).startswith(rf"{tmp_path}/\udcff\x07.png: 7 (")
    assert json.loads(subprocess.check_output([*command, "--json"], text=True))["file"] == path


@pytest.mark.parametrize(
    ("style", "said"),
    [("--csv", ",not_a_digit\n"), ("--json", '"reason": "not_a_digit"'), (None, "no label (not_a_digit)\n")],
)
def test_a_scribble_has_its_reason_and_makes_the_code_1(
    live_api: str, tmp_path: Path, style: str | None, said: str
) -> None:
    (tmp_path / "scribble.png").write_bytes(scribble())
    result = run(live_api, str(tmp_path / "scribble.png"), *filter(None, [style]))
    assert said in result.stdout
    assert result.exit_code == 1


def test_no_answer_is_said_to_be_beyond_doubt(tmp_path: Path) -> None:
    answer = {"label": "7", "confidence": 1.0, "probabilities": {"7": 1.0}, "rejection": None, "request_id": "r"}
    answer |= {"model": {"name": "m", "version": "1", "served_by": "embedded"}, "timing_ms": {"total": 1.0}}
    (tmp_path / "7.png").write_bytes(b"\x89PNG")
    with StandIn(lambda handler, _: handler.send(200, answer)) as api:
        assert run(api.url, str(tmp_path / "7.png")).stdout == f"{tmp_path}/7.png: 7 (99.9 %)\n"


def test_the_model_that_is_named_answers_the_command(live_api: str, folder: Path) -> None:
    result = run(live_api, "--model", "digits", "--json", str(folder / "3.png"))
    assert json.loads(result.stdout)["model"]["name"] == "digits"


def test_a_model_that_is_none_is_2_and_those_there_are_are_named(live_api: str, folder: Path) -> None:
    result = run(live_api, "--model", "resnet", str(folder / "3.png"), str(folder / "5.png"))
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith('There is no model "resnet" here; there are: digits')
    assert run(live_api, "--model", "digits", "--numbers", str(folder / "3.png")).exit_code == 2


def test_the_client_lists_the_models(live_api: str) -> None:
    first, *_ = Client(live_api).models()
    assert (first.name, first.deployed, len(first.labels)) == ("digits", True, 10)


def test_wrong_usage_is_2_and_an_absent_api_is_3_with_the_remedy(folder: Path) -> None:
    assert run("http://127.0.0.1:9", str(folder / "absent.png")).exit_code == 2
    result = run("http://127.0.0.1:9", str(folder / "3.png"))
    assert result.exit_code == 3
    assert "API_URL" in result.stderr
