"""Share an answer: a link that shows the drawing and asks anew, and a picture card. Nothing is stored anywhere."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

import streamlit as st

from ui import answer as words
from ui import card, link

if TYPE_CHECKING:
    from ui.visit import Answer

LINK = "The link holds the drawing itself: whoever opens it sees it, and the model reads it anew. Nothing is stored."
HERE_ONLY = "This page runs on your own computer: the link opens here alone."
TOO_LONG = "This drawing is too long for a link. Its picture can be sent."
NO_STROKES = "A link carries what is drawn here. This one came as a file: its picture can be sent."
COPIED, NOT_COPIED = "Copied.", "This browser copies nothing from here: select the link, or download the picture."


def show(answer: Answer) -> None:
    """A button that unfolds the link and the card; they are made only then."""
    with st.popover("Share", key="share", on_change="rerun") as popover:
        if popover.open:
            address, picture = link.address(answer.picture), card.draw(answer)
            first = st.container()  # on a low screen the rest is scrolled to
            _link(address, drawn=bool(answer.picture.strokes))
            st.html(f'<img class="card" src="{words.inline(picture)}" alt="{escape(card.describe(answer))}">')
            with first:
                _buttons(address, picture)  # filled last: they copy what is shown


def _buttons(address: str, picture: bytes) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        if address:
            st.button("Copy link", key="copy-link")
        st.button("Copy picture", key="copy-picture")
        st.download_button("Download picture", picture, "drawing.png", "image/png", key="card", on_click="ignore")
        said = f'role="status" data-done="{COPIED}" data-failed="{NOT_COPIED}"'
        st.html(f'<p id="copied" class="hint" {said}></p>', width="content")


def _link(address: str, *, drawn: bool) -> None:
    if not address:
        st.html(f'<p class="hint">{TOO_LONG if drawn else NO_STROKES}</p>')
        return
    st.html(f'<p class="hint">{LINK}{f" {HERE_ONLY}" if link.is_local() else ""}</p>')
    with st.container(key="link-text"):
        st.code(address, language=None)
