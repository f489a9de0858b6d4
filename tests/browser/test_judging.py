"""Right and wrong, consent, and taking a drawing back; and the page for everyone: axe, both themes, a long visit."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from axe_playwright_python.sync_playwright import Axe

from tests.browser.conftest import STROKES

if TYPE_CHECKING:
    from subprocess import Popen

    from tests.browser.conftest import MoodyApi, Visit, Visitor

WCAG = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]}


def correct(visitor: Visitor, label: str) -> None:
    """Say what it was; the list of labels opens and closes with a movement."""
    visitor.await_rest()
    labels = visitor.page.get_by_test_id("stPopoverBody")
    if not labels.is_visible():  # a press would close it
        visitor.press("It was a …")
        visitor.await_rest()
    labels.get_by_text(label, exact=True).click()


def keep(visit: Visit, url: str, digit: str) -> Visitor:
    """Somebody whose drawing was read right, and is kept with consent."""
    visitor = visit(url)
    visitor.draw(digit)
    visitor.submit()
    visitor.press("Right")
    visitor.press("Yes, keep them")
    visitor.await_text("Kept for training, as")
    return visitor


def take_back(visitor: Visitor) -> None:
    visitor.press("Take it back")
    visitor.page.get_by_role("button", name="Right").wait_for()


def test_a_correction_stays_in_the_visit_when_consent_is_refused(visit: Visit, moody_url: str, api: MoodyApi) -> None:
    visitor = visit(moody_url)
    visitor.draw("1")
    visitor.submit()
    correct(visitor, "7")
    visitor.await_text("noted as 7")
    visitor.press("No")
    visitor.page.get_by_role("button", name="Bring back: read as 1, you said 7").wait_for()
    assert api.kept() == []


def test_a_scribble_rightly_refused_and_a_letter_wrongly_read_are_judged_and_a_choice_is_changed(
    visit: Visit, moody_url: str, api: MoodyApi
) -> None:
    """Kept as the label that training reads as no digit."""
    visitor = visit(moody_url)
    visitor.draw("1")
    visitor.submit()
    correct(visitor, "no digit")
    visitor.await_text("noted as no digit")
    visitor.press("Change")
    visitor.press("Right")
    visitor.await_text("Glad to hear it.")
    visitor.press("Change")
    correct(visitor, "no digit")
    visitor.press("Yes, keep them")
    visitor.await_text("Kept for training, as")
    assert api.kept_labels() == ["not_a_digit"]
    take_back(visitor)
    assert api.kept() == []


def test_who_thinks_again_while_a_drawing_is_sent_has_it_kept_as_it_was_judged_last(
    visit: Visit, moody_url: str, api: MoodyApi
) -> None:
    """The run that sends it does not end, so its widgets keep their values: the same label is pressed once more."""
    visitor = keep(visit, moody_url, "1")
    take_back(visitor)
    for label in ("7", "no digit"):
        api.slow, api.delay = "/feedback", 60
        correct(visitor, label)
        visitor.await_text(f"noted as {label}")
        visitor.press("Change")
        visitor.page.get_by_role("button", name="Right").wait_for()
        visitor.page.keyboard.press("Escape")  # the list of labels stays open
        api.mend()
        api.await_kept()
    correct(visitor, "no digit")
    api.await_kept("not_a_digit")
    visitor.press("Take it back")
    api.await_kept()


def test_a_judged_drawing_is_kept_with_consent_and_can_be_taken_back(
    visit: Visit, moody_url: str, api: MoodyApi
) -> None:
    visitor = keep(visit, moody_url, "5")
    kept = visitor.page.locator(".st-key-correction code").inner_text()
    assert api.kept() == [kept]
    take_back(visitor)
    assert api.kept() == []


def violations(visitor: Visitor) -> list[tuple[str, list[str]]]:
    visitor.await_rest()
    found = Axe().run(visitor.page, options=WCAG).response["violations"]
    return [(each["id"], [node["html"][:120] for node in each["nodes"]]) for each in found]


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("phone", [False, True], ids=["desk", "phone"])
def test_no_violation_of_wcag_a_and_aa(visit: Visit, moody_url: str, api: MoodyApi, dark: bool, phone: bool) -> None:
    visitor = visit(moody_url, dark=dark, phone=phone, reduced_motion="reduce")
    assert violations(visitor) == [], "empty"
    visitor.draw("3")
    visitor.submit()
    visitor.page.get_by_text("Call it from your code").click()
    visitor.page.locator("[data-testid=stCode]").first.wait_for()
    assert violations(visitor) == [], "answered"
    visitor.clear()
    api.refuse(500, "internal-error")
    visitor.draw("8")
    visitor.press("Submit")
    visitor.await_state(failed="true")
    assert violations(visitor) == [], "failed"
    visitor.page.get_by_role("tab", name="Upload").click()
    visitor.page.locator("[data-testid=stFileUploaderDropzone] button").wait_for()
    assert violations(visitor) == [], "upload"


def test_headings_descend_without_a_gap_and_pictures_have_words(visit: Visit, page_url: str) -> None:
    visitor = visit(page_url)
    visitor.draw("3")
    visitor.submit()
    levels = visitor.page.locator("h1, h2, h3, h4").evaluate_all("all => all.map(e => Number(e.tagName[1]))")
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    steps = visitor.page.locator(".steps [role=img], .steps img")
    words = steps.evaluate_all("all => all.map(e => e.alt || e.ariaLabel)")
    assert len(words) == 5
    assert all(len(alt) > 20 for alt in words)


def test_a_new_answer_is_announced_in_one_lasting_region(visit: Visit, page_url: str) -> None:
    visitor = visit(page_url)
    region = visitor.page.locator("#announcement").element_handle()
    said = []
    for style in (0, 1):
        visitor.draw("7", style)
        said.append(visitor.submit())
        visitor.clear()
    assert region is not None
    assert region.evaluate("e => e.isConnected && e.getAttribute('role') === 'status'")
    assert said[0].startswith("Read as 7:")


def test_nothing_moves_when_less_motion_is_wished(visit: Visit, page_url: str) -> None:
    visitor = visit(page_url, reduced_motion="reduce")
    visitor.draw("3")
    visitor.submit()
    names = visitor.page.locator(".headline, .bars .bar span").evaluate_all(
        "all => all.map(e => getComputedStyle(e).animationName)"
    )
    assert set(names) == {"none"}


def resident_megabytes(pid: int) -> float:
    line = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1024


@pytest.mark.slow
def test_fifty_drawings_grow_the_page_by_less_than_30_megabytes(
    visit: Visit, page_process: tuple[Popen[bytes], str]
) -> None:
    """After ten drawings, by which everything is loaded and the history is half full."""
    process, url = page_process
    visitor, sizes, digits = visit(url), [], list(STROKES)
    for number in range(60):
        visitor.draw(digits[number % 10], number // 10 % 3)
        visitor.stroke([[20 + 4 * number, 260], [22 + 4 * number, 260]])
        visitor.submit()
        visitor.clear()
        if number in (9, 59):
            sizes.append(resident_megabytes(process.pid))
    assert sizes[1] - sizes[0] < 30, sizes
