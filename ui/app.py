"""The page, top to bottom: draw or give a picture, ask the API, show the answer.

`streamlit run ui/app.py`. Set API_URL (and API_KEY), in the environment or in Streamlit's secrets, to use an API that
runs elsewhere; without, the page starts one of its own with the embedded model.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

import streamlit as st

# Streamlit puts this file's folder on the path, not the repository's, and Community Cloud installs no project.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from ui import answer as words
from ui import asking, history, link, live, numbers, pad, play, snippets, strokes, uploads, visit
from ui.client import ApiError, Client
from ui.visit import Answer

if TYPE_CHECKING:
    from streamlit.delta_generator import DeltaGenerator

    from ui.visit import Picture, Visit

HERE = Path(__file__).parent
DRAW, UPLOAD, CAMERA, PLAY = "Draw", "Upload", "Camera", "Play"
LIVE = "Live"  # drawing, with an answer after each stroke


def setting(name: str) -> str:
    """From the environment, then from Streamlit's secrets; empty where neither has it."""
    if name in os.environ:
        return os.environ[name]
    try:
        return str(st.secrets[name])
    except (FileNotFoundError, KeyError):  # no secrets file at all raises too
        return ""


@st.cache_resource(show_spinner="Starting the model …")
def connect(url: str, key: str) -> Client:
    """One client for all visits. It never retries by itself: the page says what it waits for."""
    if not url:
        from ui import local_stack

        url = local_stack.start()
    return Client(url, key or None, retries=0)


class Given(NamedTuple):
    """What a visitor gives, and in which way: all but DRAW are answered without pressing Submit."""

    pictures: list[Picture]
    way: str
    glance: DeltaGenerator | None = None  # the place above the sheet for the answer's one line
    said: str = ""  # of a game


def give(client: Client, here: Visit) -> Given:
    """The four ways to give a picture."""
    numbers.switch(here)
    ways = [DRAW, UPLOAD, CAMERA, PLAY]
    draw, upload, camera, game = st.tabs(ways, key="way", on_change=visit.Visit.forget, args=(here,))
    with draw:
        drawn = sheet(client, here)
    if upload.open:
        with upload:
            return Given(uploads.files(here), UPLOAD)
    if camera.open:
        with camera:
            return Given(uploads.photo(here), CAMERA)
    if game.open:
        with game:
            playing, said = play.show(client, here, look)
            return Given([playing] if playing else [], PLAY, said=said)
    return drawn


def sheet(client: Client, here: Visit) -> Given:
    """The canvas and what belongs to it."""
    with st.container(key="drawing"):
        if numbers.wanted():
            width, height = strokes.WIDE
            st.html(f"<style>.st-key-drawing {{ --ratio: {width / height:g} }}</style>")
        glance = st.container(horizontal=True, vertical_alignment="center", key="glance")
        drawn = here.drawn = pad.draw(here.sheet, here.start, numbers.sheet())
        buttons = st.container(horizontal=True)
        with st.container(horizontal=True, vertical_alignment="center", gap="medium"):
            at_once = live.switch(client, here)
            with st.popover("More", key="more"):
                thinnest, thickest, first = strokes.PEN
                st.slider("Pen width", thinnest, thickest, first, key="pen")
    with buttons:
        kind: Literal["primary", "secondary"] = "secondary" if at_once else "primary"
        clear = None if st.session_state.get("way") == PLAY else "Ctrl+Backspace"  # the game has a sheet of its own
        st.button("Submit", key="submit", type=kind, on_click=here.ask, shortcut="Ctrl+Enter", width="stretch")
        st.button("Clear", key="clear", on_click=here.take_sheet, shortcut=clear, width="stretch")
    return Given([drawn] if drawn else [], LIVE if at_once else DRAW, glance)


def show_glance(here: Visit, given: Given, said: str) -> None:
    """The answer in one line, for screens where the rest of it is out of sight."""
    if not given.glance:
        return
    with given.glance:
        st.html(words.glance(here.answer, said or numbers.phrase(words.WELCOME[given.way])))
        if here.answer:
            st.button("Next number" if numbers.wanted() else "Next digit", key="next-glance", on_click=here.take_sheet)


def open_drawing(picture: Picture) -> None:
    """Put a drawing on a new sheet and read it."""
    here = visit.current()
    here.take_sheet(picture)
    here.ask()
    st.session_state["way"] = DRAW


def look(picture: Picture) -> None:
    """Open a drawing of the game, which is one digit."""
    numbers.choose(visit.current(), whole=False)
    open_drawing(picture)


def bring_back(answer: Answer) -> None:
    """Put an earlier picture and its answer on the page again."""
    here = visit.current()
    numbers.choose(here, whole=answer.number is not None)
    if answer.picture.strokes:
        here.take_sheet(answer.picture)
        st.session_state["way"] = DRAW
    here.answer = answer


def dress(here: Visit, given: Given, said: str) -> None:
    """Make the sheet that is in sight fit for touch and keyboard, and say what came of it."""
    first, game = next(iter(given.pictures), None), play.current()
    if given.way == PLAY and game and not game.over:
        pad.dress(game.sheet, first, game.reading, said, live=True)
    else:
        pad.dress(here.sheet, first, here.answer, said, live=given.way == LIVE)


def main() -> None:
    """One run of the page."""
    st.set_page_config(page_title="Draw a digit", page_icon=str(HERE / "icon.svg"), layout="wide")
    st.html(HERE / "style.css")
    with st.container(key="masthead"):
        st.html('<header class="masthead"><h1>Draw a digit</h1><p>A small neural network reads it.</p></header>')
    try:
        client = connect(setting("API_URL"), setting("API_KEY"))
    except ApiError as error:
        st.html(words.apologise(words.APOLOGIES[type(error)]))
        return
    except (ImportError, OSError, ValueError) as error:
        st.html(words.cannot_start(error))
        return
    here = visit.current()
    client = client.for_caller(here.caller)
    left, right = st.columns([7, 5] if numbers.wanted() else [5, 6], gap="large")
    with left:
        given = give(client, here)
    pictures, first = given.pictures, next(iter(given.pictures), None)
    with right:
        if given.way == PLAY:
            play.board()
            said = given.said
        elif len(pictures) > 1:
            said = uploads.several(client, here, pictures)
        else:
            said = asking.show(client, here, first, given.way, at_once=given.way != DRAW)
    show_glance(here, given, said)
    history.show(here, bring_back)
    if isinstance(here.answer, Answer):
        asked = {"with_key": bool(setting("API_KEY")), "number": here.answer.number is not None}
        snippets.show(setting("API_URL"), here.answer.picture, **asked)
    dress(here, given, said)
    link.follow(here, UPLOAD, open_drawing)
    if given.way != PLAY:  # a game has a clock of its own
        asking.recover(client, here)


main()
