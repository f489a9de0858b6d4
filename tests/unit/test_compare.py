"""What "Compare" says: one row a model, and whether they agree."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from backend.contract import ModelCard, Prediction
from tests.unit.test_answer import READ, REJECTED
from tests.unit.test_client import CARD
from ui import client, compare
from ui.visit import Reading

DEPLOYED = ModelCard(**CARD | {"network": "convnet", "bytes": 621_476, "parameters": 306_155})
SMALL = replace(DEPLOYED, name="mlp", network="mlp", deployed=False, bytes=209_000)


def reading(label: str | None, card: ModelCard = SMALL) -> Reading:
    return Reading(card, replace(READ if label else REJECTED, label=label))


def texts(row: str) -> list[str]:
    return [" ".join(re.sub(r"<[^>]+>", " ", cell).split()) for cell in re.findall(r"<t[hd].*?</t[hd]>", row)]


@pytest.mark.parametrize(
    ("labels", "sentence"),
    [
        (["3", "3", "3"], "All 3 read it as 3."),
        ([None, None], "All 2 take it for nothing they know."),
        (["3", "8", "3"], "They disagree: 2 of 3 read it as 3."),
        (["3", None, None], "They disagree: 2 of 3 take it for nothing they know."),
        (["<", "<"], "All 2 read it as &lt;."),
        ([], "None of them has answered."),
    ],
)
def test_a_sentence_says_whether_they_agree(labels: list[str | None], sentence: str) -> None:
    assert compare.verdict([reading(label) for label in labels]) == sentence


def test_each_model_has_its_size_and_its_time() -> None:
    fast = replace(READ, timing_ms={"inference": 0.0312})
    rows = compare.table([Reading(SMALL, fast), Reading(DEPLOYED, READ)]).split("<tr>")[2:]
    assert [texts(row) for row in rows] == [
        ["mlp one hidden layer of 128, 2 labels, 209 kB", "7", "98.0 %", "0.03 ms"],
        ["convnet six convolutions, 2 labels, 621 kB", "7", "98.0 %", "12 ms"],
    ]


def test_a_rejection_and_a_failure_have_their_row() -> None:
    failed = Reading(SMALL, client.RateLimited("secret inside"))
    table = compare.table([reading(None), failed])
    assert texts(table.split("<tr>")[2])[1:3] == ["?", "rejected"]
    assert "That was a lot of questions." in table
    assert "secret inside" not in table


def test_what_an_endpoint_does_not_tell_is_left_out() -> None:
    plain = replace(DEPLOYED, network=None, bytes=None)
    assert texts(compare.table([Reading(plain, READ)]).split("<tr>")[2])[0] == "digits 2 labels"
    assert compare.size(replace(DEPLOYED, bytes=1_250_000)) == "1.2 MB"


def test_strangers_words_are_text() -> None:
    card, odd = replace(SMALL, name="<b>"), Prediction(**vars(READ) | {"label": "<i>"})
    table = compare.table([Reading(card, odd)])
    assert "<b>" not in table
    assert "<i>" not in table
