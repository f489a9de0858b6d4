"""Right or wrong: what the person says of an answer and, with consent, its way to the API's feedback store."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from html import escape
from typing import TYPE_CHECKING, NamedTuple

import streamlit as st

from backend.contract import NOT_A_DIGIT
from ui import capabilities, learning
from ui.answer import spoken
from ui.client import ApiError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from backend.contract import Prediction
    from ui.client import Client
    from ui.visit import Answer, Visit

CONSENT = (
    "May this page keep the drawings that you judge, to train the next model? Kept are the drawing (of a number each "
    "digit, cut out), your word for it, the model's answer and its version; nothing about you. You can take each back."
)


class Gift(NamedTuple):
    """What is given to be kept: a picture, the person's word for it, and the model's answer to it."""

    picture: bytes
    label: str
    prediction: Prediction


class Giving(NamedTuple):
    """What of an answer can be given, made only when it is, and how the page says so."""

    gifts: Callable[[], Iterable[Gift]]
    kept: Callable[[list[str]], str]  # the ids of what was kept -> a sentence
    take_back: str
    not_taken_back: str


def show(client: Client, visit: Visit, answer: Answer) -> None:
    """Ask what it was, then say thanks."""
    with st.container(key="correction"):
        if answer.truth is None:
            return _question(answer)
        thank(answer, _thanks(answer))
        if capabilities.collects_feedback(client):
            give(client, visit, answer, _giving(client, answer))
            learning.show(client, answer.prediction.model.version)
    return None


def _question(answer: Answer) -> None:
    said = answer.prediction.label or NOT_A_DIGIT
    others = [label for label in (*answer.prediction.probabilities, NOT_A_DIGIT) if label != said]
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button("Right", key="right", on_click=judge, args=(answer, said))
        with st.popover("It was a …", key="wrong"):
            key, words = question("truth", answer), partial(spoken, labels=answer.prediction.probabilities)
            st.pills("What was it?", others, key=key, format_func=words, on_change=_pick, args=(answer, key))


def judge(answer: Answer, label: str | None) -> None:
    """Note what the person says that it is; None: nothing any more."""
    answer.truth, answer.offered = label, False
    answer.asked += 1


def question(name: str, answer: Answer) -> str:
    """The key of a widget of this question, and of none before.

    A widget keeps its value where the run after it does not end, as when "Change" is pressed at once. To press the same
    label again would then take it back.
    """
    return f"{name}-{answer.picture.digest}-{answer.asked}"


def _pick(answer: Answer, key: str) -> None:
    judge(answer, st.session_state[key])


def _thanks(answer: Answer) -> str:
    return thanks(answer, spoken(answer.truth, answer.prediction.probabilities))


def _giving(client: Client, answer: Answer) -> Giving:
    return Giving(
        lambda: [Gift(answer.picture.data, str(answer.truth), answer.prediction)],
        lambda ids: f"Kept for training, as <code>{escape(ids[0])}</code>. {learning.thanks(client, ids[0])}",
        "Take it back",
        "It could not be taken back just now. Press again in a moment.",
    )


def thanks(answer: Answer, truth: str) -> str:
    """A sentence for what the person has said, which is `truth` in words."""
    return "Glad to hear it." if answer.right else f"Thanks: noted as {escape(truth)} in this visit's history."


def thank(answer: Answer, sentence: str) -> None:
    """Say thanks, and let the person think again until something was given."""
    st.html(f'<p class="hint" role="status">{sentence}</p>')
    if not answer.given:
        st.button("Change", key="change", on_click=judge, args=(answer, None))


def give(client: Client, visit: Visit, answer: Answer, giving: Giving) -> None:
    """Ask for consent once, then send what is judged."""
    if visit.consent is None:
        return _ask_consent(visit)
    if visit.consent and not answer.offered:
        _offer(client, answer, giving)
    if answer.offered and not answer.given:
        st.html('<p class="hint" role="alert">It could not be kept just now; it stays in this visit only.</p>')
    if answer.given:
        st.html(f'<p class="hint">{giving.kept(answer.given)}</p>')
        arguments = (client, answer, giving.not_taken_back)
        st.button(giving.take_back, key="take-back", on_click=_take_back, args=arguments)
    return None


def _offer(client: Client, answer: Answer, giving: Giving) -> None:
    """Once: a store that fails must not slow every later turn of the page.

    Another run may go on beside this one: what the person judged anew meanwhile is not kept as it was judged before.
    """
    answer.offered, asked, given = True, answer.asked, list[str]()
    with suppress(ApiError):
        for gift in giving.gifts():
            given.append(client.send_feedback(*gift))
    if answer.asked == asked:
        answer.given = given
        return
    with suppress(ApiError):
        for each in given:
            client.delete_feedback(each)


def _ask_consent(visit: Visit) -> None:
    st.html(f'<p class="hint">{CONSENT}</p>')
    with st.container(horizontal=True):
        st.button("Yes, keep them", key="consent-yes", on_click=_consent, args=(visit, True))
        st.button("No", key="consent-no", on_click=_consent, args=(visit, False))


def _consent(visit: Visit, given: bool) -> None:
    visit.consent = given


def _take_back(client: Client, answer: Answer, not_taken_back: str) -> None:
    """All of it; what could not be taken back is there to be asked for again."""
    try:
        while answer.given:
            client.delete_feedback(answer.given[-1])
            answer.given.pop()
    except ApiError:
        st.toast(not_taken_back)
        return
    judge(answer, None)
