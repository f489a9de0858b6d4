"""The drawing in the page's address, behind the #: written there as it is drawn, and read from a link that is opened.

The script beside it, page.js, also takes what is pasted or dropped on the page to the file chooser.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import streamlit as st

from ui import numbers, strip, strokes
from ui.strokes import LONGEST, NoDrawing

if TYPE_CHECKING:
    from collections.abc import Callable

    from ui.visit import Picture, Visit

FRAME = "~/+/"  # the end of the address of the frame that Community Cloud shows a page in


def follow(visit: Visit, way: str, opened: Callable[[Picture], None]) -> None:
    """Keep the sheet's drawing in the address; `opened` gets that of a link. `way`: the tab that takes files."""
    data = {"fragment": fragment(visit.drawn), "opened": visit.opened, "longest": LONGEST, "way": way}
    _script()(key="link", data=data, on_opened_change=lambda: _open(visit, st.session_state["link"]["opened"], opened))


def fragment(picture: Picture | None) -> str:
    """The drawing as text for an address; empty where it was not drawn here, or is too long."""
    return strokes.pack(strokes.of_canvas(picture.strokes)) if picture and picture.strokes else ""


def address(picture: Picture) -> str:
    """The link that shows this drawing; empty where there is none."""
    drawn, page = fragment(picture), st.context.url or ""
    number = f"?{numbers.ADDRESS}=number" if numbers.wanted() else ""
    return f"{page.removesuffix(FRAME).rstrip('/')}/{number}#{drawn}" if drawn else ""


def is_local() -> bool:
    """Whether this page is served from the visitor's own computer: then nobody else can open its links."""
    return urlsplit(st.context.url or "").hostname in {"localhost", "127.0.0.1", "::1"}


def _open(visit: Visit, text: str, opened: Callable[[Picture], None]) -> None:
    visit.opened = text
    try:
        opened(strokes.picture(strokes.unpack(text), size=numbers.sheet()))
    except NoDrawing:
        visit.bad_link = True


@cache
def _script() -> Callable[..., Any]:
    return st.components.v2.component("link", html="<div></div>", js=strip.script())
