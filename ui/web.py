"""The page as an ASGI application that compresses what it sends: what `draw-a-digit` and the container serve.

Streamlit's own server sends its scripts as they are, 3.2 MB on a first visit, and the page's style after what
it moves: a layout shift of 0.3 to 0.4. Here it stands in the document, and each of a visit's 80 scripts is read and
compressed once. `streamlit run ui/app.py` still works.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st
from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

HERE = Path(__file__).parent
FILES = ("/static/", "/_stcore/bidi-components/")  # where Streamlit's own files and its components' are served
MOST_KEPT = 500  # files; a visit takes 80, and nobody fills the memory by asking for other spellings of their paths


class EarlyStyle:
    """Puts a style sheet at the end of each HTML document that passes, where it prevails over those in the head."""

    def __init__(self, app: ASGIApp, sheet: Path) -> None:
        self.app, self._style = app, b"<style>" + sheet.read_bytes() + b"</style></body>"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        is_page = scope["type"] == "http" and scope["method"] == "GET"
        await self.app(scope, receive, _Held(send, _is_html, self._dress) if is_page else send)

    def _dress(self, _: Message, body: bytes) -> bytes:
        return body.replace(b"</body>", self._style, 1)


class KeptFiles:
    """Sends each file from memory once it was sent: Streamlit takes some 10 ms to read and compress one, a visit 80."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self._kept: dict[tuple[str, bool], tuple[Message, bytes]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if not _is_whole_file(scope):
            await self.app(scope, receive, send)
            return
        key = scope["path"], "gzip" in Headers(scope=scope).get("Accept-Encoding", "")
        if key in self._kept:
            await _send_whole(send, *self._kept[key])
            return

        def keep(start: Message, body: bytes) -> bytes:
            if len(self._kept) < MOST_KEPT:
                self._kept[key] = start, body
            return body

        await self.app(scope, receive, _Held(send, _is_found, keep))


class _Held:
    """An ASGI `send` that holds the responses that are `wanted` back until all of their body is there, to change it."""

    def __init__(
        self, send: Send, wanted: Callable[[Message], bool], change: Callable[[Message, bytes], bytes]
    ) -> None:
        self._send, self._wanted, self._change = send, wanted, change
        self._start: Message | None = None
        self._body = b""

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start" and self._wanted(message):
            self._start = message
        elif self._start is None:
            await self._send(message)
        else:
            self._body += message.get("body", b"")
            if not message.get("more_body"):
                await _send_whole(self._send, self._start, self._change(self._start, self._body))


async def _send_whole(send: Send, start: Message, body: bytes) -> None:
    MutableHeaders(raw=start["headers"])["Content-Length"] = str(len(body))
    await send(start)
    await send({"type": "http.response.body", "body": body})


def _is_whole_file(scope: Scope) -> bool:
    """A GET of a file, not of a part of it nor on a condition."""
    if scope["type"] != "http" or scope["method"] != "GET" or not scope["path"].startswith(FILES):
        return False
    return not {"range", "if-none-match", "if-modified-since"} & set(Headers(scope=scope).keys())


def _is_found(start: Message) -> bool:
    return bool(start["status"] == 200) and not _is_html(start)


def _is_html(start: Message) -> bool:
    kind = MutableHeaders(raw=start["headers"]).get("Content-Type", "")
    return start["status"] == 200 and kind.startswith("text/html")


app = st.App(
    HERE / "app.py",
    middleware=[
        Middleware(KeptFiles),
        Middleware(GZipMiddleware, compresslevel=5),
        Middleware(EarlyStyle, sheet=HERE / "style.css"),
    ],
)
