"""The API: create_app() ties intake, predictions and problems to the routes of the contract."""

from __future__ import annotations

import re
import secrets
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
from flask import Flask, Response, g, request

from backend import contract
from backend.intake import read_picture, read_pictures
from backend.predictions import model_of, predict_many, predict_one
from backend.predictors import EmbeddedPredictor, Predictor, SageMakerPredictor
from backend.problems import ApiProblem, answer_problems
from backend.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Mapping

REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,64}")  # 64 is what SageMaker's InferenceId takes


def create_app(config: Mapping[str, str] | None = None, predictor: Predictor | None = None) -> Flask:
    """The Flask app. `config`: setting name -> text, instead of the environment. Raises SettingsError."""
    settings = Settings.from_environment() if config is None else Settings.read(config)
    app = Flask(__name__)
    app.config["MAX_CONTENT_LENGTH"] = contract.MAX_BODY_BYTES
    app.before_request(_begin)
    app.after_request(_end)
    answer_problems(app)
    views = Views(predictor or make_predictor(settings))
    app.add_url_rule(contract.PREDICTIONS, view_func=views.predict, methods=["POST"])
    app.add_url_rule(contract.BATCH, view_func=views.predict_batch, methods=["POST"])
    app.add_url_rule(contract.HEALTH, view_func=health)
    app.add_url_rule(contract.READY, view_func=views.ready)
    return app


def make_predictor(settings: Settings) -> Predictor:
    """The predictor that the settings ask for."""
    if settings.sagemaker_endpoint_name:
        return SageMakerPredictor(settings.sagemaker_endpoint_name)
    return EmbeddedPredictor(settings.model_dir)


def health() -> Response:
    """Alive; touches nothing."""
    return answer({"status": "ok"})


class Views:
    """The views that need the predictor."""

    def __init__(self, predictor: Predictor) -> None:
        self._predictor = predictor

    def ready(self) -> Response:
        """Whether the predictor answers, and which model it is. Raises ModelError."""
        probe = np.zeros((1, contract.SIDE, contract.SIDE), np.uint8)
        probe[:, 4:24, 13:15] = 255  # a one
        model = model_of(self._predictor.predict(probe, g.request_id))
        return answer({"status": "ready", "model": msgspec.to_builtins(model)})

    def predict(self) -> Response:
        """One picture -> one answer."""
        extras = _extras()
        return answer(predict_one(self._predictor, read_picture(request), g.request_id, extras).to_json())

    def predict_batch(self) -> Response:
        """Up to 64 pictures -> as many answers or problems."""
        extras = _extras()
        if "explanation" in extras:
            raise ApiProblem(contract.MALFORMED, "A batch has no explanations: ask for those one picture at a time.")
        return answer(predict_many(self._predictor, read_pictures(request), g.request_id, extras).to_json())


def answer(body: dict[str, Any], status: int = 200) -> Response:
    """JSON."""
    return Response(msgspec.json.encode(body), status, content_type="application/json")


def _begin() -> None:
    given = request.headers.get(contract.REQUEST_ID_HEADER, "")
    g.request_id = given if REQUEST_ID.fullmatch(given) else secrets.token_hex(16)


def _end(response: Response) -> Response:
    response.headers[contract.REQUEST_ID_HEADER] = g.get("request_id", "")
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response


def _extras() -> set[str]:
    extras = {extra for value in request.args.getlist("include") for extra in value.split(",")} - {""}
    if extras - set(contract.EXTRAS):
        raise ApiProblem(contract.MALFORMED, f'"include" takes {" and ".join(contract.EXTRAS)}.')
    return extras
