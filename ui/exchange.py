"""One HTTP exchange that always ends: limits on time and size, no redirect, no proxy before this machine itself."""

from __future__ import annotations

import http.client
import re
from contextlib import suppress
from contextvars import ContextVar
from email.utils import parsedate_to_datetime
from ipaddress import ip_address
from socket import SHUT_RDWR
from threading import Timer
from time import time
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import DecodeError, HTTPError, NewConnectionError, ReadTimeoutError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from socket import socket

    from urllib3 import HTTPResponse

MOST_BYTES = 8 * 1024 * 1024  # of an answer: 64 answers with pictures have 0.3 MB
DAY = 86_400.0  # seconds: no Retry-After counts for more
CHUNK = 64 * 1024  # bytes: packed a thousand times, these are 64 MB at most before the limit is seen


class Garbled(requests.RequestException):
    """What came is not HTTP, or longer than any answer."""


class Unusable(ValueError):
    """An address or a header that no request can be made with."""


class Reply(NamedTuple):
    """A whole answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def retry_after(self) -> float | None:
        """Seconds, a day at most, of a number or a date; None where the header means nothing."""
        text = self.headers.get("Retry-After", "").strip()
        if re.fullmatch(r"[0-9]{1,12}(\.[0-9]{1,12})?", text):
            return min(float(text), DAY)
        try:
            then = parsedate_to_datetime(text).timestamp()
        except (ValueError, OverflowError):
            return None
        return min(max(0.0, then - time()), DAY)


class Deadline:
    """Shuts the socket of this thread's exchange when its time is up, whatever waits on it.

    A time-out of the socket alone starts anew with each byte: a server that drips one every few seconds never ends.
    """

    def __init__(self, seconds: float) -> None:
        self.socket: socket | None = None
        self.passed = False
        self._timer = Timer(seconds, self._end)
        self._timer.daemon = True

    def _end(self) -> None:
        self.passed = True
        if self.socket:
            with suppress(OSError):  # closed already
                self.socket.shutdown(SHUT_RDWR)

    def __enter__(self) -> Deadline:
        self._before = DEADLINE.set(self)
        self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()
        DEADLINE.reset(self._before)


DEADLINE: ContextVar[Deadline] = ContextVar("deadline")


class _Connection(HTTPConnection):
    """Known to the deadline, which alone bounds sending: not every line takes 4 MB in the 2 s meant for connecting."""

    def request(self, *args: Any, **options: Any) -> None:
        """See urllib3."""
        if self.sock is None:
            self.connect()
        DEADLINE.get().socket = self.sock
        self.timeout = None
        super().request(*args, **options)


class _TlsConnection(HTTPSConnection, _Connection):
    pass


class _Adapter(HTTPAdapter):
    def get_connection_with_tls_context(self, *args: Any, **options: Any) -> Any:
        """A pool of connections that know their deadline."""
        pool: Any = super().get_connection_with_tls_context(*args, **options)
        pool.ConnectionCls = _TlsConnection if pool.scheme == "https" else _Connection
        return pool


class Exchange:
    """HTTP with one server; `timeout` is the seconds to connect and those for all of an answer."""

    def __init__(self, url: str, headers: Mapping[str, str], timeout: tuple[float, float]) -> None:
        self.url, self._timeout = checked_url(url), timeout
        self._session = requests.Session()
        self._session.headers.update({name: checked_header(name, value) for name, value in headers.items()})
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, _Adapter(pool_maxsize=32))
        host = urlsplit(url).hostname or ""
        self._proxies = {"no_proxy": host} if is_local(host) else {}  # HTTP_PROXY cannot reach this machine's loopback

    def ask(self, method: str, path: str, **request: Any) -> Reply:
        """Raises requests.RequestException, and OSError for a CA bundle that is not there."""
        with Deadline(sum(self._timeout)) as deadline:
            try:
                return self._ask(method, path, **request)
            except (requests.RequestException, HTTPError, http.client.HTTPException, OSError, ValueError) as error:
                if deadline.passed:
                    raise requests.ReadTimeout from error
                if _is_garbled(error):
                    raise Garbled from error
                if isinstance(error, HTTPError | http.client.HTTPException):  # while the body was read
                    raise requests.ConnectionError from error
                raise

    def _ask(self, method: str, path: str, **request: Any) -> Reply:
        how: dict[str, Any] = {
            "timeout": self._timeout,
            "proxies": self._proxies,
            "allow_redirects": False,
            "stream": True,
        }
        with self._session.request(method, self.url + path, **how, **request) as reply:
            return Reply(reply.status_code, reply.headers, _body(reply.raw))


def checked_url(url: str) -> str:
    """An address without its last slash. Raises Unusable."""
    start = f"The address {url!r} cannot be used:"
    if re.search(r"[\s\"'<>\u2018-\u201f\u00ab\u00bb]", url):
        raise Unusable(f"{start} there is a blank or a quotation mark in it.")
    try:
        parts = urlsplit(url)
        known = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:  # a port that is none, half an IPv6 address
        known = False
    if not known or parts.query or parts.fragment or parts.username is not None:
        raise Unusable(f"{start} it is http://host:port or https://host/stage.")
    return url.rstrip("/")


def checked_header(name: str, value: str) -> str:
    """Raises Unusable, without the value in it: it may be a key."""
    strange = [char for char in value if not (char.isascii() and char.isprintable())]
    if strange or value != value.strip():
        what = f"the character U+{ord(strange[0]):04X}" if strange else "a blank at its start or end"
        raise Unusable(f"{name} cannot be sent: it holds {what}. Copy it without blanks and quotation marks.")
    return value


def is_local(host: str) -> bool:
    """Whether the name or address is this machine's own."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _body(raw: HTTPResponse) -> bytes:
    """All of a body, unpacked. Raises Garbled where it is longer than MOST_BYTES."""
    body = bytearray()
    while chunk := raw.read1(CHUNK, decode_content=True):
        body += chunk
        if len(body) > MOST_BYTES:
            raise Garbled
    return bytes(body)


def _is_garbled(error: BaseException) -> bool:
    """Whether something that is no HTTP came, in distinction from a line that broke."""
    broke = (http.client.RemoteDisconnected, http.client.IncompleteRead, ReadTimeoutError)
    garbled = (Garbled, DecodeError, http.client.HTTPException, ValueError)
    settings = (requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema, requests.exceptions.InvalidHeader)
    chain = list(_chain(error))
    return not any(isinstance(each, (*broke, *settings)) for each in chain) and any(
        isinstance(each, garbled) for each in chain
    )


def was_connected(error: BaseException) -> bool:
    """Whether the server may have seen the question."""
    return not any(isinstance(each, NewConnectionError) for each in _chain(error))


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error:
        yield error
        error = error.__cause__ or error.__context__
