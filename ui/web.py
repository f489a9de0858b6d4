"""The page as an ASGI application that compresses what it sends: what `draw-a-digit` and the container serve.

Streamlit's own server sends its scripts as they are, 3.2 MB on a first visit, and the page's style after what
it moves: a layout shift of 0.3 to 0.4. Here it stands in the document. `streamlit run ui/app.py` still works.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st
from starlette.datastructures import MutableHeaders
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

HERE = Path(__file__).parent


class EarlyStyle:
    """Puts a style sheet at the end of each HTML document that passes, where it prevails over those in the head."""

    def __init__(self, app: ASGIApp, sheet: Path) -> None:
        self.app, self._style = app, b"<style>" + sheet.read_bytes() + b"</style></body>"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        is_page = scope["type"] == "http" and scope["method"] == "GET"
        await self.app(scope, receive, _Rewriting(send, self._style) if is_page else send)


class _Rewriting:
    """An ASGI `send` that holds HTML back until all of it is there."""

    def __init__(self, send: Send, style: bytes) -> None:
        self._send, self._style = send, style
        self._start: Message | None = None
        self._body = b""

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start" and _is_html(message):
            self._start = message
        elif self._start is None:
            await self._send(message)
        else:
            self._body += message.get("body", b"")
            if not message.get("more_body"):
                await self._finish(self._start)

    async def _finish(self, start: Message) -> None:
        body = self._body.replace(b"</body>", self._style, 1)
        MutableHeaders(raw=start["headers"])["Content-Length"] = str(len(body))
        await self._send(start)
        await self._send({"type": "http.response.body", "body": body})


def _is_html(start: Message) -> bool:
    kind = MutableHeaders(raw=start["headers"]).get("Content-Type", "")
    return start["status"] == 200 and kind.startswith("text/html")


app = st.App(
    HERE / "app.py",
    middleware=[Middleware(GZipMiddleware, compresslevel=5), Middleware(EarlyStyle, sheet=HERE / "style.css")],
)
