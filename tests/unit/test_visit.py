"""What a visit holds: sheet, answers, pauses, history, and the archive that one can take away."""

from __future__ import annotations

import io
import zipfile
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from backend.contract import Model, Prediction
from ui import client
from ui.visit import CACHE, HISTORY, PREVIEW, Answer, Failure, Picture, Visit, archive, current

if TYPE_CHECKING:
    import pytest

READ = Prediction("7", 0.98, {"1": 0.02, "7": 0.98}, None, Model("digits", "1", "sagemaker"), "r", {"total": 1.9})
REJECTED = replace(READ, label=None)
SEEN = Picture(b"\x89PNG", name="7.png")


def test_a_new_sheet_has_what_is_brought_back_and_no_answer() -> None:
    visit = Visit(sheet=4, answer=Answer(SEEN, READ, 1), asked=True, failures=2, waking_since=7.0)
    visit.take_sheet(replace(SEEN, sheet=1))
    assert visit == Visit(sheet=5, start=replace(SEEN, sheet=5))
    visit.take_sheet()
    assert visit == Visit(sheet=6)


def test_asking_ends_every_pause() -> None:
    visit = Visit(quiet_until=600.0)
    visit.ask()
    assert visit == Visit(asked=True)


def test_an_answer_ends_the_asking_and_replaces_what_came_of_the_same_sheet_or_picture() -> None:
    other, sheet, again = (Answer(Picture(data, sheet=n), READ, 1) for data, n in ((b"a", 1), (b"b", 2), (b"c", 2)))
    file, same_file = (Answer(Picture(b"d", name=name), READ, 1) for name in ("d.png", "e.png"))
    visit = Visit(asked=True, failures=2, waking_since=7.0)
    for answer in (other, sheet, file, again, same_file):
        visit.keep(answer)
    assert visit.history == [other, again, same_file]
    assert (visit.answer, visit.asked, visit.failures, visit.waking_since) == (same_file, False, 0, None)


def test_a_failure_ends_the_asking_and_counts_unless_the_picture_is_bad(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ui.visit.monotonic", lambda: 100.0)
    bad, away = Failure(SEEN, client.BadPicture("")), Failure(SEEN, client.ModelFailed(""))
    visit = Visit(asked=True, waking_since=7.0)
    visit.fail(bad)
    assert visit == Visit(answer=bad)
    visit.fail(away)
    assert visit == Visit(answer=away, failures=1, quiet_until=103.0)


def test_a_large_picture_s_preview_is_small_and_upright() -> None:
    exif, buffer = Image.Exif(), io.BytesIO()
    exif[0x0112] = 6  # lies on its side
    colours = np.random.default_rng(0).integers(0, 256, (900, 1200, 3), np.uint8)
    Image.fromarray(colours).save(buffer, "JPEG", exif=exif)
    preview = Picture(buffer.getvalue()).preview
    shown = Image.open(io.BytesIO(preview))
    assert (shown.format, shown.mode, shown.size) == ("JPEG", "RGB", (PREVIEW * 3 // 4, PREVIEW))
    assert shown.quantization == reference(80)
    assert len(preview) < len(buffer.getvalue()) / 4


def reference(quality: int) -> dict[int, list[int]]:
    """The JPEG tables of a quality."""
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8)).save(buffer, "JPEG", quality=quality)
    return Image.open(buffer).quantization


def test_a_small_picture_is_its_own_preview() -> None:
    data = bytes(20_000)
    assert Picture(data).preview is data


def test_the_history_holds_the_last_twenty_and_one_entry_a_sheet() -> None:
    visit = Visit()
    for number in range(30):
        for stroke in (0, 1):
            visit.keep(Answer(Picture(bytes([number, stroke]), sheet=number), READ, 0.1))
    assert [answer.picture.sheet for answer in visit.history] == list(range(30 - HISTORY, 30))


def test_a_visit_counts_what_was_drawn_and_what_was_right_beyond_its_history() -> None:
    visit = Visit()
    for number in range(HISTORY + 5):
        answer = Answer(Picture(bytes([number])), REJECTED if number == 3 else READ, 0.1)
        visit.keep(answer)
        answer.truth = {0: "7", 1: "1", 3: "not_a_digit", 24: "7"}.get(number)
    assert visit.tally == (HISTORY + 5, 4, 3)
    assert visit.past == (5, 3, 2)
    visit.keep(visit.history[0])
    assert visit.tally == (HISTORY + 5, 4, 3), "brought back, and no drawing more"


def test_pauses_between_retries_double_up_to_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ui.visit.monotonic", lambda: 0.0)
    visit, pauses = Visit(), []
    for _ in range(7):
        visit.fail(Failure(SEEN, client.ModelFailed("")))
        pauses.append(visit.quiet_until)
    assert pauses == [3, 6, 12, 24, 48, 60, 60]


def test_the_pause_that_an_api_asks_for_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ui.visit.monotonic", lambda: 0.0)
    visit = Visit()
    visit.fail(Failure(SEEN, client.RateLimited("", retry_after=600)))
    assert visit.quiet_until == 600


def test_a_visit_knows_its_latest_answers_and_forgets_the_oldest() -> None:
    visit, answers = Visit(), [Answer(Picture(bytes([number])), READ, 0.1) for number in range(CACHE + 3)]
    for answer in answers:
        visit.keep(answer)
    assert list(visit.known.items()) == [(answer.picture.digest, answer) for answer in answers[3:]]


def test_the_archive_holds_pictures_and_a_table() -> None:
    answers = [Answer(Picture(b"one", name="a.png"), READ, 0.1, truth="1"), Answer(Picture(b"two"), REJECTED, 0.1)]
    with zipfile.ZipFile(io.BytesIO(archive(answers))) as file:
        content = {name: file.read(name).decode() for name in file.namelist()}
    assert content == {
        "01-a.png": "one",
        "02-drawing.png": "two",
        "answers.csv": "file,label,confidence,said_to_be\n01-a.png,7,0.98,1\n02-drawing.png,,0.98,\n",
    }


def test_the_archive_is_flat_and_its_names_are_fit_for_any_system() -> None:
    names = ["../../etc/passwd", "C:\\x\\=cmd.png", "a\0b\n.png", "\u0130.png", "...", "x" * 300 + ".png", "X.X"]
    answers = [Answer(replace(SEEN, name=name), READ, 0.1) for name in names]
    with zipfile.ZipFile(io.BytesIO(archive(answers))) as file:
        *members, _ = file.namelist()
    assert members[:5] == ["01-passwd", "02-_cmd.png", "03-a_b_.png", "04-\u0130.png", "05-picture"]
    assert members[5:] == [f"06-{'x' * 60}.png", "07-X.X"]


def test_a_picture_that_cannot_be_shown_small_is_white() -> None:
    assert Image.open(io.BytesIO(Picture(bytes(30_000)).preview)).size == (1, 1)


def test_a_tab_has_one_visit(monkeypatch: pytest.MonkeyPatch) -> None:
    state: dict[str, Visit] = {}
    monkeypatch.setattr("streamlit.session_state", state)
    assert current() is current() is state["visit"]
    assert state["visit"] == Visit()
