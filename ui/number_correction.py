"""Right or wrong of a whole number, by digit or as a whole; with consent each digit goes its way, cut out, by itself.

A digit is given only where nothing else is in its cut-out, and only while the number has as many digits as were read:
else the cuts were wrong, and no label of a part would be true.
"""

from __future__ import annotations

import re
from io import BytesIO
from typing import TYPE_CHECKING, NamedTuple

import streamlit as st
from PIL import Image

from backend.contract import NOT_A_DIGIT, Prediction
from ui import capabilities, correction
from ui.correction import Gift
from ui.pictures import upright

if TYPE_CHECKING:
    from collections.abc import Iterator

    from backend.contract import Digit, Number
    from ui.client import Client
    from ui.visit import Answer, Visit

MARGINS = (0.25, 0.1, 0.03)  # of a digit's height: paper around it, as much as there is without a neighbour
NUMBERS = re.compile(r"[-+]?\d{1,12}(\.\d{1,12})?( [-+]?\d{1,12}(\.\d{1,12})?){0,15}")
DIGITS = "0123456789"
NOTHING_KEPT = "Nothing of it can be kept: its digits are not told apart."

Box = tuple[int, int, int, int]  # left, top, right, bottom


class Judged(NamedTuple):
    """A digit, what the person says it is, and where it stands alone in the picture."""

    digit: Digit
    label: str
    place: Box


def show(client: Client, visit: Visit, answer: Answer, number: Number) -> None:
    """Ask what it was, then say thanks."""
    with st.container(key="correction"):
        if answer.truth is None:
            return _question(answer, number)
        truth = "no number" if answer.truth == NOT_A_DIGIT else answer.truth
        correction.thank(answer, correction.thanks(answer, truth))
        if capabilities.collects_feedback(client):
            _give(client, visit, answer, judged(answer, number))
    return None


def _give(client: Client, visit: Visit, answer: Answer, found: list[Judged]) -> None:
    if not found:
        st.html(f'<p class="hint">{NOTHING_KEPT}</p>')
        return
    giving = correction.Giving(
        lambda: _cut_outs(answer, found),
        lambda ids: f"Kept for training, each digit by itself: {len(ids)} of {len(found)}.",
        "Take them back",
        "Not all could be taken back just now. Press again in a moment.",
    )
    correction.give(client, visit, answer, giving)


def _question(answer: Answer, number: Number) -> None:
    said = answer.prediction.label or NOT_A_DIGIT
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button("Right", key="right", on_click=correction.judge, args=(answer, said))
        with st.popover("It was …", key="wrong"):
            read = [digit.label for digit in number.digits if digit.probabilities]
            names = [f"{place}: {label}" for place, label in enumerate(read, 1)]
            wrong = st.pills("Which digit is wrong?", names, key=correction.question("wrong", answer)) if read else None
            if wrong:
                place = names.index(wrong)
                key = correction.question(f"truth-{place}", answer)
                others = [digit for digit in DIGITS if digit != read[place]]
                st.pills("What was it?", others, key=key, on_change=_pick, args=(answer, place, key))
            key = correction.question("whole", answer)
            st.text_input("Or the whole number", key=key, max_chars=100, on_change=_write, args=(answer, key))
            if said != NOT_A_DIGIT:
                st.button("No number", key="no-number", on_click=correction.judge, args=(answer, NOT_A_DIGIT))


def _pick(answer: Answer, place: int, key: str) -> None:
    """One digit was another one."""
    if not st.session_state[key]:  # the pill was pressed again
        return
    text = list(answer.prediction.label or "")
    where = [k for k, letter in enumerate(text) if letter in DIGITS][place]
    text[where] = st.session_state[key]
    correction.judge(answer, "".join(text))


def _write(answer: Answer, key: str) -> None:
    """The whole number was written."""
    text = " ".join(str(st.session_state[key]).replace(",", ".").split())
    if NUMBERS.fullmatch(text):
        correction.judge(answer, text)
    elif text:
        st.toast("A number is digits, perhaps with a sign before them and a point between them.")


def judged(answer: Answer, number: Number) -> list[Judged]:
    """The digits that may be given: each with its label and a place of its own."""
    truth, read = answer.truth or "", answer.prediction.label or ""
    if re.sub(r"\d", "0", truth) != re.sub(r"\d", "0", read):  # other cuts than the person sees
        return []
    labels = [letter for letter in truth if letter in DIGITS]
    digits = [digit for digit in number.digits if digit.probabilities]
    places = [_place(digit, number) for digit in digits]
    return [Judged(*each) for each in zip(digits, labels, places, strict=True) if each[2]]  # type: ignore[arg-type] # None is left out


def _place(digit: Digit, number: Number) -> Box | None:
    """A digit's box with paper around, None where another box would be in it."""
    left, top, width, height = digit.box
    others = [other.box for other in number.digits if other is not digit]
    for margin in MARGINS:
        m = max(2, round(margin * height))
        place = (max(0, left - m), max(0, top - m), left + width + m, top + height + m)
        if not any(_meet(place, box) for box in others):
            return place
    return None


def _meet(place: Box, box: list[int]) -> bool:
    left, top, width, height = box
    return left < place[2] and left + width > place[0] and top < place[3] and top + height > place[1]


def _cut_outs(answer: Answer, found: list[Judged]) -> Iterator[Gift]:
    said, image = answer.prediction, upright(Image.open(BytesIO(answer.picture.data)))
    for digit, label, place in found:
        prediction = Prediction(
            digit.label, digit.confidence, digit.probabilities, None, said.model, said.request_id, said.timing_ms
        )
        yield Gift(_cut_out(image, place), label, prediction)


def _cut_out(image: Image.Image, place: Box) -> bytes:
    left, top, right, bottom = place
    buffer = BytesIO()
    image.convert("RGB").crop((left, top, min(right, image.width), min(bottom, image.height))).save(buffer, "PNG")
    return buffer.getvalue()
