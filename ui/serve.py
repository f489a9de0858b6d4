"""The page as a command: `draw-a-digit`, or `python -m ui.serve`. Options after it are Streamlit's."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path

APP = Path(__file__).with_name("web.py")


def main() -> None:
    """Serve the page on localhost, at PORT (8501) or the next port that is free."""
    try:
        from streamlit.web import cli
    except ModuleNotFoundError as error:
        sys.exit(f"The page needs {error.name}. Try: pip install 'fullstack-model[ui,backend,embedded]'")
    options = {"address": "localhost", "port": str(free_port(os.environ.get("PORT", "8501")))}
    sys.argv[1:] = ["run", str(APP), *(f"--server.{name}={value}" for name, value in options.items()), *sys.argv[1:]]
    cli.main(prog_name="streamlit")


def free_port(wanted: str) -> int:
    """The port that is wanted, or else the first free one above it, and then it is told."""
    if not wanted.isdecimal() or not 0 < int(wanted) < 65536:
        sys.exit(f"PORT is {wanted!r}; it must be a number from 1 to 65535.")
    first = int(wanted)
    for port in range(first, min(first + 100, 65536)):
        if not _taken(port):
            if port > first:
                sys.stderr.write(f"Port {first} is taken: the page is on http://localhost:{port}.\n")
            return port
    sys.exit(f"Port {first} and those above it are taken. Choose another with PORT=9000 in the environment.")


def _taken(port: int) -> bool:
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError:
        return True
    try:
        socket.create_connection(("localhost", port), 1).close()  # macOS lets two servers share one port
    except OSError:
        return False
    return True


if __name__ == "__main__":
    main()
