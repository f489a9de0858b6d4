"""What the model learnt from people's corrections, and whether a drawing that was given is among them."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

import streamlit as st

from ui.capabilities import lasting
from ui.client import ApiError

if TYPE_CHECKING:
    from backend.contract import Learning
    from ui.client import Client

HOW = {"learnt": "learnt from it", "judged": "was judged by it"}


def show(client: Client, version: str) -> None:
    """One line, where the version that answers has learnt something; and the question after an earlier drawing."""
    learning = _learning(client)
    if learning and learning.learnt and learning.version == version:
        st.html(f'<p class="hint">{sentence(learning)}</p>')
    with st.popover("Was mine used?", key="was-mine-used"):
        given = st.text_input("The id of a drawing that you gave", key="given-id", max_chars=64).strip()
        if given:
            st.html(f'<p class="hint" role="status">{thanks(client, given)}</p>')


def sentence(learning: Learning) -> str:
    """HTML: from how many corrections a version learnt, and what that changed."""
    reads, read = (f"{100 * share:.0f} %" for share in (learning.reads, learning.read))
    corrections = "1 correction" if learning.learnt == 1 else f"{learning.learnt:,} corrections"
    return (
        f"Learnt from {corrections}: of {learning.judged_on} drawings kept aside this version reads {reads}, "
        f"where {escape(learning.instead_of)} read {read}."
    )


@lasting
def thanks(client: Client, feedback_id: str) -> str:
    """HTML: when a drawing was used, or that it is waiting. Kept like an answer: a store that fails slows one turn."""
    try:
        use = client.use_of(feedback_id)
    except ApiError:
        return "Nothing is kept under this id, or the store does not answer."
    if use is None:
        return "It waits for the next training."
    return f"Thank you: version {escape(use.version)} of {escape(use.date)} {HOW.get(use.how, 'used it')}."


@lasting
def _learning(client: Client) -> Learning | None:
    try:
        return client.learning()
    except ApiError:
        return None
