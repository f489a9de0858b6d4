"""The trial that a deployed API must pass, on real HTTP: ten known drawings, each read rightly."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from backend.app import create_app
from backend.deploy import trial

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from flask import Flask
    from numpy.typing import NDArray

    from backend.predictors import Answers, EmbeddedPredictor


def test_the_shipped_model_passes_its_trial(live_api: str) -> None:
    assert trial.try_api(live_api, "") == "the API reads ten known drawings rightly"


def test_the_trial_holds_one_drawing_of_each_digit(embedded: EmbeddedPredictor) -> None:
    answers = embedded.predict(trial.drawings())
    assert answers.probabilities.argmax(axis=1).tolist() == list(range(10))
    assert (answers.scores > answers.threshold).all()


def test_an_api_that_confuses_two_digits_fails_with_what_it_said(
    serve: Callable[[Flask], str], embedded: EmbeddedPredictor
) -> None:
    class Confused:
        def predict(self, x: NDArray[np.uint8], request_id: str = "") -> Answers:
            answers = embedded.predict(x)
            return replace(answers, probabilities=answers.probabilities[:, [0, 1, 2, 8, 4, 5, 6, 7, 3, 9]])

    with pytest.raises(trial.TrialError, match=r"200 to a drawn 3: .*\"8\""):
        trial.try_api(serve(create_app(predictor=Confused())), "")


def test_an_api_that_never_gets_ready_fails_after_its_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial, "API_SECONDS", 0)
    with pytest.raises(trial.TrialError, match="still answers 0 after 0 s"):
        trial.try_api("http://127.0.0.1:9", "")


def test_a_fallback_that_stands_in_for_the_endpoint_is_no_success(
    live_api: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trial, "API_SECONDS", 0)
    with pytest.raises(trial.TrialError, match="still answers by its fallback"):
        trial.try_api(live_api, "", served_by="sagemaker")
