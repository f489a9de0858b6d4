"""A row of small pictures to press: this visit's drawings, and the examples."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import streamlit as st

if TYPE_CHECKING:
    from collections.abc import Callable


class Item(NamedTuple):
    """One button: what `picked` is told, the picture's URL, the caption below it, and what a screen reader says."""

    digest: str
    source: str
    label: str
    name: str


def show(key: str, items: list[Item], picked: Callable[[str], None]) -> None:
    """Show the row under this key; `picked` gets the digest of what is pressed."""
    data = {"items": [item._asdict() for item in items]}
    _component()(key=key, data=data, on_picked_change=lambda: picked(st.session_state[key]["picked"]))


def script() -> str:
    """page.js, which other parts of the page make their components of, too."""
    return Path(__file__).with_name("page.js").read_text(encoding="utf-8")


@cache
def _component() -> Callable[..., Any]:
    return st.components.v2.component("strip", html='<div class="strip"></div>', js=script(), isolate_styles=False)
