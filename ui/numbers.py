"""Whole numbers on the page: the switch between one digit and a number, and what the page says of a number."""

from __future__ import annotations

from html import escape
from io import BytesIO
from typing import TYPE_CHECKING

import streamlit as st
from PIL import Image

from backend.contract import MARKS, Prediction
from ui import answer as words
from ui.client import ApiError
from ui.pictures import upright_size
from ui.strokes import SQUARE, WIDE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from backend.contract import Digit, Number
    from ui.client import Client
    from ui.visit import Answer, Picture, Visit

ONE, WHOLE = "One digit", "A number"
ADDRESS = "read"  # in the page's address, so that the choice outlives a reload: ?read=number
REASONS = {
    "too_many_digits": "It has more than twelve digits in a line.",
    "too_much_ink": "There is too much on it to be a number.",
}


def switch(visit: Visit) -> None:
    """Let the person choose what is read."""
    first = int(wanted())
    st.radio("What is read", (ONE, WHOLE), first, key="reads", horizontal=True, on_change=_switched, args=(visit,))


def wanted() -> bool:
    """Whether a whole number is to be read: by the switch or, before it is there, by the page's address."""
    chosen = st.session_state.get("reads")
    return chosen == WHOLE if chosen else st.query_params.get(ADDRESS) == "number"


def sheet() -> tuple[int, int]:
    """Pixels of the drawing, width and height."""
    return WIDE if wanted() else SQUARE


def choose(visit: Visit, *, whole: bool) -> None:
    """Set the switch, before it is shown, as an earlier answer had it."""
    if whole != wanted():
        st.session_state["reads"] = WHOLE if whole else ONE
        _switched(visit)


def _switched(visit: Visit) -> None:
    visit.known.clear()  # the same picture has another answer now
    visit.several = None
    visit.take_sheet()  # of another shape
    if wanted():
        st.query_params[ADDRESS] = "number"
    else:
        st.query_params.pop(ADDRESS, None)


def phrase(text: str) -> str:
    """What the page says of a digit, said of what is wanted."""
    return text.replace("a digit", "a number").replace("one digit", "one number") if wanted() else text


def as_prediction(number: Number) -> Prediction:
    """What history and tables show of a number."""
    label = number.number and number.number.replace("\n", " ")
    return Prediction(label, number.confidence, {}, number.rejection, number.model, number.request_id, number.timing_ms)


def ask(client: Client, pictures: Iterable[bytes]) -> Iterator[Prediction | ApiError]:
    """Several pictures -> the answer to each, of the kind that is wanted. Raises ApiError."""
    if not wanted():
        yield from client.predict_batch(pictures)
        return
    for result in client.read_numbers(pictures, allow=MARKS):
        yield result if isinstance(result, ApiError) else as_prediction(result)


def sentence(number: Number) -> str:
    """The answer as one spoken sentence."""
    if number.number is None:
        return "That does not look like a number."
    sure = words.how_sure(number.confidence).lower()
    return f"Read as {number.number.replace(chr(10), ', ')}: {sure}, {words.percent(number.confidence)}."


def page(answer: Answer, number: Number, *, stale: bool) -> str:
    """HTML: all of an answer. `stale`: the drawing has changed since."""
    parts = (_headline(number, answer.prediction, stale=stale), _digits(answer.picture, number))
    return f'<div class="answer number">{"".join(parts)}</div>'


def _headline(number: Number, shown: Prediction, *, stale: bool) -> str:
    if number.rejection is None:
        others = ", ".join(escape(each.number) for each in number.alternatives)
        return words.headline(shown, stale=stale) + (f'<p class="hint">Or: {others}</p>' if others else "")
    reason = REASONS.get(number.rejection.reason, "Write digits alone, side by side, as large as the sheet allows.")
    return (
        '<div class="headline rejected"><div class="digit" aria-hidden="true">?</div><div>'
        f"<h2>That does not look like a number</h2><p>{reason}</p></div></div>"
    )


def _digits(picture: Picture, number: Number) -> str:
    """HTML: the drawing with a frame around each digit, which opens its bars; without a drawing to show, a list."""
    try:
        size = upright_size(Image.open(BytesIO(picture.data)))
    except Exception:  # noqa: BLE001 - Pillow raises nearly anything; the API may have read it all the same
        return "".join(_opens(digit, _said(digit)) for digit in number.digits if digit.probabilities)
    frames = "".join(_frame(digit, size) for digit in number.digits)
    image = f'<img src="{words.inline(picture.preview)}" alt="The picture as you gave it">'
    hint = '<p class="hint">Choose a digit to see what else it may be.</p>' if number.digits else ""
    return f'<div class="framed">{image}{hint}{frames}</div>'


def _frame(digit: Digit, size: tuple[int, int]) -> str:
    left, top, w, h = digit.box
    # All four in hundredths of the picture's width: style.css multiplies them by its unit cqw.
    edges = zip(("--left", "--top", "--wide", "--high"), (left, top, w, h), strict=True)
    place = ";".join(f"{name}:{100 * edge / size[0]:.2f}" for name, edge in edges)
    if not digit.probabilities:
        return f'<span class="frame" aria-hidden="true" style="{place}"></span>'
    return _opens(digit, f'<span class="visually-hidden">{_said(digit)}</span>', place)


def _opens(digit: Digit, name: str, place: str = "") -> str:
    summary = f'<summary class="frame" style="{place}">' if place else "<summary>"
    bars = f'<p class="hint">{_said(digit)}</p>{words.bars(digit)}'
    return f'<details name="digit">{summary}{name}</summary>{bars}</details>'


def _said(digit: Digit) -> str:
    return f"{escape(digit.label)}, {words.percent(digit.confidence)}"
