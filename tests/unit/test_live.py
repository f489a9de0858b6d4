"""Where the page answers after each stroke by itself: near APIs that embed their model, and nowhere else."""

from __future__ import annotations

import pytest
from streamlit.testing.v1 import AppTest

from backend.contract import Model
from tests.unit.test_page import APP, page
from ui import live
from ui.client import Client

pytestmark = pytest.mark.usefixtures("fresh_page")


@pytest.mark.parametrize(
    ("url", "near"),
    [
        ("http://127.0.0.1:8000", True),
        ("http://localhost:8000", True),
        ("http://[::1]:8000", True),
        ("http://192.168.1.7", True),
        ("http://api:8000", True),
        ("http://nas.local", True),
        ("https://8.8.8.8", False),
        ("https://abc123.execute-api.us-east-1.amazonaws.com/dev", False),
        ("https://api.example", False),
    ],
)
def test_an_api_is_near_on_this_machine_or_in_its_network(url: str, near: bool) -> None:
    assert live._is_near(url) is near


def test_an_api_across_the_internet_keeps_submit_and_is_not_even_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Client, "model", lambda _: pytest.fail("asked"))
    at = page(monkeypatch, None, "https://api.example")
    assert at.toggle(key="live").value is False
    assert not at.exception


def test_an_api_that_is_away_keeps_submit_until_it_is_back(monkeypatch: pytest.MonkeyPatch) -> None:
    assert page(monkeypatch, None).toggle(key="live").value is False
    monkeypatch.setattr(Client, "model", lambda _: Model("digits", "1", "embedded"))
    assert page(monkeypatch, None).toggle(key="live").value is True


@pytest.mark.parametrize("chosen", [True, False])
def test_the_address_keeps_what_was_chosen(monkeypatch: pytest.MonkeyPatch, chosen: bool) -> None:
    monkeypatch.setattr(Client, "model", lambda _: Model("digits", "1", "embedded"))
    monkeypatch.setenv("API_URL", "http://127.0.0.1:9")
    at = AppTest.from_file(str(APP), default_timeout=20)
    at.query_params["live"] = "on" if chosen else "off"
    at.run()
    assert at.toggle(key="live").value is chosen
    at.toggle(key="live").set_value(not chosen).run()
    assert at.query_params["live"] == ("off" if chosen else "on")


def test_submit_stands_out_only_where_it_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    at = page(monkeypatch, None)
    assert at.button(key="submit").proto.type == "primary"
    at.toggle(key="live").set_value(True).run()
    assert at.button(key="submit").proto.type == "secondary"
