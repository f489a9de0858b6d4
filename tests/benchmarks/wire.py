"""As little HTTP client as will do, so that what is measured is the server: prepared bytes out, status and body in."""

from __future__ import annotations

import socket


class Wire:
    """One connection, kept open where the server does."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._socket: socket.socket | None = None

    def exchange(self, message: bytes) -> tuple[int, bytes]:
        """A whole request -> status and body; once more where the server had hung up meanwhile. Raises OSError."""
        reused = self._socket is not None
        try:
            return self._exchange(message)
        except ConnectionError:
            self.close()
            if not reused:
                raise
            return self._exchange(message)

    def _exchange(self, message: bytes) -> tuple[int, bytes]:
        if self._socket is None:
            self._socket = socket.create_connection(("127.0.0.1", self._port), 60)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.sendall(message)
        head, rest = self._head()
        lines = head.lower().split(b"\r\n")
        fields = dict(line.split(b": ", 1) for line in lines[1:])
        body = self._body(fields, rest)
        if lines[0].startswith(b"http/1.0") or fields.get(b"connection") == b"close":
            self.close()
        return int(lines[0].split(b" ")[1]), body

    def close(self) -> None:
        """Hang up."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _receive(self) -> bytes:
        assert self._socket is not None
        data = self._socket.recv(65536)
        if not data:
            raise ConnectionResetError("the server hung up")
        return data

    def _head(self) -> tuple[bytes, bytes]:
        data = b""
        while b"\r\n\r\n" not in data:
            data += self._receive()
        head, _, rest = data.partition(b"\r\n\r\n")
        return head, rest

    def _body(self, fields: dict[bytes, bytes], rest: bytes) -> bytes:
        if fields.get(b"transfer-encoding") == b"chunked":
            while not rest.endswith(b"0\r\n\r\n"):
                rest += self._receive()
            return rest  # with the chunks' sizes in between: nobody here minds
        while len(rest) < int(fields.get(b"content-length", b"0")):
            rest += self._receive()
        return rest


def post(path: str, body: bytes, content_type: str) -> bytes:
    """A POST's bytes."""
    about = f"Content-Type: {content_type}\r\nContent-Length: {len(body)}"
    return f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{about}\r\n\r\n".encode() + body


def get(path: str) -> bytes:
    """A GET's bytes."""
    return f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode()


def form(png: bytes, field: str) -> tuple[bytes, str]:
    """A picture as a form's file -> body and content type."""
    about = f'Content-Disposition: form-data; name="{field}"; filename="a.png"\r\nContent-Type: image/png'
    return f"--edge\r\n{about}\r\n\r\n".encode() + png + b"\r\n--edge--\r\n", "multipart/form-data; boundary=edge"
