"""The page's examples, read by the model that ships: what is easy, what is doubtful, what is no digit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ui import examples

if TYPE_CHECKING:
    from flask.testing import FlaskClient


def read(client: FlaskClient, name: str) -> dict[str, object]:
    answer = client.post("/predictions", data=examples.picture(name).data, content_type="image/png")
    assert answer.status_code == 200
    return dict(answer.get_json())


@pytest.mark.parametrize(("name", "digit"), [("An easy 3", "3"), ("A crossed 7", "7")])
def test_what_is_easy_is_read_with_certainty(client: FlaskClient, name: str, digit: str) -> None:
    answer = read(client, name)
    assert answer["label"] == digit
    assert answer["confidence"] > 0.95


@pytest.mark.parametrize("name", ["A letter", "A scribble"])
def test_what_is_no_digit_is_rejected(client: FlaskClient, name: str) -> None:
    assert read(client, name)["label"] is None


@pytest.mark.parametrize(("name", "digits"), [("A 1 or a 7?", "17"), ("A 4 or a 9?", "49")])
def test_what_is_doubtful_is_one_of_the_two(client: FlaskClient, name: str, digits: str) -> None:
    assert str(read(client, name)["label"]) in digits
