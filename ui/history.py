"""This visit's last drawings with their answers: one press brings a drawing back; a ZIP takes them all away."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from ui import answer as words
from ui import strip
from ui.visit import archive

if TYPE_CHECKING:
    from collections.abc import Callable

    from ui.visit import Answer, Tally, Visit


def show(visit: Visit, bring_back: Callable[[Answer], None]) -> None:
    """A strip of small pictures, the latest first."""
    if not visit.history:
        return
    st.html(f'<h2 class="section">This visit: {_score(visit.tally)}</h2>')
    items = [_item(answer) for answer in reversed(visit.history)]
    strip.show("history", items, lambda digest: _picked(visit, digest, bring_back))
    file = archive(visit.history)
    st.download_button("Download as ZIP", file, "drawings.zip", "application/zip", key="zip", on_click="ignore")
    st.html('<p class="hint">Gone when you close this tab.</p>')


def _score(tally: Tally) -> str:
    if not tally.judged:
        return f"{tally.drawn} drawn"
    judged = "" if tally.judged == tally.drawn else f"{tally.judged} judged, "
    return f"{tally.drawn} drawn, {judged}{tally.right} right"


def _picked(visit: Visit, digest: str, bring_back: Callable[[Answer], None]) -> None:
    for answer in visit.history:
        if answer.picture.digest == digest:
            bring_back(answer)


def _item(answer: Answer) -> strip.Item:
    label = answer.prediction.label
    read, truth = (words.spoken(each, answer.prediction.probabilities) for each in (label, answer.truth))
    said = f", you said {truth}" if answer.truth and truth != read else ""
    name = f"Bring back: read as {read}{said}"
    return strip.Item(answer.picture.digest, words.inline(answer.picture.preview), label or "?", name)
