"""A clock in the browser: it shows a round's time, and has the page drawn anew when a time has come.

Not `st.fragment(run_every=...)`: where such a run begins while the page's own ends, Streamlit 1.67 leaves the rest of
the page undrawn, and may count a press twice. Beside a fragment that ran 20 times a second 35 of 150 presses were drawn
in part.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import streamlit as st

from ui import strip

if TYPE_CHECKING:
    from collections.abc import Callable


def show(due: float | None, taken: float | None = None, of: float | None = None) -> None:
    """Draw the page anew in `due` seconds, unless another run says otherwise before; None: never.

    With `taken`, the seconds that a round has taken, it shows them, or with `of` what is left of so many. It stands
    still while the page is drawn, for then the model may read.
    """
    _component()(key="clock", data={"due": due, "taken": taken, "of": of}, on_due_change=lambda: None)


@cache
def _component() -> Callable[..., Any]:
    html = '<p class="clock" role="timer"></p>'
    return st.components.v2.component("clock", html=html, js=strip.script(), isolate_styles=False)
