"""Live mode: an answer after each stroke. It is the default where a question is quick and costs nothing."""

from __future__ import annotations

from ipaddress import ip_address
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import streamlit as st

from ui import capabilities
from ui.client import ApiError

if TYPE_CHECKING:
    from ui.client import Client
    from ui.visit import Visit

ADDRESS = "live"  # in the page's address, so that the choice outlives a reload: ?live=off


def switch(client: Client, visit: Visit) -> bool:
    """Show the switch -> whether it is on."""
    if visit.hushed:
        st.session_state["live"] = False
    elif "live" not in st.session_state:
        chosen = st.query_params.get(ADDRESS)
        st.session_state["live"] = chosen == "on" if chosen in {"on", "off"} else _by_default(client)
    help_ = "Answers after each stroke, without Submit."
    return st.toggle("Live", key="live", help=help_, on_change=_switched, args=(visit,))


def wanted() -> bool:
    """Whether the switch is on, as of the last time it was shown."""
    return bool(st.session_state.get("live"))


def _switched(visit: Visit) -> None:
    visit.hushed = False
    st.query_params[ADDRESS] = "on" if wanted() else "off"


def _by_default(client: Client) -> bool:
    """Not where the API relays each question to an endpoint, nor across the internet: that is slow, and paid for."""
    try:
        return _is_near(client.url) and capabilities.served_by(client) == "embedded"
    except ApiError:
        return False


def _is_near(url: str) -> bool:
    """Whether the address is on this machine or in its own network."""
    host = urlsplit(url).hostname or ""
    try:
        return ip_address(host).is_private
    except ValueError:
        return "." not in host or host.endswith((".local", ".internal"))
