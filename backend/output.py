"""Standard output and error for logs: a line is written at once or dropped, and never decides about an answer."""

from __future__ import annotations

import os
import select
import sys
import threading

PIECE = getattr(select, "PIPE_BUF", 512)  # bytes that a pipe which is ready takes without blocking


class Output:
    """`sys.stdout` or `sys.stderr`, written to while that neither blocks (an unread pipe) nor fails (a full disk)."""

    def __init__(self, name: str) -> None:
        self._name, self._lock = name, threading.Lock()
        self._torn = False  # whether the last line broke off, so that the next begins with a line's end
        self.dropped = 0  # lines, since the last that was written

    def write(self, text: str) -> None:
        """Write whole lines, or drop them."""
        with self._lock:
            if self._write("\n" * self._torn + text):
                self._torn, self.dropped = False, 0
            else:
                self.dropped += 1

    def flush(self) -> None:
        """Nothing waits here; logging.StreamHandler asks."""

    def _write(self, text: str) -> bool:
        stream = getattr(sys, self._name)
        try:
            descriptor = stream.fileno()
        except (AttributeError, OSError, ValueError):  # none at all, a notebook's or a test's, a closed one
            return _write_without_descriptor(stream, text)
        return self._send(descriptor, text.encode(errors="backslashreplace"))

    def _send(self, descriptor: int, data: bytes) -> bool:
        for at in range(0, len(data), PIECE):
            piece = data[at : at + PIECE]
            if not _ready(descriptor):
                return False
            try:
                written = os.write(descriptor, piece)
            except OSError:
                return False
            self._torn = at + written < len(data)
            if written < len(piece):
                return False
        return True


def _write_without_descriptor(stream: object, text: str) -> bool:
    try:
        stream.write(text)  # type: ignore[attr-defined]  # AttributeError where there is none
    except (AttributeError, OSError, ValueError):
        return False
    return True


def _ready(descriptor: int) -> bool:
    """Whether a write will not block; Windows cannot say, and writes."""
    if not hasattr(select, "poll"):
        return True
    poll = select.poll()
    poll.register(descriptor, select.POLLOUT)
    return any(event & select.POLLOUT for _, event in poll.poll(0))
