"""The comparison: opened by a press, one row a model, on any screen."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from backend.settings import SHIPPED_MODEL
from tests.browser.conftest import EXCESS
from tests.browser.test_judging import violations

if TYPE_CHECKING:
    from tests.browser.conftest import Visit

CARDS = [json.loads(path.read_text(encoding="utf-8")) for path in SHIPPED_MODEL.parent.glob("*/card.json")]
SHIPPED = [
    "convnet" if card["name"] == "digits" else card["name"]
    for card in sorted(CARDS, key=lambda card: card["parameters"])
]


@pytest.mark.parametrize("phone", [False, True])
def test_a_drawing_is_read_by_every_model_side_by_side(visit: Visit, page_url: str, phone: bool) -> None:
    """The smallest first; then the next drawing's comparison takes this one's place by itself."""
    visitor = visit(page_url, phone=phone, dark=phone, reduced_motion="reduce")
    visitor.draw("3")
    visitor.submit()
    visitor.page.get_by_text("Compare: the same drawing").click()
    rows = visitor.page.locator(".compare tbody tr")
    expect(rows.locator("strong")).to_have_text(SHIPPED)
    expect(rows.filter(has_text=" kB").filter(has_text=" ms")).to_have_count(len(SHIPPED))
    visitor.page.locator(".compare tr", has_text="convnet").get_by_text("3", exact=True).wait_for()
    assert max(visitor.page.evaluate(EXCESS)) <= 0
    assert violations(visitor) == []
    visitor.clear()
    visitor.draw("7")
    visitor.submit()
    visitor.page.locator(".compare tr", has_text="convnet").get_by_text("7", exact=True).wait_for()
