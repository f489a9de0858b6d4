"""The sheet of paper: the drawing canvas, and the script (pad.js) that makes it fit for touch and keyboard."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import streamlit as st
from streamlit_drawable_canvas import st_canvas  # type: ignore[import-untyped] # it has no py.typed

from backend.contract import IMAGE_TYPES
from ui import live
from ui.formats import TAKEN
from ui.visit import Failure, Picture

if TYPE_CHECKING:
    from collections.abc import Callable

    from ui.visit import Visit

SIDE = 400  # pixels of the drawing; pad.js shows it in whatever width there is
PEN = (6, 48, 22)  # pixels: thinnest, thickest, at first; the model was trained on the whole range
HERE = Path(__file__).parent


def draw(visit: Visit, pen: int) -> Picture | None:
    """Show the sheet -> what is drawn on it, None while it is empty."""
    start = visit.start
    result = st_canvas(
        stroke_width=pen,
        stroke_color="#000000",
        background_color="#ffffff",  # never the default: black ink on a transparent sheet decodes to all black
        width=SIDE,
        height=SIDE,
        initial_drawing=start.strokes if start else None,
        return_image_data=True,
        key=f"canvas-{visit.sheet}",
    )
    strokes: dict[str, Any] = result.json_data or {}
    if not strokes.get("objects"):
        return None
    return Picture(result.image_bytes, strokes, visit.sheet) if result.image_bytes else start


def count(picture: Picture | None) -> int:
    """How many strokes are on the sheet."""
    return len((picture.strokes or {}).get("objects", ())) if picture else 0


def dress(visit: Visit, picture: Picture | None, announcement: str) -> None:
    """Lay pad.js over the sheet, and have a screen reader say `announcement` for each new answer. Last in a run."""
    state = {
        "sheet": visit.sheet,
        "strokes": count(picture),
        "drawing": picture.digest if picture else "",
        "answer": visit.answer.picture.digest if visit.answer else "",
        "failed": isinstance(visit.answer, Failure),
        "announcement": announcement,
        "live": live.wanted(),
        "accept": ",".join((*IMAGE_TYPES, *TAKEN)),
    }
    _script()(key="dress", data=state)


@cache
def _script() -> Callable[..., Any]:
    return st.components.v2.component("pad", html="<div></div>", js=(HERE / "pad.js").read_text())
