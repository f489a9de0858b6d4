"""Pictures' bytes -> predictions, without HTTP: preprocessing, one call of the predictor, the contract's answer."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import replace
from io import BytesIO
from threading import BoundedSemaphore
from time import perf_counter
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from backend.contract import (
    MAX_BATCH_MEGAPIXELS,
    NOT_A_DIGIT,
    NUMBERS,
    BatchPrediction,
    BatchResult,
    Model,
    Prediction,
    ProblemDetails,
    Rejection,
)
from backend.decoding import PictureError, TooManyPixels, pixels
from backend.explanation import cover, heat
from backend.numbers import parts
from backend.preprocessing import draw_ink, find_digit, normalise_found
from backend.problems import ApiProblem, describe

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from numpy.typing import NDArray

    from backend.predictors import Answers, Predictor

# A picture takes up to 150 MB while it is read, and more at once than there are cores gain nothing.
READERS = BoundedSemaphore(4)


def predict_one(predictor: Predictor, data: bytes, request_id: str = "", extras: Collection[str] = ()) -> Prediction:
    """One encoded picture -> its prediction, with the `extras` of contract.EXTRAS. Raises PictureError, ModelError."""
    started = perf_counter()
    with READERS:
        found = find_digit(data)
    x = normalise_found(found)
    preprocessed = perf_counter()
    explain = "explanation" in extras
    answers = predictor.predict(cover(x) if explain else x[None], request_id)
    prediction = _prediction(answers, 0, x, request_id, timing(started, preprocessed))
    if not extras:
        return prediction
    return replace(
        prediction,
        image=to_png(x) if "image" in extras else None,
        explanation=to_png(heat(x, answers.probabilities)) if explain else None,
        ink=to_png(draw_ink(found)) if "ink" in extras else None,
    )


def predict_many(
    predictor: Predictor, pictures: Sequence[bytes | ApiProblem], request_id: str = "", extras: Collection[str] = ()
) -> BatchPrediction:
    """Encoded pictures -> an answer or a problem each, in order, by one call of the predictor. Raises ModelError."""
    started = perf_counter()
    outcomes = _normalise_all(pictures, request_id)
    preprocessed = perf_counter()
    x = [outcome for outcome in outcomes if isinstance(outcome, np.ndarray)]
    answers = predictor.predict(np.stack(x), request_id) if x else None
    times = timing(started, preprocessed)
    rows = iter(_prediction(answers, row, x[row], request_id, times) for row in range(len(x)) if answers)
    results = []
    for outcome in outcomes:
        if isinstance(outcome, ProblemDetails):
            results.append(BatchResult(problem=outcome))
        else:
            image = to_png(outcome) if "image" in extras else None
            results.append(BatchResult(replace(next(rows), image=image)))
    return BatchPrediction(results, request_id, times)


def timing(started: float, preprocessed: float) -> dict[str, float]:
    """Seconds of `perf_counter` -> milliseconds by stage, the last one ending now."""
    now = perf_counter()
    stages = {"preprocess": preprocessed - started, "inference": now - preprocessed, "total": now - started}
    return {stage: round(1000 * seconds, 3) for stage, seconds in stages.items()}


def model_of(answers: Answers) -> Model:
    """Who answered."""
    return Model(answers.name, answers.version, answers.served_by)


def to_png(picture: NDArray[np.uint8]) -> str:
    """(h, w) -> base64 PNG."""
    buffer = BytesIO()
    Image.fromarray(picture).save(buffer, "PNG")
    return b64encode(buffer.getvalue()).decode()


def _normalise_all(pictures: Sequence[bytes | ApiProblem], request_id: str) -> list[NDArray[np.uint8] | ProblemDetails]:
    """Each picture, or what is wrong with it; at once as words, for an exception would keep its picture in memory."""
    outcomes: list[NDArray[np.uint8] | ProblemDetails] = []
    budget = MAX_BATCH_MEGAPIXELS * 1_000_000
    for picture in pictures:
        try:
            budget -= 0 if isinstance(picture, ApiProblem) else pixels(picture)
            outcomes.append(_normalise(picture, budget))
        except (ApiProblem, PictureError) as error:
            outcomes.append(describe(error, request_id))
    return outcomes


def _normalise(picture: bytes | ApiProblem, budget: int) -> NDArray[np.uint8]:
    if isinstance(picture, ApiProblem):
        raise picture
    if budget < 0:
        raise TooManyPixels(f"The batch has more than {MAX_BATCH_MEGAPIXELS} megapixels up to here.")
    with READERS:
        return normalise_found(find_digit(picture))


def _prediction(
    answers: Answers, row: int, x: NDArray[np.uint8], request_id: str, times: dict[str, float]
) -> Prediction:
    values = answers.probabilities[row].tolist()
    probabilities = {label: round(value, 6) for label, value in zip(answers.labels, values, strict=True)}
    label, confidence = max(probabilities.items(), key=lambda item: item[1])
    score = round(float(answers.scores[row]), 6)
    rejection = _rejection(x, score) if score < answers.threshold else None
    model = model_of(answers)
    return Prediction(None if rejection else label, confidence, probabilities, rejection, model, request_id, times)


def _rejection(x: NDArray[np.uint8], score: float) -> Rejection:
    if parts.beside(x) > 1:
        return Rejection("several_digits", score, ask=NUMBERS)
    return Rejection(NOT_A_DIGIT, score)
