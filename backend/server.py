"""The API on a real threaded server (waitress), for everywhere but Lambda: `python -m backend.server --port 8000`."""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import logging
import signal
import sys
import threading
import time
from ipaddress import ip_address
from typing import TYPE_CHECKING

from waitress import wasyncore
from waitress.server import TcpWSGIServer

from backend import contract
from backend.app import create_app
from backend.connections import Channel
from backend.keys import is_among, keep_to_loopback_names
from backend.output import Output
from backend.predictors import CONNECTIONS
from backend.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterable

    from flask import Flask

THREADS = 3  # computing gains nothing from more: 8 clients on 2 cores got 555 answers a second of 8, 635 of these
WAITING_THREADS = CONNECTIONS + THREADS  # for a relay, where a slow endpoint may hold that many for 13 s each
CONNECTIONS_OF_ONE = 128  # of one address; the oldest that is not being answered makes room for the next
CONNECTIONS_OF_ALL = 512
DRAIN_SECONDS = 10  # at most, from SIGTERM to the end: what came in whole or in part is answered
QUIET_SECONDS = 0.3  # without a request, after which nobody is taken to be just about to send one


class Here(threading.local):
    """What a thread knows of the connection that it serves."""

    has_next = False  # whether it has read the next request itself
    goes_on = False  # whether it answers that one, too


class Server(TcpWSGIServer):  # type: ignore[misc]  # waitress has no types
    """Listens from the start, on `effective_port`; `run()` answers until `stop()`, or `drain()` has ended."""

    channel_class = Channel

    def __init__(self, app: Flask, host: str = "127.0.0.1", port: int = 0, threads: int = THREADS) -> None:
        self._by_address: dict[str, dict[int, Channel]] = {}
        self._proxies = app.config.get("TRUSTED_PROXIES", [])
        self._drain_since, self._last_busy = 0.0, 0.0
        self.here = Here()
        super().__init__(
            app,
            host=host,
            port=port,
            threads=threads,
            max_request_body_size=contract.MAX_BODY_BYTES + 1,  # of a chunked body, which says its size at its end
            connection_limit=2 * CONNECTIONS_OF_ALL,
            asyncore_use_poll=True,  # select() ends at 1024 files
            cleanup_interval=1,  # second between two looks at the time limits
            ident=None,
        )
        self.adj.admits = app.config.get("ADMITS", lambda _: True)
        if ip_address(self.effective_host).is_loopback:
            keep_to_loopback_names(app)

    @property
    def draining(self) -> bool:
        """Whether each answer is its connection's last."""
        return self._drain_since > 0

    def pull_trigger(self) -> None:
        """See waitress; the loop is not woken for a connection whose next request is there already."""
        if not self.here.has_next:
            super().pull_trigger()

    def add_task(self, task: Channel) -> None:
        """See waitress; where nobody waits in the queue, the thread that has read a request goes on with it."""
        if self.here.has_next and not self.task_dispatcher.queue:
            self.here.goes_on = True
        else:
            super().add_task(task)

    def make_room(self, new: Channel) -> None:
        """Note a new connection, and close another where there are too many of its address, or of all."""
        siblings = self._by_address.setdefault(new.addr[0], {})
        siblings[id(new)] = new
        if len(siblings) > CONNECTIONS_OF_ONE and not is_among(new.addr[0], self._proxies):
            _evict(siblings.values(), new)
        elif len(self.active_channels) > CONNECTIONS_OF_ALL:
            _evict(self.active_channels.values(), new)

    def forget(self, old: Channel) -> None:
        """A connection is closed."""
        siblings = self._by_address.get(old.addr[0], {})
        siblings.pop(id(old), None)
        if not siblings:
            self._by_address.pop(old.addr[0], None)

    def maintenance(self, now: float) -> None:
        """See waitress."""
        for channel in list(self.active_channels.values()):
            channel.keep_to_time(now)

    def run(self) -> None:
        """Answer until the end."""
        while self._map and not self._drained():
            wasyncore.loop(timeout=0.1 if self.draining else 1, use_poll=True, map=self._map, count=1)
        for channel in list(self.active_channels.values()):
            channel.end()
        self.task_dispatcher.shutdown(timeout=1)

    def drain(self) -> None:
        """Take no new connection, answer what is coming in, then end `run()`; a second call ends it at once."""
        self._drain_since = -1.0 if self.draining else time.time()
        self.trigger.pull_trigger()

    def _drained(self) -> bool:
        """Whether the loop is to end; closes the door first."""
        if self._drain_since == 0:
            return False
        now = time.time()
        if self.accepting:
            self._close_door()
            self._last_busy = now
        if any(channel.is_busy() for channel in list(self.active_channels.values())):
            self._last_busy = now
        return now - self._last_busy > QUIET_SECONDS or now - self._drain_since > DRAIN_SECONDS

    def _close_door(self) -> None:
        waiting = -1
        while waiting != len(self.active_channels):  # take in who is through the kernel's door already
            waiting = len(self.active_channels)
            self.handle_accept()
        self.accepting = False
        self.del_channel(self._map)
        self.socket.close()

    def stop(self) -> None:
        """End `run()`: the loop's own thread closes what it watches, then the workers end."""
        with contextlib.suppress(OSError):  # a busy loop may have woken of itself and closed the trigger already
            self.trigger.pull_trigger(lambda: [each.close() for each in list(self._map.values())])
        self.task_dispatcher.shutdown()


def _evict(among: Iterable[Channel], new: Channel) -> None:
    """Close the oldest that is not being answered, or the new one; in the loop's next round, which knows its files."""
    victim = next((each for each in among if not each.requests and not each.will_close and each is not new), new)
    victim.will_close = True


def give_memory_back() -> None:
    """Have glibc return buffers of 1 MB and more at once: 8 threads each keeping theirs grew from 70 to 830 MB."""
    mmap_threshold, trim_threshold = -3, -1  # M_MMAP_THRESHOLD, M_TRIM_THRESHOLD; once set, they do not grow with use
    if sys.platform == "linux" and hasattr(libc := ctypes.CDLL(None), "mallopt"):
        libc.mallopt(mmap_threshold, 1024 * 1024)
        libc.mallopt(trim_threshold, 8 * 1024 * 1024)  # at 128 kB each drawing's buffers came and went as page faults


def port_number(text: str) -> int:
    """A command's argument -> a port, 0 for any that is free. Raises ArgumentTypeError."""
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"a port is a number up to 65535, not {text}")
    return int(text)


def main() -> None:
    """Serve what the environment configures, until SIGINT or SIGTERM."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=port_number, default=8000)
    arguments = parser.parse_args()
    give_memory_back()
    stderr = Output("stderr")
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)  # a queue of one is no news
    logging.basicConfig(handlers=[logging.StreamHandler(stderr)], format="%(message)s")
    try:
        threads = WAITING_THREADS if Settings.from_environment().sagemaker_endpoint_name else THREADS
        server = Server(create_app(), arguments.host, arguments.port, threads)
    except (ValueError, OSError) as error:  # SettingsError, or waitress' own of a host that is none
        sys.exit(f"The API cannot start: {error}")
    for ending in (signal.SIGTERM, signal.SIGINT):
        signal.signal(ending, lambda *_: server.drain())
    stderr.write(f"API on http://{arguments.host}:{server.effective_port}\n")
    server.run()


if __name__ == "__main__":
    main()
