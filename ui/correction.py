"""Right or wrong: what the person says of an answer and, with consent, its way to the API's feedback store."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from html import escape
from typing import TYPE_CHECKING

import streamlit as st

from ui.answer import spoken
from ui.client import ApiError, Client
from ui.visit import NOT_A_DIGIT

if TYPE_CHECKING:
    from ui.visit import Answer, Visit

CONSENT = (
    "May this page keep the drawings that you judge, to train the next model? Kept are the drawing (of a number each "
    "digit, cut out), your word for it, the model's answer and its version; nothing about you. You can take each back."
)


def show(client: Client, visit: Visit, answer: Answer) -> None:
    """Ask what it was, then say thanks."""
    with st.container(key="correction"):
        if answer.truth is None:
            return _question(answer)
        st.html(f'<p class="hint" role="status">{_thanks(answer)}</p>')
        if not answer.feedback_id:
            st.button("Change", key="change", on_click=_judge, args=(answer, None))
        if collects(client):
            _give(client, visit, answer)
    return None


def _question(answer: Answer) -> None:
    said = answer.prediction.label or NOT_A_DIGIT
    others = [label for label in (*answer.prediction.probabilities, NOT_A_DIGIT) if label != said]
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button("Right", key="right", on_click=_judge, args=(answer, said))
        with st.popover("It was a …", key="wrong"):
            key, labels = f"truth-{answer.picture.digest}", answer.prediction.probabilities
            words = partial(spoken, labels=labels)
            st.pills("What was it?", others, key=key, format_func=words, on_change=_pick, args=(answer,))


def _judge(answer: Answer, label: str | None) -> None:
    answer.truth, answer.offered = label, False


def _pick(answer: Answer) -> None:
    answer.truth = st.session_state[f"truth-{answer.picture.digest}"]


def _thanks(answer: Answer) -> str:
    noted = f"Thanks: noted as {escape(spoken(answer.truth, answer.prediction.probabilities))} in this visit's history."
    return "Glad to hear it." if answer.right else noted


@st.cache_data(ttl=300, show_spinner=False, hash_funcs={Client: lambda client: client.url})
def collects(client: Client) -> bool:
    """Whether the API keeps drawings at all; asked every five minutes."""
    try:
        return client.collects_feedback()
    except ApiError:
        return False


def _give(client: Client, visit: Visit, answer: Answer) -> None:
    """Ask for consent once, then send what is judged."""
    if visit.consent is None:
        return ask_consent(visit)
    if visit.consent and not answer.offered:
        _offer(client, answer)
    if answer.offered and not answer.feedback_id:
        st.html('<p class="hint" role="alert">It could not be kept just now; it stays in this visit only.</p>')
    if answer.feedback_id:
        st.html(f'<p class="hint">Kept for training, as <code>{escape(answer.feedback_id)}</code>.</p>')
        st.button("Take it back", key="take-back", on_click=_take_back, args=(client, answer))
    return None


def _offer(client: Client, answer: Answer) -> None:
    """Once: a store that fails must not slow every later turn of the page."""
    answer.offered = True
    with suppress(ApiError):
        answer.feedback_id = client.send_feedback(answer.picture.data, str(answer.truth), answer.prediction)


def ask_consent(visit: Visit) -> None:
    """Ask once a visit, for single digits and for those of numbers."""
    st.html(f'<p class="hint">{CONSENT}</p>')
    with st.container(horizontal=True):
        st.button("Yes, keep them", key="consent-yes", on_click=_consent, args=(visit, True))
        st.button("No", key="consent-no", on_click=_consent, args=(visit, False))


def _consent(visit: Visit, given: bool) -> None:
    visit.consent = given


def _take_back(client: Client, answer: Answer) -> None:
    try:
        client.delete_feedback(str(answer.feedback_id))
    except ApiError:
        st.toast("It could not be taken back just now. Press again in a moment.")
        return
    answer.feedback_id, answer.truth, answer.offered = None, None, False
