"""The sheet of paper: the drawing canvas, and the script (pad.js) that makes it fit for touch and keyboard."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import streamlit as st
from streamlit_drawable_canvas import st_canvas  # type: ignore[import-untyped] # it has no py.typed

from backend.contract import IMAGE_TYPES
from ui.formats import TAKEN
from ui.strokes import PEN, SIDE, SQUARE
from ui.visit import Failure, Picture

if TYPE_CHECKING:
    from collections.abc import Callable

    from ui.visit import Answer

HERE = Path(__file__).parent


def draw(sheet: int | str, start: Picture | None = None, size: tuple[int, int] = SQUARE) -> Picture | None:
    """Show the sheet; pad.js makes it as wide as there is room -> what is drawn on it, None while it is empty."""
    (width, height), pen = size, int(st.session_state.get("pen", PEN[-1]))
    result = st_canvas(
        stroke_width=max(PEN[0], pen * height // SIDE),  # digits are lower on the wide sheet, and so is the pen
        stroke_color="#000000",
        background_color="#ffffff",  # never the default: black ink on a transparent sheet decodes to all black
        width=width,
        height=height,
        initial_drawing=start.strokes if start else None,
        return_image_data=True,
        key=f"canvas-{sheet}",
    )
    strokes: dict[str, Any] = result.json_data or {}
    if not strokes.get("objects"):
        return None
    if not result.image_bytes:  # it sends none before the first stroke
        return start
    return Picture(result.image_bytes, strokes, sheet)


def count(picture: Picture | None) -> int:
    """How many strokes are on the sheet."""
    return len((picture.strokes or {}).get("objects", ())) if picture else 0


def dress(sheet: int | str, picture: Picture | None, answer: Answer | Failure | None, said: str, *, live: bool) -> None:
    """Lay pad.js over the sheet, and have a screen reader say `said` for each new answer. Last in a run."""
    state = {
        "sheet": sheet,
        "strokes": count(picture),
        "drawing": picture.digest if picture else "",
        "answer": answer.picture.digest if answer else "",
        "failed": isinstance(answer, Failure),
        "announcement": said,
        "live": live,
        "accept": ",".join((*IMAGE_TYPES, *TAKEN)),
    }
    _script()(key="dress", data=state)


@cache
def _script() -> Callable[..., Any]:
    return st.components.v2.component("pad", html="<div></div>", js=(HERE / "pad.js").read_text())
