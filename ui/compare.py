"""Compare: the same drawing read by every model that the API serves, the smallest first, with size and time of each."""

from __future__ import annotations

from collections import Counter
from html import escape
from math import inf
from typing import TYPE_CHECKING

import streamlit as st

from backend.contract import Prediction
from ui import answer as words
from ui import capabilities
from ui.client import ApiError, Client
from ui.visit import Reading

if TYPE_CHECKING:
    from backend.contract import ModelCard
    from ui.visit import Picture, Visit

NETWORKS = {  # what each can tell
    "softmax": "weighs each pixel by itself",
    "mlp": "one hidden layer of 128",
    "lenet5": "two convolutions, of 1998",
    "convnet": "six convolutions",
}


def show(client: Client, visit: Visit, picture: Picture) -> None:
    """A fold to open, where there is more than one model; nothing is asked while it is closed.

    It stays open on a new sheet.
    """
    cards = _cards(client)
    if len(cards) < 2:
        return
    title = "Compare: the same drawing, other models"
    fold = st.expander(title, expanded=visit.comparing, key="compare", on_change="rerun")
    visit.comparing = bool(fold.open)
    if fold.open:
        with fold:
            st.html(table(_ask(client, visit, picture, cards)))


def _cards(client: Client) -> list[ModelCard]:
    """The models, the smallest first; none where the API is of before there were several."""
    try:
        cards = capabilities.models(client)
    except ApiError:
        return []
    return sorted(cards, key=lambda card: (inf if card.parameters is None else card.parameters, card.name))


def _ask(client: Client, visit: Visit, picture: Picture, cards: list[ModelCard]) -> list[Reading]:
    """Each model in turn, once for each picture: side by side they would take each other's time."""
    if visit.compared is None or visit.compared[0] != picture.digest:
        visit.compared = (picture.digest, [Reading(card, _read(client, picture, card)) for card in cards])
    return visit.compared[1]


def _read(client: Client, picture: Picture, card: ModelCard) -> Prediction | ApiError:
    try:
        return client.predict(picture.data, model=card.name)
    except ApiError as error:
        return error


def table(readings: list[Reading]) -> str:
    """HTML: a sentence, and a row for each model."""
    head = "".join(f'<th scope="col">{name}</th>' for name in ("Model", "Reads", "How sure", "Time"))
    rows = "".join(f"<tr>{_row(reading)}</tr>" for reading in readings)
    return (
        f'<p class="hint" role="status">{verdict(readings)}</p>'
        f'<table class="several compare"><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>'
    )


def verdict(readings: list[Reading]) -> str:
    """Whether they agree, in a sentence."""
    read = Counter(result.label for _, result in readings if isinstance(result, Prediction))
    if not read:
        return "None of them has answered."
    (label, most), n = read.most_common(1)[0], read.total()
    what = "take it for nothing they know" if label is None else f"read it as {escape(label)}"
    return f"All {n} {what}." if most == n else f"They disagree: {most} of {n} {what}."


def _row(reading: Reading) -> str:
    card, result = reading
    about = [NETWORKS.get(card.network or ""), f"{len(card.labels)} labels", size(card)]
    facts = ", ".join(escape(fact) for fact in about if fact)
    name = f'<th scope="row"><strong>{escape(title(card))}</strong><br><span>{facts}</span></th>'
    if isinstance(result, ApiError):
        return f'{name}<td colspan="3">{escape(words.APOLOGIES[type(result)].what)}</td>'
    label = "?" if result.label is None else escape(result.label)
    share = f'<span class="bar" aria-hidden="true"><span style="width:{100 * result.confidence:.2f}%"></span></span>'
    sure = words.percent(result.confidence) if result.label else "rejected"
    ms = result.timing_ms.get("inference", 0.0)
    time = f"{ms:.2f} ms" if ms < 1 else words.milliseconds(ms)
    return f'{name}<td class="read">{label}</td><td class="bars">{share}{sure}</td><td>{time}</td>'


def title(card: ModelCard) -> str:
    """The deployed model by its network, the others by their names."""
    return card.network or card.name if card.deployed else card.name


def size(card: ModelCard) -> str:
    """The model's file in kB or MB, where that is known."""
    if card.bytes is None:
        return ""
    return f"{card.bytes / 1e3:.0f} kB" if card.bytes < 1e6 else f"{card.bytes / 1e6:.1f} MB"
