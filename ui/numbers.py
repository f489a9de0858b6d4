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

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from backend.contract import Digit, Number
    from ui.client import Client
    from ui.visit import Answer, Picture, Visit

ONE, WHOLE = "One digit", "A number"
ADDRESS = "read"  # in the page's address, so that the choice outlives a reload: ?read=number
TURNED = 4  # EXIF orientations above it lie on their side
REASONS = {
    "too_many_digits": "It has more than twelve digits in a line.",
    "too_much_ink": "There is too much on it to be a number.",
}


def switch(visit: Visit) -> None:
    """Let the person choose what is read."""
    first = int(st.query_params.get(ADDRESS) == "number")
    st.radio("What is read", (ONE, WHOLE), first, key="reads", horizontal=True, on_change=_switched, args=(visit,))


def wanted() -> bool:
    """Whether a whole number is to be read."""
    return st.session_state.get("reads") == WHOLE


def _switched(visit: Visit) -> None:
    visit.known.clear()  # the same picture has another answer now
    visit.several = None
    visit.forget()
    if wanted():
        st.query_params[ADDRESS] = "number"
    else:
        st.query_params.pop(ADDRESS, None)


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
    return f"Read as {number.number}: {sure}, {words.percent(number.confidence)}."


def page(answer: Answer, number: Number, *, stale: bool) -> str:
    """HTML: all of an answer. `stale`: the drawing has changed since."""
    parts = (_headline(number, answer.prediction, stale=stale), _boxes(answer.picture, number), _digits(number))
    return f'<div class="answer">{"".join(parts)}</div>'


def _headline(number: Number, shown: Prediction, *, stale: bool) -> str:
    if number.rejection is None:
        others = ", ".join(escape(each.number) for each in number.alternatives)
        return words.headline(shown, stale=stale) + (f'<p class="hint">Or: {others}</p>' if others else "")
    reason = REASONS.get(number.rejection.reason, "Write the digits beside each other, as large as the sheet allows.")
    return (
        '<div class="headline rejected"><div class="digit" aria-hidden="true">?</div><div>'
        f"<h2>That does not look like a number</h2><p>{reason}</p></div></div>"
    )


def _boxes(picture: Picture, number: Number) -> str:
    """HTML: the drawing, each digit framed."""
    try:
        with Image.open(BytesIO(picture.data)) as image:
            turned = image.getexif().get(0x0112, 1) > TURNED
            width, height = image.size[::-1] if turned else image.size
    except Exception:  # noqa: BLE001 - Pillow raises nearly anything; the API may have read it all the same
        return ""
    frames = "".join(_frame(digit, width, height) for digit in number.digits)
    alt = f"The picture as you gave it, {len(number.digits)} digits framed"
    return f'<div class="framed"><img src="{words.inline(picture.preview)}" alt="{alt}">{frames}</div>'


def _frame(digit: Digit, width: int, height: int) -> str:
    left, top, w, h = digit.box
    place = f"left:{100 * left / width:.2f}%;top:{100 * top / height:.2f}%"
    size = f"width:{100 * w / width:.2f}%;height:{100 * h / height:.2f}%"
    return f'<span aria-hidden="true" style="{place};{size}"></span>'


def _digits(number: Number) -> str:
    """HTML: each digit, to be opened for its bars."""
    read = [digit for digit in number.digits if digit.probabilities]
    heads = [f"<summary>{escape(digit.label)}, {words.percent(digit.confidence)}</summary>" for digit in read]
    return "".join(f"<details>{head}{words.bars(digit)}</details>" for head, digit in zip(heads, read, strict=True))
