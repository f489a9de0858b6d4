"""The API: create_app() ties intake, predictions and problems to the routes of the contract."""

from __future__ import annotations

import re
import secrets
from typing import TYPE_CHECKING, Any

import msgspec
from flask import Flask, Response, g, request

from backend import contract
from backend.artifact import ArtifactError
from backend.canary import CanaryPredictor
from backend.catalogue import Catalogue
from backend.contract import BatchPrediction, Health, ModelList, Prediction, Readiness
from backend.cors import share
from backend.fallback import FallbackPredictor
from backend.feedback import collect
from backend.intake import (
    ImageBody,
    ImagesBody,
    PictureRequest,
    check_query,
    read_choices,
    read_model,
    read_picture,
    read_pictures,
)
from backend.keys import guard
from backend.numbers import views as views_of_numbers
from backend.openapi import (
    BODY_PROBLEMS,
    MANY_FILES,
    MODEL_PROBLEMS,
    ONE_FILE,
    PICTURE_PROBLEMS,
    describe_itself,
    operation,
)
from backend.predictions import model_of, predict_many, predict_one
from backend.predictors import EmbeddedPredictor, Predictor, SageMakerPredictor, sagemaker_runtime
from backend.problems import answer_problems
from backend.settings import Settings, SettingsError
from backend.telemetry import watch, watched
from backend.tracing import trace

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

BATCH_EXTRAS = ("image",)  # an explanation takes a dozen pictures for each one
REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,64}")  # 64 is what SageMaker's InferenceId takes


class Api(Flask):
    """Flask, without asking of each hook and view of each request whether it is async: 6 us."""

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        """See Flask."""
        return func


def create_app(config: Mapping[str, str] | None = None, predictor: Predictor | None = None) -> Flask:
    """The Flask app. `config`: setting name -> text, instead of the environment. Raises SettingsError."""
    settings = Settings.from_environment() if config is None else Settings.read(config)
    app = Api(__name__, static_folder=None)
    app.request_class = PictureRequest
    app.config["MAX_CONTENT_LENGTH"] = contract.MAX_BODY_BYTES
    app.before_request(_begin)
    app.after_request(_end)
    answer_problems(app)
    trace(app)
    watch(app, settings)
    guard(app, settings)
    share(app, settings.cors_origins)
    deployed = watched(predictor or make_predictor(settings), settings)
    views = Views(Catalogue(deployed, settings, lambda other: watched(other, settings)))
    app.add_url_rule(contract.PREDICTIONS, view_func=views.predict, methods=["POST"])
    app.add_url_rule(contract.BATCH, view_func=views.predict_batch, methods=["POST"])
    app.add_url_rule(contract.MODELS, view_func=views.models)
    app.add_url_rule(contract.HEALTH, view_func=health)
    app.add_url_rule(contract.READY, view_func=views.ready)
    views_of_numbers.serve(app, deployed)
    describe_itself(app, settings)
    if settings.feedback:
        collect(app, settings.feedback)
    return app


def make_predictor(settings: Settings) -> Predictor:
    """The predictor that the settings ask for. Raises SettingsError."""
    if not settings.sagemaker_endpoint_name:
        return _embedded(settings)
    endpoint = SageMakerPredictor(settings.sagemaker_endpoint_name, labels=settings.labels)
    stable = FallbackPredictor(endpoint, _embedded(settings)) if settings.fallback else endpoint
    if not settings.canary:
        return stable
    # one attempt: where the candidate is late, the stable release still has its 13 seconds of API Gateway's 29
    candidate = SageMakerPredictor(settings.canary, sagemaker_runtime(attempts=1), settings.labels)
    return CanaryPredictor(stable, candidate, settings.canary_share / 100, shadow=settings.canary_shadow)


def _embedded(settings: Settings) -> Predictor:
    try:
        return EmbeddedPredictor(settings.model_dir)
    except ImportError:
        raise SettingsError("The embedded model needs the extra `embedded`: pip install '.[embedded]'.") from None
    except ArtifactError as error:
        raise SettingsError(f"{error} BACKEND_MODEL_DIR names the folder.") from None


@operation(answers=Health)
def health() -> Response:
    """Alive; touches nothing."""
    return answer(Health())


class Views:
    """The views that need a model."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue

    @operation(answers=Readiness, problems=MODEL_PROBLEMS)
    def ready(self) -> Response:
        """Ready: the model answers, and it is this one."""
        return answer(Readiness(model_of(self._catalogue.probe.ask(g.request_id))))

    @operation(answers=ModelList, problems=MODEL_PROBLEMS)
    def models(self) -> Response:
        """The models that answer here, with their cards."""
        return answer(ModelList(self._catalogue.cards(g.request_id)))

    @operation(
        answers=Prediction,
        problems=(*PICTURE_PROBLEMS, contract.UNKNOWN_MODEL, *MODEL_PROBLEMS),
        raw=True,
        form=ONE_FILE,
        json=ImageBody,
        extras=contract.EXTRAS,
        named=True,
    )
    def predict(self) -> Response:
        """One picture in, one answer out."""
        extras, predictor = self._asked(contract.EXTRAS)
        prediction = predict_one(predictor, read_picture(request), g.request_id, extras)
        g.predictions = [prediction]
        return answer(prediction.to_json())

    @operation(
        answers=BatchPrediction,
        problems=(*BODY_PROBLEMS, contract.UNKNOWN_MODEL, *MODEL_PROBLEMS),
        form=MANY_FILES,
        json=ImagesBody,
        extras=BATCH_EXTRAS,
        named=True,
    )
    def predict_batch(self) -> Response:
        """Up to 64 pictures in; an answer or a problem for each, in their order."""
        extras, predictor = self._asked(BATCH_EXTRAS)
        batch = predict_many(predictor, read_pictures(request), g.request_id, extras)
        g.predictions = [result.prediction for result in batch.results if result.prediction]
        return answer(batch.to_json())

    def _asked(self, extras: tuple[str, ...]) -> tuple[set[str], Predictor]:
        """What the query asks for: extras and a model. Raises ApiProblem 400 or 404, ModelError."""
        if not request.query_string:  # as of nearly every request: it reads the address's query three times
            return set(), self._catalogue.choose("", g.request_id)
        check_query(request, "include", "model")
        return read_choices(request, "include", extras), self._catalogue.choose(read_model(request), g.request_id)


def answer(body: object, status: int = 200) -> Response:
    """A class of the contract, or its JSON object -> the response."""
    return Response(msgspec.json.encode(body), status, content_type="application/json")


def _begin() -> None:
    given = request.headers.get(contract.REQUEST_ID_HEADER, "")
    g.request_id = given if REQUEST_ID.fullmatch(given) else secrets.token_hex(16)


def _end(response: Response) -> Response:
    response.headers[contract.REQUEST_ID_HEADER] = g.get("request_id", "")
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response
