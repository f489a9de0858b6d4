"""Data to artifact on tiny data: every stage as its command runs it."""

from __future__ import annotations

import json
import shutil
from functools import cache
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import pytest

from backend.app import create_app
from backend.predictors import EmbeddedPredictor
from backend.surroundings import Runs
from tests.model.conftest import as_picture, own_strokes
from training import compare, export, models, train
from training.data import datasets, doodles, glyphs, makers, numbers, pictures, readers, sources, strokes, styles
from training.data.pictures import encode
from training.serve import SavedModel

if TYPE_CHECKING:
    from pathlib import Path


def _train(dataset: str, run: Path, *more: str) -> None:
    train.main(["--dataset", dataset, "--run", str(run), *more])


def test_unseen_writers_and_alphabets_are_in_neither_training_nor_validation(digits_made: Path) -> None:
    whole = datasets.load("digits")
    learnt, validation = train.split(whole, train.Plan("digits", "mlp", 1, 1, 2, quick=False))
    assert 2 not in {*learnt.fold, *validation.fold}
    assert readers.TEST not in {*learnt.fold, *validation.fold}
    writers = {readers.pen()[item][2] for item in learnt.item[learnt.kind == "pen"]}
    assert writers
    assert all(readers.writer_fold(writer) != 2 for writer in writers)


def test_every_kind_of_picture_is_made_and_has_ink(digits_made: Path) -> None:
    whole = datasets.load("digits")
    assert set(whole.kind) == {kind for kind, _, _ in datasets.PLANS["digits"][1]}
    assert whole.x.shape[1:] == (28, 28)
    assert (whole.x.max(axis=(1, 2)) >= 254).all()  # 255 but for rounding
    assert set(whole.y) == {makers.NOT_A_DIGIT, *range(10)}


def test_the_same_seed_makes_the_same_pictures_and_weights(tiny_sources: Path, tmp_path: Path) -> None:
    first, second = datasets.make([datasets.Task("pen", 3, 1)] * 2)
    assert first is not None
    assert second is not None
    assert (first.x == second.x).all()
    for run in ("a", "b"):
        _train("mnist", tmp_path / run, "--model", "softmax", "--epochs", "2")
    x = np.zeros((1, 28, 28), np.float32)
    one, two = (export.read_run(tmp_path / run).model.predict(x, verbose=0) for run in ("a", "b"))
    assert one == pytest.approx(two, abs=1e-4)  # threads add up in another order


def test_a_finished_run_goes_on_where_it_stopped_and_another_plan_is_refused(
    tiny_sources: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    _train("mnist", run, "--model", "softmax", "--epochs", "2")
    assert len((run / "log.jsonl").read_text().splitlines()) == 1
    trained = (run / "best.keras").stat().st_mtime_ns
    _train("mnist", run, "--model", "softmax", "--epochs", "2")
    assert (run / "best.keras").stat().st_mtime_ns == trained
    with pytest.raises(SystemExit, match="another run"):
        _train("mnist", run, "--model", "softmax", "--epochs", "3")


def test_a_target_is_half_the_label_and_half_what_teachers_say_on_average(tiny_sources: Path, tmp_path: Path) -> None:
    runs = [str(tmp_path / name) for name in ("a", "b")]
    for seed, run in enumerate(runs):
        _train("mnist", tmp_path / run, "--model", "softmax", "--epochs", "1", "--seed", str(seed))
    whole = datasets.load("mnist")
    said = [train.logits_of(export.read_run(tmp_path / run).model, whole) for run in runs]
    mean = np.mean([np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True) for logits in said], axis=0)
    plan = train.Plan("mnist", "softmax", 1, 1, readers.NEVER_HELD_OUT, quick=False, teachers=runs)
    assert train.shares(whole, train.teachers_of(plan)) == pytest.approx(
        (np.eye(11)[train.targets(whole)] + mean) / 2, abs=2e-3
    )
    _train("mnist", tmp_path / "taught", "--model", "softmax", "--epochs", "1", "--teachers", *runs)
    export.main(["--run", str(tmp_path / "taught"), "--out", str(tmp_path / "artifact")])
    assert export.read_card(tmp_path / "artifact")["trained_by"].endswith(f"--teachers {' '.join(runs)}")


def test_a_training_that_goes_on_does_not_ask_its_teachers_again(tiny_sources: Path, tmp_path: Path) -> None:
    _train("mnist", tmp_path / "teacher", "--model", "softmax", "--epochs", "1")
    plan = train.Plan(
        "mnist", "softmax", 1, 1, readers.NEVER_HELD_OUT, quick=False, teachers=[str(tmp_path / "teacher")]
    )
    whole = datasets.load("mnist")
    asked = train.kept_shares(whole, train.teachers_of(plan), tmp_path)
    nobody: Any = [None]  # asking it would raise AttributeError
    assert np.array_equal(train.kept_shares(whole, nobody, tmp_path), asked)
    assert not np.array_equal(asked, train.shares(whole, []))
    with pytest.raises(AttributeError):  # other pictures are asked about, though the file of these is there
        train.kept_shares(whole.where(whole.y != 3), nobody, tmp_path)
    _train("mnist", tmp_path / "taught", "--model", "softmax", "--epochs", "1", "--teachers", *plan.teachers)
    assert not list((tmp_path / "taught").glob("shares*"))  # 36 MB for all pictures: gone with the end


def test_a_teacher_that_knows_the_people_held_out_is_refused(tiny_sources: Path, tmp_path: Path) -> None:
    _train("pendigits", tmp_path / "teacher", "--model", "softmax", "--fold", "1")
    with pytest.raises(SystemExit, match="teacher has learnt from the people of fold 0"):
        _train(
            "pendigits", tmp_path / "run", "--model", "softmax", "--fold", "0", "--teachers", str(tmp_path / "teacher")
        )


def test_a_missing_teacher_ends_the_command_with_a_sentence(tiny_sources: Path, tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"training stopped: .*nobody"):
        _train("mnist", tmp_path / "run", "--model", "softmax", "--teachers", str(tmp_path / "nobody"))


def test_a_teacher_that_is_still_learning_is_refused_and_one_that_is_gone_is_not_missed_by_a_finished_run(
    tiny_sources: Path, tmp_path: Path
) -> None:
    teacher, run = tmp_path / "teacher", tmp_path / "run"
    asked = ("mnist", run, "--model", "softmax", "--teachers", str(teacher))
    _train("mnist", teacher, "--model", "softmax")
    finished = (teacher / "log.jsonl").read_text()
    for unfinished in (finished.replace('"round": 1', '"round": 0'), finished.replace('"of": 1, ', "")):
        (teacher / "log.jsonl").write_text(unfinished)
        with pytest.raises(SystemExit, match="no finished run"):
            _train(*asked)
    (teacher / "log.jsonl").write_text(finished)
    _train(*asked)
    (teacher / "plan.json").write_text('{"method": "of another version"}')
    with pytest.raises(SystemExit, match="run of another version"):
        export.main(["--run", str(teacher), "--out", str(tmp_path / "artifact")])
    shutil.rmtree(teacher)
    _train(*asked)


def test_each_kind_of_picture_is_kept_by_itself_so_that_a_change_of_one_makes_no_other_anew(
    digits_made: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, sampled = datasets.load("digits"), datasets._sample  # sampled: knows all the kinds as they are
    monkeypatch.setattr(datasets, "MAKERS", {"dot": makers.MAKERS["marks"]})  # KeyError for another kind made anew
    monkeypatch.setattr(
        datasets, "_sample", lambda kind, items: (sampled.__wrapped__ if kind == "dot" else sampled)(kind, items)
    )
    after = datasets.load("digits")
    changed = before.kind == "dot"
    assert not np.array_equal(after.x[changed], before.x[changed])
    assert np.array_equal(after.x[~changed], before.x[~changed])
    assert np.array_equal(after.y, before.y)
    part = datasets.load("pendigits")
    theirs = np.isin(before.kind, [kind for kind, _, _ in datasets.PLANS["pendigits"][1]])
    assert all(np.array_equal(getattr(part, field), getattr(before, field)[theirs]) for field in datasets.FIELDS)


def test_missing_data_ends_the_command_with_a_sentence(tiny_sources: Path, tmp_path: Path) -> None:
    (tiny_sources / "mnist.npz").unlink()
    with pytest.raises(SystemExit, match="training stopped: mnist"):
        _train("mnist", tmp_path / "run")


def test_a_sagemaker_job_reads_its_channel_and_writes_its_model_folder(
    tiny_sources: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DATA_DIR")
    monkeypatch.setenv("SM_CHANNEL_TRAINING", str(tiny_sources))
    monkeypatch.setenv("SM_MODEL_DIR", str(tmp_path / "model"))
    train.main(["--dataset", "mnist", "--model", "softmax", "--epochs", "1"])
    assert (tmp_path / "model" / "best.keras").exists()


def test_fashion_answers_sneaker_without_touching_the_backend(tiny_sources: Path, tmp_path: Path) -> None:
    _train("fashion_mnist", tmp_path / "run", "--model", "mlp", "--epochs", "60")
    export.main(["--run", str(tmp_path / "run"), "--out", str(tmp_path / "artifact")])
    test = datasets.load("fashion_mnist")
    sneaker = as_picture(test.x[(test.y == 7) & (test.fold == readers.TEST)][0])
    client = create_app({}, EmbeddedPredictor(tmp_path / "artifact")).test_client()
    answer = client.post("/predictions", data=encode(sneaker), content_type="image/png").get_json()
    assert answer["label"] == "Sneaker"
    assert set(answer["probabilities"]) == set(datasets.FASHION)
    assert answer["rejection"] is None
    (row,) = SavedModel(tmp_path / "artifact" / "model.tar.gz").predict(test.x[:1].tolist())
    assert row["labels"] == list(datasets.FASHION)


@pytest.fixture
def learnt() -> keras.Model:
    """The network that ships after a few steps, so that its normalisation has statistics of its own."""
    keras.utils.set_random_seed(3)
    network = models.build_model("convnet", 10)
    model = train.for_training(network, bfloat16=False)
    train.compile_model(model, 20)
    x, y = _noise(640)
    model.fit(x, y, train.BATCH, epochs=2, verbose=0)
    network.set_weights(model.get_weights())
    return network


def _noise(n: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(4)
    return rng.uniform(0, 255, (n, 28, 28)).astype(np.float32), np.eye(11, dtype=np.float32)[rng.integers(0, 11, n)]


def test_folding_the_normalisation_into_half_floats_changes_no_answer(learnt: keras.Model) -> None:
    x, _ = _noise(50)
    plain = export.folded(learnt)
    assert plain.predict(x, verbose=0) == pytest.approx(learnt.predict(x, verbose=0), abs=5e-3)
    assert not any(isinstance(layer, keras.layers.BatchNormalization) for layer in plain.layers)
    assert all((weight == weight.astype(np.float16)).all() for weight in plain.get_weights())


def test_a_confidence_counts_the_doubt_whether_it_is_a_digit_at_all() -> None:
    """Four pictures that are surely a 3 if a digit: no doubt, as likely none, the odds made up for, a letter."""
    logits = np.full((4, 11), -9.0, np.float32)
    logits[:, 3] = 9
    logits[:, -1] = 9 - np.array([18, 0, -export.SENT_MORE_DIGITS, -12])
    found = np.asarray(export.confidences(logits, 0.7))
    assert found.sum(axis=1) == pytest.approx(1)
    assert (found.argmax(axis=1) == 3).all()
    assert found[0] == pytest.approx(np.eye(10)[3], abs=1e-5)
    assert found[1:, 3] == pytest.approx([0.982 + 0.0018, 0.5 + 0.05, 0.1], abs=1e-3)
    assert found[2, 0] == pytest.approx(0.05, abs=1e-3)


def test_fused_normalisation_is_keras_own(learnt: keras.Model) -> None:
    """One step of each from the same weights: the same answers, and the same statistics kept."""
    x, _ = _noise(64)
    twin = train.for_training(learnt, bfloat16=False)
    twin.set_weights(learnt.get_weights())
    for model in (learnt, twin):
        for layer in model.layers:
            if isinstance(layer, keras.layers.Dropout):
                layer.rate = 0.0
    assert np.asarray(twin(x, training=True)) == pytest.approx(np.asarray(learnt(x, training=True)), abs=1e-3)
    for ours, theirs in zip(twin.get_weights(), learnt.get_weights(), strict=True):
        assert ours == pytest.approx(theirs, rel=1e-2, abs=1e-4)  # the fused variance is the unbiased one


def test_muon_moves_each_direction_of_a_convolution_alike() -> None:
    kernel = keras.Variable(np.zeros((3, 3, 16, 8), np.float32))
    optimizer = train.Muon(1.0, weight_decay=None, rms_rate=None)
    optimizer.build([kernel])
    gradient = np.random.default_rng(6).normal(0, np.linspace(0.01, 1, 8), (3, 3, 16, 8))
    optimizer.apply([keras.ops.convert_to_tensor(gradient.astype(np.float32))])
    singular = np.linalg.svd(np.asarray(kernel).reshape(-1, 8), compute_uv=False)
    assert singular.max() < 1.3  # the gradient's own differ by a factor of a hundred
    assert singular.min() > 0.5


@pytest.mark.slow  # a minute where the processor has no bfloat16
def test_a_run_in_bfloat16_leaves_a_network_of_float32_and_says_so(tiny_sources: Path, tmp_path: Path) -> None:
    _train("mnist", tmp_path / "run", "--model", "convnet", "--epochs", "2", "--bfloat16")
    run = export.read_run(tmp_path / "run")
    assert {weight.dtype for weight in run.model.weights} == {"float32"}
    export.main(["--run", str(tmp_path / "run"), "--out", str(tmp_path / "artifact")])
    assert json.loads((tmp_path / "artifact" / "card.json").read_text())["trained_by"].endswith("--bfloat16")


def test_invented_characters_are_many_and_none_is_narrow_like_a_1() -> None:
    drawings = [np.concatenate(doodles.invented(np.random.default_rng(seed))) for seed in range(200)]
    width, height = np.array([np.ptp(points, axis=0) for points in drawings]).T
    assert (width > height / 3).all()
    assert len({points.tobytes() for points in drawings}) == 200


def test_a_thinned_picture_becomes_lines_from_end_to_crossing_rings_and_dots() -> None:
    ink = np.zeros((40, 60), bool)
    ink[20, 5:26] = ink[10:31, 15] = True  # a cross: four arms
    angle = np.linspace(0, 2 * np.pi, 400)
    ink[(20 + 9 * np.sin(angle)).round().astype(int), (45 + 9 * np.cos(angle)).round().astype(int)] = True
    ink[3, 3] = True
    lines = glyphs.trace(ink)
    assert sorted(len(line) for line in lines)[0] == 1
    ring = max(lines, key=len)
    assert ring[0] == pytest.approx(ring[-1])
    assert len(lines) >= 6
    inked = np.argwhere(ink)[:, ::-1]
    drawn = np.concatenate([_between(line) for line in lines])
    assert np.linalg.norm(inked[:, None] - drawn, axis=2).min(axis=1).max() < 1.5
    assert np.linalg.norm(inked[:, None] - drawn, axis=2).min(axis=0).max() < 1.5


def _between(line: np.ndarray) -> np.ndarray:
    steps = np.linspace(0, 1, 8)[:, None, None]
    return np.concatenate([line[:1], (line[:-1] * (1 - steps) + line[1:] * steps).reshape(-1, 2)])


def test_glyphs_are_kept_in_bytes_and_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawings = [([np.array([[0.0, 1.0], [7.0, 9.0]]), np.array([[3.0, 3.0]])], "A/a"), ([np.zeros((2, 2))], "B/b")]
    glyphs.save(drawings, tmp_path / "glyphs.npz")
    monkeypatch.setattr(glyphs, "FILE", tmp_path / "glyphs.npz")
    glyphs.glyphs.cache_clear()
    read = glyphs.glyphs()
    glyphs.glyphs.cache_clear()
    assert [name for _, name in read] == ["A/a", "B/b"]
    for (one, _), (other, _) in zip(read, drawings, strict=True):
        assert all((stroke == same).all() for stroke, same in zip(one, other, strict=True))


def test_the_letters_of_a_hundred_scripts_are_all_there_and_each_lookalike_is_one_of_them() -> None:
    names = [name for _, name in glyphs.glyphs()]
    assert len(names) == datasets.GLYPHS
    assert len({name.partition("/")[0] for name in names}) > 100
    assert all(stroke.shape[1] == 2 for drawing, _ in glyphs.glyphs() for stroke in drawing)
    alphabets = {"Balinese", "Early_Aramaic", "Greek", "Korean", "Latin"}  # Omniglot's, whose letters have numbers
    ours = {name for name in json.loads(doodles.LOOKALIKES.read_text("utf-8")) if name[0].isupper()}
    assert {name for name in ours if "/character" not in name} <= set(names)
    assert set(glyphs.KIN) <= alphabets


def test_scripts_that_share_letters_with_a_held_out_alphabet_are_held_out_with_it(
    tiny_sources: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readers, "alphabets", cache(lambda: ["Balinese", "Early_Aramaic", "Greek", "Korean", "Latin"]))
    scripts = [name.partition("/")[0] for _, name in glyphs.glyphs()]
    wanted = {"Latin": 4, "Cyrillic": 4, "Coptic": 2, "Hebrew": 1, "Javanese": 0, "Thai": readers.NEVER_HELD_OUT}
    made = datasets.make([datasets.Task("glyph", scripts.index(script), 0) for script in wanted])
    assert [picture.fold for picture in made if picture] == list(wanted.values())
    assert all(picture.y == makers.NOT_A_DIGIT for picture in made if picture)


@pytest.mark.parametrize("width", [1, 2, 3, 6])
def test_a_hard_pixel_pen_leaves_two_greys_in_one_piece_as_wide_as_it_is(width: int) -> None:
    ink = np.asarray(strokes.draw_pixels([np.array([[4.2, 5.1], [21.0, 22.9]])], 28, width)) == 0
    assert set(np.unique(strokes.draw_pixels([np.array([[4.2, 5.1], [21.0, 22.9]])], 28, width))) == {0, 255}
    rows = ink.sum(axis=1)[8:20]  # of a line at 45 degrees
    assert (rows >= width).all()
    assert (rows <= 1.5 * width + 2).all()


def test_a_soft_pixel_pen_fades_and_one_beyond_the_sheet_draws_nothing() -> None:
    soft = np.asarray(strokes.draw_pixels([np.array([[14.0, 5.0], [14.0, 22.0]])], 28, 2, soft=2))
    assert len(np.unique(soft)) > 3
    assert (np.asarray(strokes.draw_pixels([np.array([[40.0, 40.0], [60.0, 50.0]])], 28, 3)) == 255).all()


def test_a_stretched_bitmap_is_filled_by_its_ink_but_for_a_bar() -> None:
    rng = np.random.default_rng(8)
    for side in (8, 16, 32):
        for digit in range(10):
            sheet = strokes.draw(strokes.fit(own_strokes(digit, 0), 96, (64, 64)), 12, canvas=128)
            ink = np.asarray(pictures.stretch(sheet, side, rng)) < 200
            rows, columns = np.flatnonzero(ink.any(axis=1)), np.flatnonzero(ink.any(axis=0))
            assert rows[-1] - rows[0] + 1 >= 0.7 * side - 2
            assert columns[-1] - columns[0] + 1 >= (0.1 if digit == 1 else 0.6) * side - 2


def test_a_restyled_digit_has_the_rare_style() -> None:
    rng = np.random.default_rng(4)
    for hand in range(20):
        assert styles.style(styles.restyled(own_strokes(0, hand), 0, rng), 0).startswith("slashed")
        plain = styles._unit(own_strokes(7, hand))
        drawn = styles.restyled(own_strokes(7, hand), 7, rng)
        hooked = len(drawn[0]) > len(plain[0])
        assert hooked or styles.style(drawn, 7).startswith("crossed")
    seven = [np.array([[0.0, 0.0], [0.6, 0.0], [0.3, 1.0]])]
    sevens = [styles.restyled(seven, 7, rng) for _ in range(60)]
    assert {styles.style(drawn, 7) for drawn in sevens} == {"crossed 2", "plain 1"}
    hooks = [drawn[0] for drawn in sevens if abs(drawn[0][0, 1]) > 0.01]
    assert 20 < len(hooks) < 50
    assert all(0 < hook[0, 1] <= 0.22 and hook[10] == pytest.approx((0, 0)) for hook in hooks)
    assert all(len(drawn) == 2 for drawn in sevens if not drawn[0][0, 1] > 0.01)  # each has a bar or a hook
    lying = [np.array([[0.6, 1.0], [0.3, 0.0], [0.0, 0.0]])]  # begun below: there is no corner for a hook
    assert all(np.array_equal(styles.restyled(lying, 7, rng)[0], styles._unit(lying)[0]) for _ in range(20))
    bar = [np.linspace((0.0, 0.0), (0.0, 1.0), 20)]
    found = {styles.one(styles.restyled(bar, 1, rng)) for _ in range(60)}
    assert found == {"flag", "foot", "leaning", "bar"}
    turns = [drawn[1] for drawn in (styles.restyled(bar, 1, rng) for _ in range(60)) if len(drawn) == 2]
    up = [turn for turn in turns if turn[0, 1] == pytest.approx(1) and turn[-1, 1] < 0.99 and turn[-1, 0] > turn[0, 0]]
    assert 3 < len(up) < 20
    open_top = [np.array([[0.2, 0.0], [0.0, 0.6], [0.7, 0.6]]), np.linspace((0.5, 0.1), (0.5, 1.0), 10)]
    angle, stem = styles.restyled(open_top, 4, rng)
    assert angle[0] == pytest.approx(stem[0])


def test_a_slash_is_as_long_and_leans_as_people_s_do() -> None:
    """UNIPEN's 178 of two strokes: 0.1 to 2.4 times the zero's diagonal, half over 1.3; -30 to 59 degrees."""
    rng, around = np.random.default_rng(4), np.linspace(0, 2 * np.pi, 100)
    zero = [np.stack([0.3 * np.sin(around), 0.5 * np.cos(around)], axis=1)]
    ways = np.array([slash[-1] - slash[0] for slash in (styles.restyled(zero, 0, rng)[-1] for _ in range(300))])
    lengths, leans = np.hypot(*ways.T) / np.hypot(0.6, 1), np.degrees(np.arctan2(ways[:, 0], -ways[:, 1]))
    assert 0.7 <= lengths.min() < 0.9
    assert 1.8 < lengths.max() <= 2.1
    assert -35 <= leans.min() < -10
    assert 50 < leans.max() <= 60


def test_a_restyled_8_of_one_stroke_lacks_some_of_both_ends_and_others_nothing() -> None:
    rng, around = np.random.default_rng(4), np.linspace(0, 2 * np.pi, 200)
    eight = [np.stack([-np.sin(2 * around) / 3, -np.cos(around)], axis=1)]
    whole = styles._unit(eight)[0]
    opened = [styles.restyled(eight, 8, rng)[0] for _ in range(50)]
    missing = [1 - len(stroke) / len(whole) for stroke in opened]
    assert 0 <= min(missing) < max(missing) <= 0.125
    assert max(len(whole) - len(stroke) for stroke in opened) > 10
    for untouched in ([eight[0][:100], eight[0][100:]], [np.roll(eight[0], 100, 0)]):  # two strokes; begun below
        drawn = styles.restyled(untouched, 8, rng)
        assert all(np.array_equal(one, two) for one, two in zip(drawn, styles._unit(untouched), strict=True))


def test_marks_are_two_to_seven_pieces_apart_and_no_column_is_a_dotted_1(tiny_sources: Path) -> None:
    rng = np.random.default_rng(5)
    drawings = [doodles.marks(rng) for _ in range(300)]
    assert {len(drawing) for drawing in drawings} == set(range(2, 8))
    for drawing in drawings:
        width, height = np.ptp(np.concatenate(drawing), axis=0)
        assert len(drawing) <= 3 or width > height / 4
    made = [picture for picture in datasets.make([datasets.Task("marks", item, 0) for item in range(100)]) if picture]
    assert len(made) == 100
    assert {picture.y for picture in made} == {makers.NOT_A_DIGIT}
    assert all(len(Runs(picture.x > 128).sizes()) > 1 for picture in made)


def test_pieces_of_touching_digits_are_digits_with_a_rest_or_none(tiny_sources: Path) -> None:
    rng = np.random.default_rng(6)
    found = [part for _ in range(30) for part in numbers.parts(rng, 2)]
    assert makers.NOT_A_DIGIT in {part.y for part in found}
    assert {part.y for part in found} & set(range(10))
    assert all(part.x.shape == (28, 28) and part.x.max() >= 254 for part in found)


def test_export_keeps_a_better_model_unless_told_to(tiny_sources: Path, tmp_path: Path) -> None:
    _train("mnist", tmp_path / "run", "--model", "softmax", "--epochs", "3")
    out = tmp_path / "artifact"
    arguments = ["--run", str(tmp_path / "run"), "--out", str(out)]
    export.main(arguments)
    card = json.loads((out / "card.json").read_text())
    card["metrics"] = dict.fromkeys(card["metrics"], 1.0)
    (out / "card.json").write_text(json.dumps(card))
    with pytest.raises(SystemExit, match="measures better"):
        export.main(arguments)
    assert json.loads((out / "card.json").read_text())["metrics"] == card["metrics"]
    export.main([*arguments, "--force"])
    assert json.loads((out / "card.json").read_text())["version"] != card["version"]


def test_each_folds_model_is_exported_beside_its_run_calibrated_on_the_others(
    digits_made: Path, tmp_path: Path
) -> None:
    """So that training.evaluate finds what it judges unseen writers by; its own writers choose nothing of it."""
    folds = [tmp_path / "fold-0", tmp_path / "fold-1"]
    for n, folder in enumerate(folds):
        _train("digits", folder, "--model", "softmax", "--epochs", "1", "--fold", str(n))
    out = tmp_path / "artifact"
    export.main(["--run", str(folds[0]), "--folds", *map(str, folds), "--out", str(out)])
    judged = [export.judge(export.read_run(folder)) for folder in folds]
    for folder, others in zip(folds, reversed(judged), strict=True):
        card = json.loads((folder / "artifact" / "card.json").read_text())
        assert card["threshold"] == pytest.approx(export.calibrate(others)[1], abs=1e-5)
        assert EmbeddedPredictor(folder / "artifact").predict(np.zeros((1, 28, 28), np.uint8)).threshold > 0


def test_a_network_half_as_sure_as_before_gets_half_the_temperature_beside_the_same_folds(
    digits_made: Path, tmp_path: Path
) -> None:
    """The folds' networks choose the temperature, but what ships learns longer, or from teachers."""
    _train("digits", tmp_path / "fold-0", "--model", "softmax", "--epochs", "1", "--fold", "0")
    _train("digits", tmp_path / "run", "--model", "softmax", "--epochs", "1")
    run, folds = export.read_run(tmp_path / "run"), [export.read_run(tmp_path / "fold-0")]
    logits = run.model.get_layer("logits")
    kernel, bias = logits.get_weights()
    bias[-1] -= 100  # no doubt whether it is a digit: that has no temperature
    logits.set_weights([kernel, bias])
    before = export.relative_temperature(run, folds)
    logits.set_weights([kernel / 2, bias / 2])
    assert export.relative_temperature(run, folds) == pytest.approx(before / 2, rel=0.02)
    judged = export.judge(folds[0])
    cards = [export.make_card(run, judged, tmp_path, relative) for relative in (1.0, 1.5)]
    assert cards[1]["temperature"] == pytest.approx(1.5 * cards[0]["temperature"], rel=1e-3)


def test_compare_prints_each_network_on_each_dataset_and_leaves_out_what_cannot_be_had(
    tiny_sources: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tiny_sources / sources.SOURCES["fashion-train-x"].name).unlink()
    options = ["--models", "softmax", "--runs", str(tmp_path), "--epochs", "1"]
    compare.main([*options, "--datasets", "mnist", "pendigits", "fashion_mnist"])
    said = capsys.readouterr()
    lines = [line for line in said.out.splitlines() if line.startswith("| ")]
    table = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines][1:]
    assert [row[:2] for row in table] == [["mnist", "softmax"], ["pendigits", "softmax"]]
    assert {row[3] for row in table} == {f"{11 * (784 + 1):,}"}
    assert "fashion_mnist is left out" in said.err


def test_networks_are_put_beside_the_deployed_model_and_answer_by_name(
    digits_made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without SageMaker's file: calibrated on a fold that was not learnt, under the network's own name."""
    monkeypatch.setattr(compare, "ARTIFACT", tmp_path / "artifacts" / "digits")
    options = ["--models", "softmax", "mlp", "--datasets", "digits", "--runs", str(tmp_path / "runs")]
    compare.main([*options, "--epochs", "1", "--ship"])
    made = {f"{path.parent.name}/{path.name}" for path in (tmp_path / "artifacts").rglob("*.*")}
    assert made == {f"{name}/{file}" for name in ("softmax", "mlp") for file in ("card.json", "model.tflite")}
    x = np.zeros((1, 28, 28), np.uint8)
    for name in ("softmax", "mlp"):
        answers = EmbeddedPredictor(tmp_path / "artifacts" / name).predict(x)
        assert (answers.name, len(answers.labels)) == (name, 10)


def test_a_run_without_weights_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="Train first"):
        export.main(["--run", str(tmp_path)])


def test_the_threshold_is_where_a_digit_refused_costs_as_much_as_the_others_taken() -> None:
    rng = np.random.default_rng(9)
    digits, others = rng.normal(4, 1, 20_000), rng.normal(0, 1, 20_000)
    threshold = export.cheapest(digits, others)
    costs = {
        t: export.REFUSED_DIGIT * np.mean(digits < t) + np.mean(others >= t) for t in (threshold, *np.arange(0, 4, 0.1))
    }
    assert costs[threshold] <= min(costs.values()) + 1e-3
    assert 0.5 < threshold < 2  # equal costs would put it at 2


@pytest.mark.parametrize("name", datasets.NAMES)
def test_every_dataset_names_its_sources_and_their_licences(name: str) -> None:
    for line in datasets.sources_of(name):
        assert any(word in line for word in ("CC BY", "MIT", "License", "consent"))


def test_calibration_divides_what_is_too_sure() -> None:
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, 4000)
    logits = rng.normal(0, 1, (4000, 4))
    logits[np.arange(4000), y] += 1.5
    logits[:, -1] = -9
    plain = export.Judged(logits.astype(np.float32), y, np.full(4000, "pen"))
    boasting = plain._replace(logits=plain.logits * 2)
    assert export.calibrate(boasting)[0] == pytest.approx(2 * export.calibrate(plain)[0], rel=0.05)


def test_a_network_taught_on_is_as_sure_and_rejects_as_much_as_before() -> None:
    """Twice as sure and milder with non-digits: its own temperature and threshold take both back."""
    rng, y = np.random.default_rng(3), np.repeat([*range(10), makers.NOT_A_DIGIT], 100)
    before = rng.normal(0, 1, (1100, 11)).astype(np.float32)
    before[np.arange(1100), np.where(y == makers.NOT_A_DIGIT, 10, y)] += 3
    after = np.column_stack([1.1 * before[:, :-1], before[:, -1] - 0.7]).astype(np.float32)
    again = export.recalibrate({"temperature": 0.9, "threshold": 0.3}, y, before, after)
    none = y == makers.NOT_A_DIGIT
    rejected = [np.mean(export.scores(each[none]) < t) for each, t in ((before, 0.3), (after, again["threshold"]))]
    assert rejected[1] == pytest.approx(rejected[0], abs=0.01)
    assert again["threshold"] > 0.3
    assert again["temperature"] == pytest.approx(0.9 * 1.1, rel=0.01)
    assert export.recalibrate({"temperature": 0.9, "threshold": 0.0}, y, before, after)["threshold"] == 0
