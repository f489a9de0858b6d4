"""Logging never decides about an answer: a full disk, a closed pipe, a pipe that nobody reads, no stream at all."""

from __future__ import annotations

import json
import os
import sys
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from backend.app import create_app
from backend.output import Output

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from flask.testing import FlaskClient

    from backend.predictors import EmbeddedPredictor

PNG = {"content_type": "image/png"}
LINE = "x" * 300 + "\n"


@pytest.fixture
def client(embedded: EmbeddedPredictor) -> FlaskClient:
    """The API that writes a line for each request."""
    return create_app({"log": "1"}, embedded).test_client()


@pytest.fixture
def pipe(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], int]]:
    """Make standard output a pipe -> the end to read from, which does not wait. Pytest sets it before each test."""
    read, write = os.pipe()
    os.set_blocking(read, False)
    with os.fdopen(write, "w") as stream:

        def redirect() -> int:
            monkeypatch.setattr(sys, "stdout", stream)
            return read

        yield redirect
        monkeypatch.undo()
    os.close(read)


def test_a_full_disk_costs_no_answer(client: FlaskClient, seven: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    with Path("/dev/full").open("w") as full:
        monkeypatch.setattr(sys, "stdout", full)
        assert [client.post("/predictions", data=seven, **PNG).status_code for _ in range(3)] == [200] * 3


def test_a_reader_that_is_gone_costs_no_answer(
    client: FlaskClient, seven: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "w") as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        assert [client.post("/predictions", data=seven, **PNG).status_code for _ in range(3)] == [200] * 3


def test_a_reader_that_stalls_costs_no_answer_and_the_lines_lost_are_counted(
    client: FlaskClient, pipe: Callable[[], int]
) -> None:
    """600 requests are more than the 64 kB that a pipe holds; when it is read again, lines are whole again."""
    reader = pipe()
    for _ in range(600):
        assert client.get("/health").status_code == 200
    held = os.read(reader, 1_000_000)
    assert client.get("/health").status_code == 200
    lines = [json.loads(line) for line in (held + os.read(reader, 1_000_000)).splitlines() if line.endswith(b"}")]
    assert lines[-1]["lines_dropped"] == 601 - len(lines)


@pytest.mark.parametrize("stream", [None, "closed"])
def test_no_stream_costs_no_answer(client: FlaskClient, stream: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    closed = StringIO()
    closed.close()
    monkeypatch.setattr(sys, "stdout", closed if stream else None)
    assert client.get("/health").status_code == 200


def test_a_long_line_through_a_pipe_that_is_read_arrives_whole(pipe: Callable[[], int]) -> None:
    reader = pipe()
    Output("stdout").write("é" * 20_000 + "\n")
    assert os.read(reader, 60_000).decode() == "é" * 20_000 + "\n"


def test_a_line_that_breaks_off_is_ended_before_the_next(pipe: Callable[[], int]) -> None:
    reader, output = pipe(), Output("stdout")
    output.write(LINE * 1000)  # 300 kB into the pipe's 64
    assert output.dropped == 1
    held = os.read(reader, 1_000_000)
    output.write("whole\n")
    assert output.dropped == 0
    assert os.read(reader, 1000) == b"\nwhole\n"
    assert not held.endswith(b"\n")
