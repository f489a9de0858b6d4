"""Corrections to a better model: what is learnt and what is not, the gate, the way there and back, and forgetting."""

from __future__ import annotations

import json
import shutil
from base64 import b64encode
from datetime import datetime
from hashlib import sha256
from itertools import count
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from backend.app import create_app
from backend.predictors import EmbeddedPredictor
from backend.preprocessing import normalise
from backend.stores import open_store
from tests.model.conftest import own_strokes
from training import cases, evaluate, export, improve, screening, tuning, versions
from training.data import feedback, strokes
from training.data.pictures import encode
from training.data.sources import DataError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from flask.testing import FlaskClient
    from numpy.typing import NDArray


def slanted(number: int) -> tuple[bytes, str]:
    """A digit by a hand that leans far to one side, which the model that ships misreads one time in fifteen."""
    rng = np.random.default_rng([31, number])
    digit = number % 10
    lean = np.array([[1, 0], [rng.uniform(0.9, 1.25), 1]])
    drawing = [stroke @ lean for stroke in strokes.vary(own_strokes(digit, number // 10), rng, strength=0.6)]
    return encode(strokes.draw(strokes.fit(drawing, 170), rng.uniform(8, 20))), str(digit)


def give(client: FlaskClient, data: bytes, label: str) -> str:
    """Judge an answer as the page does; the id."""
    said = client.post("/predictions", data=data, content_type="image/png").json
    prediction = {name: said[name] for name in ("label", "confidence", "model")}
    body = {"image": b64encode(data).decode(), "label": label, "consent": True, "prediction": prediction}
    return str(client.post("/feedback", json=body).json["id"])


def new_id(number: int) -> str:
    """Of 32 hexadecimal digits, in no order."""
    return sha256(str(number).encode()).hexdigest()[:32]


@pytest.fixture(scope="session")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ninety drawings that were corrected or confirmed through the API; some of the sure ones go to review."""
    place = tmp_path_factory.mktemp("given")
    judge = EmbeddedPredictor(export.ARTIFACT)
    client = create_app({"feedback": str(place)}, judge).test_client()
    counts, ids = {True: 0, False: 0}, count()
    with pytest.MonkeyPatch.context() as patch:
        # Time, then id, decide the order, and with it which drawings are held out: one order for all runs.
        patch.setattr("backend.feedback.datetime", SimpleNamespace(now=lambda zone: datetime(2026, 11, 1, tzinfo=zone)))
        patch.setattr("backend.feedback.secrets", SimpleNamespace(token_hex=lambda _: new_id(next(ids))))
        for number in range(2000):
            data, label = slanted(number)
            x = normalise(data)[None]
            right = screening.answered(judge, x) == [label]
            if counts[right] < (30 if right else 60):
                counts[right] += 1
                give(client, data, label)
    assert counts == {True: 30, False: 60}
    return place


@pytest.fixture
def room(digits_made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to improve in: the model that ships as `standing`, few steps, a few pictures of each gate."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(export.ARTIFACT, tmp_path / "standing")
    for name, few in {"STEPS": 60, "REPLAYED": 64, "CORRECTED": 16}.items():
        monkeypatch.setattr(tuning, name, few)
    # Forty for each pen, by which calibration is judged: that of a dozen pictures says nothing.
    some = {name: (make, 40 if name.endswith(" px") else 4) for name, (make, _) in cases.CASES.items()}
    some["slashed zeros"] = some["ones"]  # the tiny sources have none
    monkeypatch.setattr(evaluate, "CASES", some)
    evaluate._api.cache_clear()
    return tmp_path


@pytest.fixture
def given(drawn: Path, room: Path) -> Path:
    return shutil.copytree(drawn, room / "given")


def run(room: Path, *more: str) -> None:
    place = ["--feedback", str(room / "given"), "--artifact", str(room / "standing")]
    improve.main([*place, *more])


def test_an_unfolded_artifact_gives_its_own_files_again(tmp_path: Path) -> None:
    """Network, half floats and calibration: what is taught further is what ships, to the byte of its weights."""
    network, card = export.unfolded(export.ARTIFACT), export.read_card(export.ARTIFACT)
    export.export(network, card, tmp_path)
    x = np.random.default_rng(1).integers(0, 255, (20, 28, 28)).astype(np.uint8)
    one, two = (EmbeddedPredictor(folder).predict(x) for folder in (export.ARTIFACT, tmp_path))
    assert one.probabilities == pytest.approx(two.probabilities, abs=1e-6)
    assert one.scores == pytest.approx(two.scores, abs=1e-6)


def test_corrections_make_a_better_model_that_serves_at_once_and_can_be_taken_back(
    room: Path, given: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = export.read_card(room / "standing")
    page = create_app({"feedback": str(given)}, serving := EmbeddedPredictor(room / "standing")).test_client()
    serving._look_at = 0
    run(room)
    card = export.read_card(room / "standing")
    lineage = card["lineage"]
    assert (lineage["parent"], lineage["instead_of"]) == (before["version"], before["version"])
    assert lineage["reads"] > lineage["read"]
    assert sum(card["corrections_by_version"].values()) == lineage["corrections"]
    serving._look_at = 0
    answer = page.post("/predictions", data=slanted(0)[0], content_type="image/png").json
    assert answer["model"]["version"] == card["version"] != before["version"]
    told = page.get("/feedback").json
    assert (told["version"], told["learnt"]) == (card["version"], lineage["corrections"])
    uses = [page.get(f"/feedback/{path.stem}").json["used"] for path in given.glob("*.png")]
    hows = [use["how"] for use in uses if use]  # what went to review was used for nothing
    assert (hows.count("learnt"), hows.count("judged")) == (lineage["learnt"], lineage["judged_on"])
    report = next((room / "runs" / "improve").glob("*/report.md")).read_text()
    assert "The gate found nothing against it." in report
    run(room)
    assert "has learnt all of this: nothing to do" in capsys.readouterr().out
    run(room, "--undo")
    assert export.read_card(room / "standing") == before
    assert page.get("/feedback").json["learnt"] == 0
    assert page.get(f"/feedback/{next(given.glob('*.png')).stem}").json["used"] is None


STEPS = (
    (improve, "teach"),
    (improve, "measured"),
    (improve, "judge"),
    (improve, "promoted"),
    (versions, "keep"),
    (versions, "put"),
    (versions, "tell"),
)


class Crash(BaseException):
    """As a process that is killed."""


@pytest.mark.slow  # a minute and a half: seven times to where it was stopped
def test_stopped_after_any_step_the_same_command_ends_as_if_it_had_not_been(
    room: Path, given: Path, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Drawings in S3, a stage that takes the candidate; stopped after each step in turn."""
    store = open_store(bucket)
    for path in given.iterdir():
        store.write(path.name, path.read_bytes())
    sent: list[str] = []
    monkeypatch.setattr(improve, "promoted", lambda stage, candidate: sent.append(f"{stage} {candidate}") or True)
    command = ["--feedback", bucket, "--artifact", str(room / "standing"), "--stage", "test", "--deploy"]
    for place, name in STEPS:
        with monkeypatch.context() as once:
            once.setattr(place, name, _then_crash(getattr(place, name)))
            with pytest.raises(Crash):
                improve.main(command)
    improve.main(command)
    card = export.read_card(room / "standing")
    (candidate,) = (room / "runs" / "improve").glob("*/candidate")
    assert card == export.read_card(candidate)
    assert card["lineage"]["parent"] == export.read_card(export.ARTIFACT)["version"]
    assert {*sent} == {f"test {candidate.relative_to(room)}"}
    assert EmbeddedPredictor(room / "standing").predict(np.zeros((1, 28, 28), np.uint8)).version == card["version"]
    assert json.loads(store.read("learning.json") or b"")["version"] == card["version"]


def _then_crash(step: Callable[..., Any]) -> Callable[..., Any]:
    def crash(*arguments: Any, **named: Any) -> None:
        step(*arguments, **named)
        raise Crash

    return crash


def test_half_a_replacement_is_put_right(room: Path, given: Path) -> None:
    """New weights beside the old card: the model of the card comes back from where it is kept."""
    versions.keep(room / "standing")
    (room / "standing" / "model.tflite").write_bytes(b"half")
    versions.heal(room / "standing")
    assert EmbeddedPredictor(room / "standing").predict(np.zeros((1, 28, 28), np.uint8)).version


def test_a_drawing_is_forgotten_with_proof(room: Path, given: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(room)
    used = json.loads((given / "learning.json").read_bytes())["used"]
    gone = next(each for each, use in used.items() if use["how"] == "learnt")
    digest = next(each.digest for each in feedback.look(open_store(str(given))).given if each.id == gone)
    (manifest,) = [path.read_text() for path in (room / "runs" / "improve").glob("*/learnt.txt")]
    assert digest in manifest
    run(room, "--without", gone)
    card = export.read_card(room / "standing")
    manifests = {sha256(path.read_bytes()).hexdigest(): path for path in (room / "runs/improve").glob("*/learnt.txt")}
    if "lineage" in card:  # else the full training stands again, which never saw a drawing
        assert digest not in manifests[card["lineage"]["feedback"]].read_text()
    assert gone not in {path.stem for path in given.iterdir()}
    assert gone not in json.loads((given / "learning.json").read_bytes())["used"]
    assert f"{gone}  digest {digest}" in capsys.readouterr().out


def test_lies_alone_change_nothing_and_stand_on_the_sheet(
    room: Path, capsys: pytest.CaptureFixture[str], drawing: Callable[..., bytes]
) -> None:
    """Clear digits, each called by another's name."""
    client = create_app({"feedback": str(room / "given")}, EmbeddedPredictor(room / "standing")).test_client()
    for number in range(60):
        digit = number % 10
        sheet = strokes.vary(own_strokes(digit, number // 10), np.random.default_rng(number), strength=0.5)
        give(client, encode(strokes.draw(strokes.fit(sheet, 170), 16)), str((digit + 1 + number // 10) % 10))
    before = sorted((path.name, path.read_bytes()) for path in (room / "standing").iterdir())
    with pytest.raises(SystemExit) as ended:
        run(room)
    assert "contradicted: " in capsys.readouterr().out or "too few to learn from" in str(ended.value)
    assert sorted((path.name, path.read_bytes()) for path in (room / "standing").iterdir()) == before
    (sheet_of_lies,) = (room / "runs" / "improve").glob("*/review.txt")
    assert len(sheet_of_lies.read_text().splitlines()) > 40
    assert sheet_of_lies.with_suffix(".png").stat().st_size > 10_000


def test_a_candidate_that_fails_changes_nothing_and_says_which_rule_by_how_much(
    room: Path, given: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(improve, "tune", lambda network, *_: network.layers[-1].bias.assign(50 * np.eye(11)[3]))
    before = export.read_card(room / "standing")
    with pytest.raises(SystemExit):
        run(room)
    said = capsys.readouterr().out
    assert "breaks these rules" in said
    assert "together: all digits" in said
    assert export.read_card(room / "standing") == before
    assert not (given / "learning.json").exists()


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--feedback", "/nowhere"], "too few"),
        (["--base", "2020.1.1"], "not in"),
        (["--undo"], "nothing is to be taken back"),
    ],
)
def test_what_cannot_be_done_is_a_sentence(room: Path, given: Path, options: list[str], reason: str) -> None:
    with pytest.raises(SystemExit, match=reason):
        run(room, *options)


def test_broken_and_hostile_files_are_named_and_left_out(given: Path) -> None:
    good = next(given.glob("*.png"))
    for name, content in {
        "a" * 32: (b'{"label": "1"}', b"no picture"),
        "b" * 32: (b"{", good.read_bytes()),
        "c" * 32: (b'{"label": ["1"]}', good.read_bytes()),
        "d" * 32: (b'{"label": "1", "prediction": 7}', good.read_bytes()),
        "e" * 32: (b"[" * 9000, good.read_bytes()),
        "f" * 32: (b'{"label": "1"}' + b" " * 20_000, good.read_bytes()),
        "\N{BELL}x": (b'{"label": "<script>"}', good.read_bytes()),
    }.items():
        (given / f"{name}.json").write_bytes(content[0])
        (given / f"{name}.png").write_bytes(content[1])
    (given / "lonely.json").write_text('{"label": "1"}')
    (given / "9999.png").write_bytes(b"\0" * 6_000_000)
    (given / "9999.json").write_text('{"label": "1"}')
    kept = feedback.look(open_store(str(given)))
    assert len(kept.given) == 90
    assert len(kept.left_out) == 9
    assert kept.left_out["lonely.json"] == "a line without its drawing"
    assert not any("\N{BELL}" in name for name in kept.left_out)


def test_the_same_twice_counts_once_two_names_go_to_review_and_a_flood_is_cut(given: Path) -> None:
    kept = feedback.look(open_store(str(given)))
    one, two = screening.screen(kept, [EmbeddedPredictor(export.ARTIFACT)]).learn[:2]
    twin, other = one._replace(id="twin", created="9"), two._replace(id="other", label="0" if two.label != "0" else "1")
    flood = [one._replace(id=f"flood-{n}", x=_dotted(one.x, n)) for n in range(25)]
    found = screening.screen(
        feedback.Kept([*kept.given, twin, other, *flood], {}), [EmbeddedPredictor(export.ARTIFACT)]
    )
    assert found.left_out["twin"].startswith("the same as")
    assert {two.id, "other"} <= found.review.keys()
    assert sum(name.startswith("flood") for name in found.left_out) >= 15
    learnt, judged = ({each.id for each in part} for part in (found.learn, found.held_out))
    assert not learnt & judged
    accepted = screening.screen(kept, [EmbeddedPredictor(export.ARTIFACT)], accepted=set(found.review))
    assert not accepted.review


def _dotted(x: NDArray[np.uint8], place: int) -> NDArray[np.uint8]:
    """The same but for a faint pixel."""
    dotted = x.copy()
    dotted[0, place] = 9
    return dotted


def test_a_version_is_found_by_name_or_said_to_be_missing(room: Path) -> None:
    kept = versions.keep(room / "standing")
    version = export.read_card(room / "standing")["version"]
    assert versions.find(version, room / "nowhere") == kept
    with pytest.raises(DataError, match=r"\(there: "):
        versions.find("2020.1.1", room / "standing")
