"""Whole numbers written with the mouse on the wide sheet, on a desk and on a phone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import STROKES

if TYPE_CHECKING:
    from tests.browser.conftest import MoodyApi, Visit, Visitor

OVERLAPPING, CLOSE, APART = -0.2, 0.08, 0.25  # of a digit's height
WRITTEN = [  # the number, the gap between its digits
    ("7", APART), ("10", APART), ("42", CLOSE), ("365", APART), ("808", CLOSE), ("2026", APART), ("1994", CLOSE),
    ("31415", APART), ("602214", APART), ("-12.5", APART),
]  # fmt: skip


def write(visitor: Visitor, number: str, gap: float) -> None:
    """Digits side by side, as high as the sheet's width lets them be; a minus and a point as strokes of their own."""
    placed, right = [], 0.0
    for n, letter in enumerate(number):
        strokes = {"-": [[[0, 0.5], [0.4, 0.5]]], ".": [[[0, 0.97], [0.02, 1.0]]]}.get(letter) or unit(letter, n % 3)
        left = min(x for stroke in strokes for x, _ in stroke)
        placed += [[[x - left + right, y] for x, y in stroke] for stroke in strokes]
        right = max(x for stroke in placed for x, _ in stroke) + gap + PEN
    height = min(78, 250 / right)  # the sheet is 280 wide and 140 high, as Visitor.stroke counts
    for stroke in placed:
        visitor.stroke([[15 + height * x, 30 + height * y] for x, y in stroke])


PEN = 0.08


def unit(digit: str, style: int) -> list[list[list[float]]]:
    """A digit's strokes, its height 1."""
    strokes = STROKES[digit][style]
    x, y = ([point[k] for stroke in strokes for point in stroke] for k in (0, 1))
    height = max(y) - min(y)
    return [[[(a - min(x)) / height, (b - min(y)) / height] for a, b in stroke] for stroke in strokes]


@pytest.mark.parametrize("phone", [False, True], ids=["desk", "phone"])
@pytest.mark.parametrize("written", [WRITTEN[5::4], pytest.param(WRITTEN, marks=pytest.mark.slow)], ids=["two", "ten"])
def test_numbers_are_read(visit: Visit, page_url: str, phone: bool, written: list[tuple[str, float]]) -> None:
    visitor = visit(f"{page_url}/?read=number", phone=phone)
    for number, gap in written:
        write(visitor, number, gap)
        visitor.submit(f"Read as {number}:")
        expect(visitor.page.locator(".framed .frame")).to_have_count(len(number))
        visitor.clear()


@pytest.mark.parametrize("phone", [False, True], ids=["desk", "phone"])
def test_digits_that_overlap_are_told_apart_by_their_strokes(visit: Visit, page_url: str, phone: bool) -> None:
    visitor = visit(f"{page_url}/?read=number", phone=phone)
    for number in ("96", "858", "7298"):
        write(visitor, number, OVERLAPPING)
        visitor.submit(f"Read as {number}:")
        visitor.clear()


@pytest.mark.parametrize("phone", [False, True], ids=["desk", "phone"])
def test_the_sheet_of_a_number_is_wide(visit: Visit, page_url: str, phone: bool) -> None:
    visitor = visit(f"{page_url}/?read=number", phone=phone)
    box = visitor.paper.bounding_box()
    assert box
    assert box["width"] == pytest.approx(2 * box["height"], abs=3)
    assert box["width"] >= (350 if phone else 480)


def test_a_frame_opens_the_bars_of_its_digit_and_closes_the_others(visit: Visit, page_url: str) -> None:
    visitor = visit(f"{page_url}/?read=number")
    write(visitor, "42", APART)
    visitor.submit()
    frames = visitor.page.locator(".framed summary.frame")
    for n in (0, 1):
        frames.nth(n).click()
        expect(visitor.page.locator(".framed details[open]")).to_have_count(1)
        expect(visitor.page.locator(".framed details[open] .bars .top .name")).to_have_text("42"[n])


def test_live_mode_reads_a_number_as_it_grows(visit: Visit, moody_url: str, api: MoodyApi) -> None:
    visitor = visit(f"{moody_url}/?read=number")
    visitor.page.locator(".st-key-live label").first.click()
    visitor.await_state(live="true")
    write(visitor, "17", APART)
    visitor.await_answer("Read as 17:")
