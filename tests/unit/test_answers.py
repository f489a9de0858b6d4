"""From a predictor's numbers to the wire: rejection, explanation, problems, the contract's own classes."""

from __future__ import annotations

import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from io import BytesIO
from typing import TYPE_CHECKING

import numpy as np
import pytest

from backend import contract, decoding, predictors
from backend.app import create_app
from backend.contract import BatchPrediction, BatchResult, Model, Prediction, ProblemDetails, Rejection
from backend.explanation import cover, heat
from backend.predictions import predict_many, predict_one, timing
from backend.predictors import Answers, BadModelAnswer, checked, read_answers, read_plain
from backend.preprocessing import Found, find_digit, normalise
from backend.problems import TABLE, describe

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from backend.predictors import EmbeddedPredictor
    from tests.conftest import Drawing


class Fixed:
    """A predictor of shoes that always says the same; each picture of a batch has its own of the scores."""

    def __init__(self, *scores: float) -> None:
        self.scores = scores
        self.request_id, self.pictures = "", 0

    def predict(self, x: NDArray[np.uint8], request_id: str = "") -> Answers:
        self.request_id, self.pictures = request_id, len(x)
        p = np.tile([1 / 6, 2 / 3, 1 / 6], (len(x), 1))
        return Answers(p, np.array(self.scores), ("Boot", "Sneaker", "Sandal"), 0.5, "shoes", "3", "sagemaker")


def test_another_models_labels_go_through_with_six_decimals(seven: bytes) -> None:
    predictor = Fixed(8 / 9)
    prediction = predict_one(predictor, seven, "id-1")
    assert predictor.request_id == "id-1"
    assert (prediction.label, prediction.confidence) == ("Sneaker", 0.666667)
    assert prediction.probabilities == {"Boot": 0.166667, "Sneaker": 0.666667, "Sandal": 0.166667}
    assert prediction.model == Model("shoes", "3", "sagemaker")
    assert prediction.request_id == "id-1"


def test_without_an_explanation_the_model_sees_one_picture_and_only_what_was_asked_for_is_added(seven: bytes) -> None:
    predictor = Fixed(0.9)
    prediction = predict_one(predictor, seven, extras=["image"])
    assert predictor.pictures == 1
    assert (prediction.explanation, prediction.ink) == (None, None)
    assert prediction.image
    prediction = predict_one(predictor, seven, extras=["ink"])
    assert (prediction.image, prediction.explanation) == (None, None)
    assert prediction.ink


def test_each_picture_of_a_batch_is_judged_by_its_own_score(seven: bytes) -> None:
    predictor = Fixed(0.9, 1 / 9, 0.7)
    batch = predict_many(predictor, 3 * [seven], "id-1")
    assert predictor.request_id == batch.request_id == "id-1"
    rejections = [result.prediction and result.prediction.rejection for result in batch.results]
    assert rejections == [None, Rejection("not_a_digit", 0.111111), None]


def test_times_are_milliseconds_by_stage(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("backend.predictions.perf_counter", lambda: 12.0102034)
    assert timing(10, 11.5) == {"preprocess": 1500, "inference": 510.203, "total": 2010.203}


@pytest.mark.parametrize("path", [contract.PREDICTIONS, contract.BATCH])
def test_four_pictures_at_most_are_decoded_at_once(monkeypatch: pytest.MonkeyPatch, path: str, seven: bytes) -> None:
    """Each takes up to 100 MB while it is decoded. Twelve requests; the fifth has to wait for one of the first four."""
    decoding: set[int] = set()
    counts: list[int] = []
    found = find_digit(seven)

    def slowly(*_: object) -> Found:
        decoding.add(threading.get_ident())
        counts.append(len(decoding))
        time.sleep(0.1)
        decoding.remove(threading.get_ident())
        return found

    monkeypatch.setattr("backend.predictions.find_digit", slowly)
    app = create_app({}, Fixed(1))
    with ThreadPoolExecutor(12) as pool:
        posted = [pool.submit(app.test_client().post, path, data={"image": (BytesIO(seven), "a")}) for _ in range(12)]
    assert {each.result().status_code for each in posted} == {200}
    assert max(counts) == 4


def test_below_the_threshold_is_a_rejection_with_its_score(seven: bytes) -> None:
    prediction = predict_one(Fixed(0.49), seven)
    assert prediction.label is None
    assert prediction.rejection == Rejection("not_a_digit", 0.49)
    assert predict_one(Fixed(0.5), seven).rejection is None


def families(base: type[Exception]) -> set[type[Exception]]:
    return {sub for each in base.__subclasses__() for sub in {each, *families(each)}}


def test_every_error_of_picture_and_model_has_its_problem() -> None:
    assert set(TABLE) == families(decoding.PictureError) | families(predictors.ModelError)


def test_every_problem_has_its_own_slug_and_is_listed() -> None:
    defined = {value for value in vars(contract).values() if isinstance(value, contract.Problem)}
    assert defined == set(contract.PROBLEMS)
    assert len({problem.slug for problem in defined}) == len(defined)


def test_what_the_model_or_a_bug_says_stays_inside(caplog: pytest.LogCaptureFixture) -> None:
    for error in (BadModelAnswer("arn:aws:secret"), LookupError("arn:aws:secret")):
        assert "arn" not in f"{describe(error, 'id')}"
    assert [record.getMessage() for record in caplog.records] == ["LookupError at nowhere"]


@pytest.mark.parametrize(
    "answers",
    [
        Answers(np.ones((1, 9)), np.ones(1), tuple("0123456789"), 0.5, "", "", ""),
        Answers(np.ones((2, 10)), np.ones(1), tuple("0123456789"), 0.5, "", "", ""),
        Answers(np.ones((1, 10)), np.ones(2), tuple("0123456789"), 0.5, "", "", ""),
        Answers(np.full((1, 10), np.nan), np.ones(1), tuple("0123456789"), 0.5, "", "", ""),
        Answers(np.ones((1, 10)), np.full(1, np.inf), tuple("0123456789"), 0.5, "", "", ""),
    ],
    ids=["labels", "rows", "scores", "NaN", "infinity"],
)
def test_numbers_that_are_no_answer_are_refused(answers: Answers) -> None:
    with pytest.raises(BadModelAnswer):
        checked(answers, 1)


def test_an_endpoints_answer_is_read() -> None:
    body = b"""{"predictions": [{"probabilities": [0.25, 0.75], "score": 1, "threshold": 0, "labels": ["a", "b"],
        "name": "n", "version": "v", "more": []}]}"""
    answers = read_answers(body, 1)
    assert answers.probabilities.tolist() == [[0.25, 0.75]]
    assert (answers.labels, answers.threshold, answers.served_by) == (("a", "b"), 0.0, "sagemaker")


def test_the_embedded_model_gives_each_thread_its_own_answer(embedded: EmbeddedPredictor, drawing: Drawing) -> None:
    """Sixteen threads, batches of one and of three, against the answers of one thread."""
    x = np.stack([normalise(drawing(digit)) for digit in "0123456789"])
    alone = embedded.predict(x).probabilities
    start = threading.Barrier(16)

    def ask(n: int) -> bool:
        start.wait()
        ok = True
        for k in range(20):
            rows = [(n + k) % 10] if k % 2 else [(n + k + i) % 10 for i in range(3)]
            ok &= bool(np.allclose(embedded.predict(x[rows]).probabilities, alone[rows], atol=1e-5))
        return ok

    with ThreadPoolExecutor(16) as pool:
        assert all(pool.map(ask, range(16)))


def test_covering_blanks_ink_and_leaves_the_first_as_it_is(seven: bytes) -> None:
    x = normalise(seven)
    pictures = cover(x)
    assert (pictures[0] == x).all()
    assert 3 <= len(pictures) - 1 <= 16
    assert all((picture <= x).all() and picture.sum() < x.sum() for picture in pictures[1:])


def test_a_cover_reaches_one_pixel_over_its_cell() -> None:
    """Sixteen cells of 5x5 on 20x20 of ink: a stroke that runs along an edge between two is cut by either."""
    x = np.zeros((28, 28), np.uint8)
    x[4:24, 4:24] = 200
    covered = (cover(x)[1:] != x).sum(axis=(1, 2)).reshape(4, 4)
    assert covered.tolist() == [[36, 42, 42, 36], [42, 49, 49, 42], [42, 49, 49, 42], [36, 42, 42, 36]]


def test_a_cell_with_hardly_any_ink_is_not_covered() -> None:
    """Two cells of 25 pixels each, and one with a single pixel: 2 % of all ink, which is the limit."""
    x = np.zeros((28, 28), np.uint8)
    x[4:9, 4:9] = x[4:9, 19:24] = 196
    x[23, 14] = 200
    assert len(cover(x)) == 1 + 2


def test_the_cells_lie_over_the_ink_alone() -> None:
    """A stroke of two pixels from edge to edge, and a grey pixel that is not ink yet: six cells, one below another."""
    x = np.zeros((28, 28), np.uint8)
    x[:, 12:14] = 200
    x[0, 0] = 64
    covered = cover(x)[1:] != x
    assert covered.sum(axis=(1, 2)).tolist() == [12, 12, 14, 14, 12, 12]
    assert covered[0, 0, 12]
    assert covered[-1, 27, 13]


def test_the_heat_is_where_the_answer_hangs_on_and_fades_to_the_cells_around() -> None:
    """Without the first of 4x4 cells another label wins; without any other nothing changes."""
    x = np.zeros((28, 28), np.uint8)
    x[4:24, 4:24] = 200
    probabilities = np.array([[0.9, 0.1], [0.2, 0.8], *15 * [[0.9, 0.1]]])
    fade = np.interp((np.arange(20) + 0.5) / 5 - 0.5, range(4), [1, 0, 0, 0])  # 20 pixels of 4 cells
    expected = np.zeros((28, 28))
    expected[4:24, 4:24] = 255 * np.outer(fade, fade)
    assert np.abs(heat(x, probabilities) - expected).max() <= 1


@pytest.mark.parametrize("certainty", [1.0, 2.0], ids=["the same", "more certain"])
def test_there_is_no_heat_where_the_answer_does_not_suffer(certainty: float) -> None:
    x = np.zeros((28, 28), np.uint8)
    x[4:24, 12:16] = 200
    probabilities = np.full((len(cover(x)), 2), 0.4 * certainty)
    probabilities[0] = 0.4
    assert heat(x, probabilities).sum() == 0


def test_the_contract_writes_and_reads_the_wire() -> None:
    model, p = Model("m", "1", "embedded"), {"7": 0.9, "1": 0.1}
    read = Prediction("7", 0.9, p, None, model, "id", {"total": 1.0}, image="aaaa", explanation="bbbb", ink="cccc")
    rejected = Prediction(None, 0.9, p, Rejection("not_a_digit", 0.2), model, "id", {"total": 1.0})
    problem = ProblemDetails("/problems/blank-image", "The sheet is empty", 422, "Nothing.", "id")
    batch = BatchPrediction([BatchResult(read), BatchResult(rejected), BatchResult(problem=problem)], "id", {"a": 2.0})
    without_extras = {name: value for name, value in asdict(rejected).items() if name not in contract.EXTRAS}
    without_extras["rejection"] = {"reason": "not_a_digit", "score": 0.2}
    results = [{"prediction": asdict(read)}, {"prediction": without_extras}, {"problem": asdict(problem)}]
    wire = {"results": results, "request_id": "id", "timing_ms": {"a": 2.0}}
    assert batch.to_json() == wire
    assert BatchPrediction.from_json(wire) == batch


@pytest.mark.parametrize("body", [b"{", b'{"predictions": []}', b'{"predictions": [[1.0]]}'])
def test_what_is_no_answer_of_the_endpoint_is_told_by_its_kind_and_size_alone(body: bytes) -> None:
    with pytest.raises(BadModelAnswer, match=rf"^\w+Error in {len(body)} bytes$"):
        read_answers(body, 1)


@pytest.mark.parametrize("rows", [[[0.5, 0.5], [1, 0]], [[1.005, -0.005], [0.3, 0.702]]])
def test_plain_rows_are_probabilities(rows: list[list[float]]) -> None:
    read = read_plain(json.dumps({"predictions": rows}).encode())
    assert read is not None
    assert read.tolist() == rows


@pytest.mark.parametrize("body", [b"{", b'{"predictions": [[[1.0]]]}', b'{"predictions": [{"label": "7"}]}'])
def test_an_answer_without_plain_rows_is_left_to_the_other_reader(body: bytes) -> None:
    assert read_plain(body) is None


@pytest.mark.parametrize("rows", [[[0.5, 0.4]], [[1, 0], [0.9, 0.2]], [[1.02, -0.02]]])
def test_rows_that_are_no_probabilities_are_refused(rows: list[list[float]]) -> None:
    with pytest.raises(BadModelAnswer, match=r"^its rows are no probabilities$"):
        read_plain(json.dumps({"predictions": rows}).encode())


def test_the_embedded_model_says_that_it_is_embedded(embedded: EmbeddedPredictor) -> None:
    for n in (1, 3, 1):
        answers = embedded.predict(np.zeros((n, 28, 28), np.uint8))
        assert (answers.served_by, answers.scores.shape) == ("embedded", (n,))
