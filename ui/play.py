"""Play: the page names a digit, you draw it, the model marks it; ten digits in 30 seconds."""

from __future__ import annotations

from html import escape
from time import perf_counter
from typing import TYPE_CHECKING

import streamlit as st

from ui import answer as words
from ui import asking, clock, pad
from ui.client import ApiError
from ui.game import SECONDS, Round
from ui.visit import Answer

if TYPE_CHECKING:
    from collections.abc import Callable

    from ui.client import Client
    from ui.game import Mark
    from ui.visit import Picture, Visit

RULES = (
    f"Ten digits in {SECONDS:.0f} seconds: the page names one, you draw it, and as soon as the model reads it right, "
    "the next one comes. The clock stands still while the model reads."
)
BY_HAND = (
    "Drawing needs a mouse, a pen or a finger: there is no way to play by keyboard alone. A screen reader says each "
    "digit, how it was read, and the score."
)
AGAIN = "Start again in a moment."


def show(client: Client, visit: Visit, look: Callable[[Picture], None]) -> tuple[Picture | None, str]:
    """The rules, the round, or its end -> what is on the sheet, and what a screen reader says. `look`: at a drawing."""
    game = current()
    if game is None:
        st.html(f'<div class="welcome"><p>{RULES}</p></div>')
        st.html(f'<p class="hint">{BY_HAND}</p>')
        _start("Start")
        return None, ""
    game.tick()
    if game.over:
        return None, _end(game, look)
    return _play(client, visit, game)


def current() -> Round | None:
    """This tab's round, from Start to the next Start."""
    game: Round | None = st.session_state.get("round")
    return game


def board() -> None:
    """The ten digits with their marks, and how the model sees what is on the sheet."""
    game = current()
    if game is None:
        return
    cells = "".join(_cell(mark) for mark in game.marks)
    left = len(game.digits) - len(game.marks)
    st.html(f'<ol class="marks" aria-label="Marks">{cells}{"<li></li>" * left}</ol>')
    if game.reading:
        st.html(f'<div class="answer">{words.bars(game.reading.prediction)}</div>')


def _start(name: str) -> None:
    with st.container(horizontal=True, vertical_alignment="center", gap="medium"):
        st.button(name, key="start", type="primary", on_click=_begin)
        st.toggle("Without the clock", key="unhurried")


def _begin() -> None:
    before = current()
    sheets = before.sheets + 1 if before else 0
    st.session_state["round"] = Round(timed=not st.session_state.get("unhurried"), sheets=sheets)


def _play(client: Client, visit: Visit, game: Round) -> tuple[Picture | None, str]:
    with st.container(key="playing"):
        with st.container(horizontal=True, vertical_alignment="center", key="task"):
            line, time = st.empty(), st.container(width="content")
        drawn = pad.draw(game.sheet)
        with st.container(horizontal=True):
            st.button("Skip", key="skip", on_click=game.skip, width="stretch")
            st.button("Clear", key="clear-play", on_click=game.clear, shortcut="Ctrl+Backspace", width="stretch")
        if drawn and (game.reading is None or game.reading.picture.digest != drawn.digest):
            _read(client, visit, game, drawn)
    with time:
        clock.show(game.due, game.taken, SECONDS if game.timed else None)
    read = _reading(game)
    line.html(f'<p class="task">Draw <b>{game.wanted}</b> <span aria-hidden="true">{read}</span></p>')
    right = "Right. " if game.marks and game.marks[-1].right and not read else ""
    return drawn, f"{right}{f'{read}. ' if read else ''}Draw a {game.wanted}."


def _read(client: Client, visit: Visit, game: Round, drawn: Picture) -> None:
    """Ask the model; a mark, or a model that does not answer, begins a new run of the page."""
    before, begun = len(game.marks), perf_counter()
    try:
        prediction = asking.awake(visit, lambda: client.predict(drawn.data))
        game.read(Answer(drawn, prediction, perf_counter() - begun))
    except ApiError as error:
        game.stop(error)
    finally:  # also where another stroke begins a new run
        game.pause(perf_counter() - begun)
    if game.over or len(game.marks) > before:
        st.rerun()


def _reading(game: Round) -> str:
    """What the model reads so far, in words."""
    if game.reading is None:
        return ""
    label = game.reading.prediction.label
    return f"Read as {escape(label)}" if label else "No digit yet"


def _end(game: Round, look: Callable[[Picture], None]) -> str:
    """The score, the time and the drawing that fooled it -> the same in words."""
    if game.error:
        said = words.APOLOGIES[type(game.error)]
        st.html(words.apologise(said._replace(remedy=AGAIN if said.passing else said.remedy)))
        _start("Start again")
        return f"{said.what} {AGAIN if said.passing else said.remedy}"
    score = f"{game.score} of {len(game.digits)} in {game.seconds:.1f} seconds"
    fooled = _fooled(game.fooled)
    st.html(f'<div class="headline"><div class="digit" aria-hidden="true">{game.score}</div><h2>{score}</h2></div>')
    if game.fooled and game.fooled.answer:
        picture = game.fooled.answer.picture
        image = f'<img src="{words.inline(picture.preview)}" alt="The drawing that fooled it">'
        st.html(f'<figure class="fooled">{image}<figcaption>{fooled}</figcaption></figure>')
        st.button("Look at it", key="look", on_click=look, args=(picture,))
    else:
        st.html(f'<p class="hint">{fooled}</p>')
    _start("Play again")
    return f"{score}. {fooled}"


def _fooled(mark: Mark | None) -> str:
    if mark is None or mark.answer is None:
        return "No drawing fooled it."
    prediction = mark.answer.prediction
    sure = f"{words.how_sure(prediction.confidence).lower()}, {words.percent(prediction.confidence)}"
    label = escape(words.spoken(prediction.label, prediction.probabilities))
    return f"This one fooled it: a {mark.wanted}, read as {label}, {sure}."


def _cell(mark: Mark) -> str:
    if mark.right:
        return f'<li class="right">{mark.wanted}<span>right</span></li>'
    if mark.answer is None:
        return f"<li>{mark.wanted}<span>skipped</span></li>"
    prediction = mark.answer.prediction
    said = f"read as {escape(words.spoken(prediction.label, prediction.probabilities))}"
    return f"<li>{mark.wanted}<span>{said}</span></li>"
