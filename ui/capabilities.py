"""What the page knows of its API, asked once for all visits and again after five minutes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from ui.client import ApiError, Client

if TYPE_CHECKING:
    from backend.contract import ModelCard

# What raises is not kept: then the next run of the page asks again.
lasting = st.cache_data(ttl=300, show_spinner=False, hash_funcs={Client: lambda client: client.url})


@lasting
def collects_feedback(client: Client) -> bool:
    """Whether the API keeps drawings at all; it does not while it cannot be asked."""
    try:
        return client.collects_feedback()
    except ApiError:
        return False


@lasting
def models(client: Client) -> list[ModelCard]:
    """The models that the API serves. Raises ApiError."""
    return client.models()


@lasting
def served_by(client: Client) -> str:
    """Where the deployed model is. Raises ApiError."""
    return client.model().served_by
