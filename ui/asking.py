"""Asking the API for an answer and showing what comes of it: the answer, a model that wakes up, or a plain sentence."""

from __future__ import annotations

from time import monotonic, perf_counter, sleep
from typing import TYPE_CHECKING, TypeVar

import streamlit as st

from backend.contract import EXTRAS, MARKS
from ui import answer as words
from ui import clock, compare, correction, examples, live, number_correction, numbers, share, strokes
from ui.client import ApiError, BadPicture, Client, ModelStarting, RateLimited
from ui.visit import Answer, Failure, Picture

if TYPE_CHECKING:
    from collections.abc import Callable

    from ui.visit import Visit

T = TypeVar("T")

PATIENCE = 180  # seconds that a starting model is waited for
USUAL_START = 60  # seconds: a serverless endpoint's cold start
TICK = 0.25  # seconds between two looks at the page's own buttons while waiting


def show(client: Client, visit: Visit, picture: Picture | None, way: str, *, at_once: bool) -> str:
    """Ask if an answer is wanted, then show the state of things -> what a screen reader says of it."""
    place = st.empty()
    if picture and picture.digest in visit.known and not visit.asked:
        visit.answer = visit.known[picture.digest]
    visit.asked = visit.asked or (at_once and _is_new(visit, picture))
    if visit.asked and picture:
        _ask(client, visit, picture)
    emptied, visit.asked = visit.asked and not picture, False
    with place.container(key="answer"):
        if emptied:
            return _nothing(numbers.phrase(words.EMPTY), spoken=True)
        if visit.bad_link:
            st.html(words.apologise(words.BAD_LINK))
        if isinstance(visit.answer, Failure):
            return failure(visit, visit.answer)
        if isinstance(visit.answer, Answer):
            return _answer(client, visit, visit.answer, picture)
        if not visit.bad_link:
            _nothing(numbers.phrase(words.WELCOME[way]))
        if way in ("Draw", "Live") and not numbers.wanted():
            examples.show(visit)
        return words.BAD_LINK.what if visit.bad_link else ""


def _is_new(visit: Visit, picture: Picture | None) -> bool:
    """Whether live mode should ask: for a picture not answered yet, and not while the API wants to be left alone."""
    if picture is None or monotonic() < visit.quiet_until:
        return False
    return visit.answer is None or visit.answer.picture.digest != picture.digest


def _ask(client: Client, visit: Visit, picture: Picture) -> None:
    """Answer from what is known, or else from the API."""
    if picture.digest in visit.known:
        return visit.keep(visit.known[picture.digest])
    with st.spinner("Reading …"):
        try:
            visit.keep(awake(visit, lambda: _predict(client, picture)))
        except ApiError as error:
            visit.fail(Failure(picture, error))
            if isinstance(error, RateLimited) and live.wanted():
                visit.hushed = True
                st.rerun()  # to show the switch as it now is


def _predict(client: Client, picture: Picture) -> Answer:
    """Ask once. Raises ApiError."""
    started = perf_counter()
    if numbers.wanted():
        drawn = [stroke.points for stroke in strokes.of_canvas(picture.strokes or {})]
        number = client.read_number(picture.data, allow=MARKS, strokes=drawn)
        return Answer(picture, numbers.as_prediction(number), perf_counter() - started, number=number)
    prediction = client.predict(picture.data, include=EXTRAS)
    words.check(prediction)
    return Answer(picture, prediction, perf_counter() - started)


def awake(visit: Visit, ask: Callable[[], T]) -> T:
    """Ask, and wait for a starting model, up to PATIENCE. Raises ApiError."""
    bar = st.empty()
    while True:
        try:
            answer = ask()
            visit.waking_since = None
            return answer
        except ModelStarting as error:
            visit.waking_since = visit.waking_since or monotonic()
            left = visit.waking_since + PATIENCE - monotonic()
            if left < 0:
                raise
            _wait(bar, visit.waking_since, min(error.retry_after or 2, left))
        finally:
            bar.empty()


def _wait(bar: st.delta_generator.DeltaGenerator, since: float, seconds: float) -> None:
    """Show how long it has taken. Each tick lets a stroke or a press begin a new run, which goes on waiting."""
    end = monotonic() + seconds
    while monotonic() < end:
        waited = monotonic() - since
        text = f"Waking the model up: {waited:.0f} s. The answer comes by itself."
        bar.progress(min(0.95, waited / USUAL_START), text)
        sleep(TICK)


def _nothing(sentence: str, *, spoken: bool = False) -> str:
    st.html(f'<div class="welcome"><p>{sentence}</p></div>')
    return sentence if spoken else ""


def failure(visit: Visit, failed: Failure) -> str:
    """Say it in a sentence, and offer to ask again -> what a screen reader says."""
    said = words.apology(failed.error, failed.picture)
    if visit.hushed and isinstance(failed.error, RateLimited):
        said = said._replace(remedy=words.HUSHED)
    st.html(words.apologise(said))
    if not isinstance(failed.error, BadPicture):  # the same picture would be refused again
        st.button("Retry", key="retry", on_click=visit.ask, type="primary")
    return f"{said.what} {said.remedy}"


def recover(client: Client, visit: Visit) -> None:
    """Ask again unasked, once the API is well. Late in a run, for it may take long to find out."""
    failed = visit.answer
    if not isinstance(failed, Failure) or not words.apology(failed.error, failed.picture).passing:
        return
    if monotonic() >= visit.quiet_until:
        if client.ready():
            visit.ask()
            st.rerun()
        visit.quiet_until = monotonic() + 3
    clock.show(visit.quiet_until - monotonic())


def _answer(client: Client, visit: Visit, answer: Answer, picture: Picture | None) -> str:
    stale = picture is not None and picture.digest != answer.picture.digest
    st.html(numbers.page(answer, answer.number, stale=stale) if answer.number else words.page(answer, stale=stale))
    with st.container(horizontal=True):
        if answer.picture.strokes:
            st.button("Next number" if answer.number else "Next digit", key="next", on_click=visit.take_sheet)
        share.show(answer)
    if answer.number:
        number_correction.show(client, visit, answer, answer.number)
    else:
        correction.show(client, visit, answer)
        compare.show(client, visit, answer.picture)
    with st.expander("Details"):
        st.html(words.trust(answer.prediction, answer.seconds))
    return numbers.sentence(answer.number) if answer.number else words.sentence(answer.prediction)
