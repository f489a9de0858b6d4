"""Which other pages may call: exact origins, or a wildcard for whole labels of a host's name."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from backend import contract
from backend.settings import SettingsError

if TYPE_CHECKING:
    from flask import Flask

# As a browser writes it: no path, no name of a user, small letters, a port only where it is not the scheme's own.
ORIGIN = re.compile(
    r"(?P<scheme>https?://)(?P<any>\*\.)?(?P<host>[a-z0-9-]+(?:\.[a-z0-9-]+)*|\[[0-9a-f:.]+\])(?P<port>:\d+)?"
)
LABELS = r"(?:[a-z0-9-]+\.)+"


def share(app: Flask, origins: tuple[str, ...]) -> None:
    """Make `app` tell browsers that pages of `origins` may call. Raises SettingsError."""
    if not origins:
        return
    from flask_cors import CORS  # 5 ms of import that most do without

    everybody = origins == ("*",)
    CORS(
        app,
        # flask-cors takes text with a "*" for a regular expression: "https://*.a.example" let https://xa.example in
        origins="*" if everybody else [_pattern(origin) for origin in origins],
        send_wildcard=everybody,
        allow_headers=["Content-Type", contract.API_KEY_HEADER, contract.REQUEST_ID_HEADER, contract.CALLER_HEADER],
        expose_headers=[contract.REQUEST_ID_HEADER, "Retry-After"],
        max_age=600,
    )


def _pattern(origin: str) -> re.Pattern[str]:
    """What a setting names -> what an Origin header may be. Raises SettingsError."""
    parts = ORIGIN.fullmatch(origin)
    if parts is None or (parts["any"] and not re.search(r"[a-z0-9]\.[a-z]", parts["host"])):
        raise SettingsError(
            f'BACKEND_CORS_ORIGINS has "{origin}"; it takes "https://page.example", with a port where there is one, '
            '"https://*.page.example" for every name below it, or "*" alone.'
        )
    any_label = LABELS if parts["any"] else ""
    return re.compile(re.escape(parts["scheme"]) + any_label + re.escape(parts["host"] + (parts["port"] or "")) + r"\Z")
