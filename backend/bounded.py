"""boto3 clients whose answers end: the whole of one within a time and a size, or the connection is closed.

boto3's own read timeout is for each read, so that an answer which drips a byte now and then keeps within it for ever.
"""

from __future__ import annotations

import gzip
import io
from contextlib import suppress
from http.client import HTTPResponse
from time import monotonic
from typing import TYPE_CHECKING, Any

import boto3
import msgspec
from botocore.awsrequest import AWSHTTPConnection, AWSHTTPConnectionPool, AWSHTTPSConnection, AWSHTTPSConnectionPool
from botocore.config import Config
from botocore.exceptions import BotoCoreError
from botocore.loaders import JSONFileLoader, create_loader
from botocore.session import get_session

from backend.settings import SettingsError

if TYPE_CHECKING:
    import socket

MAX_ANSWER_BYTES = 8 * 1024 * 1024  # head and body; SageMaker answers with 6 MB at most


class Line(io.RawIOBase):
    """What comes over a socket, until one answer's time or size is used up. Raises TimeoutError, OSError."""

    def __init__(self, connected: socket.socket, raw: io.RawIOBase) -> None:
        self._socket, self._raw = connected, raw
        self._read_timeout = connected.gettimeout()
        self._ends_at = monotonic() + (self._read_timeout or 0)
        self._left = MAX_ANSWER_BYTES

    def readable(self) -> bool:
        """See RawIOBase."""
        return True

    def readinto(self, buffer: Any) -> int | None:
        """See RawIOBase."""
        if self._left <= 0:
            raise OSError(f"an answer of over {MAX_ANSWER_BYTES} bytes")
        if self._read_timeout is not None:
            self._socket.settimeout(max(self._ends_at - monotonic(), 0.001))  # 0 would mean: do not wait
        n = self._raw.readinto(buffer)
        self._left -= n or 0
        return n

    def close(self) -> None:
        """See RawIOBase; the socket stays open for the next answer."""
        self._raw.close()
        super().close()


class Answer(HTTPResponse):
    """One answer, read through a `Line`: the socket's read timeout is the time of it all."""

    def __init__(self, sock: socket.socket, *arguments: Any, **options: Any) -> None:
        super().__init__(sock, *arguments, **options)
        self.fp = io.BufferedReader(Line(sock, self.fp.detach()))


class Connection(AWSHTTPConnection):
    """Plain HTTP."""

    response_class = Answer  # type: ignore[assignment]  # botocore-stubs name its own, for what follows Expect


class SecureConnection(AWSHTTPSConnection):
    """HTTPS."""

    response_class = Answer  # type: ignore[assignment]  # botocore-stubs name its own, for what follows Expect


class Pool(AWSHTTPConnectionPool):
    """Plain HTTP."""

    ConnectionCls = Connection


class SecurePool(AWSHTTPSConnectionPool):
    """HTTPS."""

    ConnectionCls = SecureConnection


class Descriptions(JSONFileLoader):
    """Of services, as botocore has them: endpoints.json alone has 1.2 MB, which `json` with a hook reads slowly."""

    def load_file(self, file_path: str) -> Any:
        """See JSONFileLoader: without the ending; None where there is no such file."""
        with suppress(FileNotFoundError), open(f"{file_path}.json", "rb") as file:  # noqa: PTH123 - as gzip.open
            return msgspec.json.decode(file.read())
        with suppress(FileNotFoundError), gzip.open(f"{file_path}.json.gz") as file:
            return msgspec.json.decode(file.read())
        return None


def _session(service: str) -> boto3.Session:
    """boto3's session for one service, without botocore's search of 400 folders for its name."""
    session = get_session()
    loader = create_loader(session.get_config_variable("data_path"))
    loader.file_loader = Descriptions()
    loader.list_available_services = lambda *_, **__: [service]  # type: ignore[method-assign]
    session.register_component("data_loader", loader)
    return boto3.Session(botocore_session=session)


def make_client(service: str, **waiting: Any) -> Any:
    """boto3's client of a service, with these settings of botocore's Config; its read timeout is a whole answer's.

    Raises SettingsError where boto3 cannot be set up: no region, no such profile, an address without http://.
    """
    try:
        client = _session(service).client(service, config=Config(**waiting))
    except (BotoCoreError, ValueError) as error:
        said = str(error).rstrip(".")
        raise SettingsError(f"boto3 cannot ask {service}: {said}. See AWS_DEFAULT_REGION and the like.") from None
    # botocore names no way to its pools; the dictionary is the one of its own manager and of its proxies' too.
    session = client._endpoint.http_session
    session._pool_classes_by_scheme.update(http=Pool, https=SecurePool)
    return client
