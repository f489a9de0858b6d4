"""The API as a command: `serve-digits`, or `python -m backend`."""

from __future__ import annotations

import sys


def main() -> None:
    """Serve, or say which package is missing."""
    try:
        from backend import server

        server.main()
    except ModuleNotFoundError as error:
        sys.exit(f"The API needs {error.name}. Try: pip install 'fullstack-model[backend,embedded]'")


if __name__ == "__main__":
    main()
