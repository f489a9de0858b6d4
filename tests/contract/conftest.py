"""The API before a misbehaving endpoint."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from backend.app import create_app
from tests.contract.misbehaving import Runtime

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flask import Flask


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> None:
    """Credentials of nobody."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")


@pytest.fixture
def runtime(aws: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Runtime]:
    """A misbehaving runtime that boto3 is pointed at by boto3's own variable."""
    with Runtime() as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME", server.url)
        yield server


@pytest.fixture
def relay(runtime: Runtime) -> Flask:
    """The API that relays to `runtime`."""
    return create_app({"sagemaker_endpoint_name": "digits"})
