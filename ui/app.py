"""The page, top to bottom: draw or give a picture, ask the API, show the answer.

`streamlit run ui/app.py`. Set API_URL (and API_KEY), in the environment or in Streamlit's secrets, to use an API that
runs elsewhere; without, the page starts one of its own with the embedded model.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st

# Streamlit puts this file's folder on the path, not the repository's, and Community Cloud installs no project.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from ui import answer as words
from ui import asking, history, numbers, pad, snippets, uploads, visit
from ui.client import ApiError, Client
from ui.visit import Answer

if TYPE_CHECKING:
    from ui.visit import Picture, Visit

HERE = Path(__file__).parent
DRAW, UPLOAD, CAMERA = "Draw", "Upload", "Camera"


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


def give(here: Visit) -> tuple[list[Picture], bool]:
    """The three ways to give a picture -> what was given, and whether it is answered without pressing Submit."""
    numbers.switch(here)
    draw, upload, camera = st.tabs([DRAW, UPLOAD, CAMERA], key="way", on_change=visit.Visit.forget, args=(here,))
    with draw:
        drawn, live = sheet(here)
    if upload.open:
        with upload:
            return uploads.files(here), True
    if camera.open:
        with camera:
            return uploads.photo(here), True
    return ([drawn] if drawn else []), live


def sheet(here: Visit) -> tuple[Picture | None, bool]:
    """The canvas and what belongs to it -> the drawing, and whether live mode is on."""
    with st.container(key="drawing"):
        pen = st.session_state.get("pen", pad.PEN[-1])
        drawn = pad.draw(here, pen)
        with st.container(horizontal=True):
            st.button("Submit", key="submit", type="primary", on_click=here.ask, shortcut="Ctrl+Enter", width="stretch")
            st.button("Clear", key="clear", on_click=here.take_sheet, shortcut="Ctrl+Backspace", width="stretch")
        with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
            thinnest, thickest, first = pad.PEN
            st.slider("Pen width", thinnest, thickest, first, key="pen")
            live = st.toggle("Live", key="live", help="Answers after each stroke, without Submit.")
    return drawn, live


def bring_back(answer: Answer) -> None:
    """Put an earlier picture and its answer on the page again."""
    here = visit.current()
    if answer.picture.strokes:
        here.take_sheet(answer.picture)
        st.session_state["way"] = DRAW
    here.answer = answer


def main() -> None:
    """One run of the page."""
    st.set_page_config(page_title="Draw a digit", page_icon=str(HERE / "icon.svg"), layout="wide")
    st.html(HERE / "style.css")
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
    left, right = st.columns([5, 6], gap="large")
    with left:
        given, live = give(here)
    with right:
        if len(given) > 1:
            said = uploads.several(client, here, given)
        else:
            said = asking.show(client, here, given[0] if given else None, live=live)
    history.show(here, bring_back)
    if isinstance(here.answer, Answer):
        snippets.show(setting("API_URL"), here.answer.picture, with_key=bool(setting("API_KEY")))
    pad.dress(here, given[0] if given else None, said)


main()
