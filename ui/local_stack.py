"""The API with the embedded model inside the page's own process, for when nobody set API_URL."""

from __future__ import annotations

from threading import Thread


def start() -> str:
    """Serve on a free loopback port until the process ends -> the API's URL. Raises ImportError, OSError."""
    from backend.app import create_app  # lazily: a page with an API_URL needs neither Flask nor the model
    from backend.server import Server

    server = Server(create_app())
    Thread(target=server.run, name="local-api", daemon=True).start()
    return f"http://127.0.0.1:{server.effective_port}"
