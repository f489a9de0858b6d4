"""How an answer leaves the server: whole, in one packet, on a connection that stays open."""

from __future__ import annotations

import socket
from urllib.parse import urlsplit


def test_head_and_body_leave_together_and_the_connection_stays_open(live_api: str, seven: bytes) -> None:
    where = urlsplit(live_api)
    lines = [
        "POST /predictions HTTP/1.1",
        "Host: localhost",
        "Content-Type: image/png",
        f"Content-Length: {len(seven)}",
    ]
    head = "\r\n".join([*lines, "", ""])
    with socket.create_connection((where.hostname, where.port), 10) as line:
        for _ in range(3):
            line.sendall(head.encode() + seven)
            first, _, body = line.recv(65536).partition(b"\r\n\r\n")
            assert first.startswith(b"HTTP/1.1 200")
            assert f"content-length: {len(body)}".encode() in first.lower()


def test_head_request_has_a_length_and_no_body(live_api: str) -> None:
    where = urlsplit(live_api)
    with socket.create_connection((where.hostname, where.port), 10) as line:
        line.sendall(b"HEAD /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert line.recv(65536).endswith(b"\r\n\r\n")
