"""The models that answer by name: the deployed one, and small ones beside it, each loaded when it is first asked."""

from __future__ import annotations

import logging
import threading
from importlib.util import find_spec
from typing import TYPE_CHECKING

from backend import artifact, contract
from backend.contract import ModelCard
from backend.predictors import EmbeddedPredictor, ModelUnavailable
from backend.problems import ApiProblem
from backend.readiness import Probe

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from backend.artifact import Card
    from backend.predictors import Answers, Predictor
    from backend.settings import Settings

log = logging.getLogger(__name__)


class Catalogue:
    """The deployed model and those in the folder `models_dir`, which `wrap` may wrap."""

    def __init__(self, deployed: Predictor, settings: Settings, wrap: Callable[[Predictor], Predictor]) -> None:
        self.probe = Probe(deployed)
        self._deployed, self._settings, self._wrap = deployed, settings, wrap
        self._loaded: dict[str, Predictor] = {}
        self._loading = threading.Lock()

    def choose(self, name: str, request_id: str) -> Predictor:
        """The model of this name, the deployed one for "". Raises ApiProblem that names those there are, ModelError."""
        if not name:
            return self._deployed
        if name in self._loaded:
            return self._loaded[name]
        others = self._others()
        if name in others:
            return self._load(name, others[name][0])
        deployed = self.probe.ask(request_id).name
        if name == deployed:
            return self._deployed
        there_are = ", ".join([deployed, *others])
        raise ApiProblem(contract.UNKNOWN_MODEL, f'There is no model "{name[:40]}" here; there are: {there_are}.')

    def cards(self, request_id: str) -> list[ModelCard]:
        """The deployed model's card, then the others'. Raises ModelError."""
        answers = self.probe.ask(request_id)
        others = [_card(card, folder) for folder, card in self._others().values() if card.name != answers.name]
        return [self._deployed_card(answers), *others]

    def _deployed_card(self, answers: Answers) -> ModelCard:
        """By what it says of itself; the rest from the card beside the embedded model, where that is the same model."""
        about = (answers.name, answers.version, answers.served_by, True, list(answers.labels), answers.threshold)
        folder = self._settings.model_dir
        card = _readable(folder)
        if card and (card.name, card.version) == (answers.name, answers.version):
            return ModelCard(*about, *_facts(card, folder))
        return ModelCard(*about, None, None, None, None, [], {})

    def _others(self) -> dict[str, tuple[Path, Card]]:
        """Name -> folder and card of each readable model but the deployed one; none where LiteRT is not installed."""
        if not find_spec("ai_edge_litert"):
            return {}
        own = self._settings.model_dir
        deployed = _readable(own)
        found = {}
        for path in sorted(self._settings.models_dir.glob(f"*/{artifact.CARD}")):
            card = _readable(path.parent)
            if card and path.parent.resolve() != own.resolve() and not (deployed and card.name == deployed.name):
                found[card.name] = (path.parent, card)
        return found

    def _load(self, name: str, folder: Path) -> Predictor:
        with self._loading:
            if name not in self._loaded:
                try:
                    self._loaded[name] = self._wrap(EmbeddedPredictor(folder))
                except artifact.ArtifactError as error:
                    log.warning("%s", error)
                    raise ModelUnavailable(str(error)) from None
            return self._loaded[name]


def _readable(folder: Path) -> Card | None:
    try:
        return artifact.read_card(folder)
    except artifact.ArtifactError:
        return None


def _card(card: Card, folder: Path) -> ModelCard:
    about = (card.name, card.version, "embedded", False, card.labels, card.threshold)
    return ModelCard(*about, *_facts(card, folder))


def _facts(
    card: Card, folder: Path
) -> tuple[str | None, int | None, int | None, str | None, list[str], dict[str, float]]:
    """ModelCard's members from `network` on."""
    try:
        size: int | None = (folder / artifact.MODEL).stat().st_size
    except OSError:
        size = None
    return card.network, card.parameters, size, card.date, card.sources, card.metrics
