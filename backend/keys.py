"""Who may ask, and how often: X-Api-Key against hashes, and a rate per key. `python -m backend.keys` makes a key.

A key is 256 random bits, so one round of SHA-256 hides it; a slow hash would guard only what can be guessed.
"""

from __future__ import annotations

import hmac
import secrets
import sys
import time
from hashlib import sha256
from math import ceil
from typing import TYPE_CHECKING

from flask import g, request

from backend import contract
from backend.problems import ApiProblem
from backend.settings import Settings, SettingsError

if TYPE_CHECKING:
    from flask import Flask
    from limits import RateLimitItem
    from limits.strategies import RateLimiter

GUARDED = (contract.PREDICTIONS, contract.FEEDBACK)  # and what is below them; the rest is open


def guard(app: Flask, settings: Settings) -> None:
    """Make `app` ask for keys and keep to the rate, where the settings say so. Raises SettingsError."""
    if settings.api_keys:
        app.before_request(lambda: _check_key(settings.api_keys))
    if settings.rate_limit:
        limiter, item = _limiter(settings.rate_limit)
        app.before_request(lambda: _check_rate(limiter, item))


def _guarded() -> bool:
    return request.path.startswith(GUARDED) and request.method != "OPTIONS"


def _check_key(accepted: tuple[str, ...]) -> None:
    if not _guarded():
        return
    given = sha256(request.headers.get(contract.API_KEY_HEADER, "").encode("utf-8", "replace")).hexdigest()
    if not sum(hmac.compare_digest(given, key) for key in accepted):  # not any(): every key is compared, always
        detail = f"Send your key in the header {contract.API_KEY_HEADER}."
        raise ApiProblem(contract.UNAUTHORIZED, detail, WWW_Authenticate=f'ApiKey header="{contract.API_KEY_HEADER}"')
    g.key = given[:8]  # enough to tell keys apart in a log, too little to find one


def _limiter(rate: str) -> tuple[RateLimiter, RateLimitItem]:
    # Loaded only when asked for: 40 ms of import that Lambda, behind API Gateway's own limit, does without.
    from limits import parse
    from limits.storage import MemoryStorage
    from limits.strategies import MovingWindowRateLimiter

    try:
        return MovingWindowRateLimiter(MemoryStorage()), parse(rate)
    except ValueError:
        raise SettingsError(f'BACKEND_RATE_LIMIT is "{rate}"; write it as "60 per minute".') from None


def _check_rate(limiter: RateLimiter, item: RateLimitItem) -> None:
    if not _guarded():
        return
    caller = g.get("key") or request.remote_addr or ""
    if not limiter.hit(item, caller):
        wait = max(1, ceil(limiter.get_window_stats(item, caller).reset_time - time.time()))
        raise ApiProblem(contract.RATE_LIMITED, f"The limit is {item}. Wait {wait} s.", Retry_After=str(wait))


def main() -> None:
    """Print a new key and the hash that BACKEND_API_KEYS takes."""
    key = secrets.token_urlsafe(32)
    sys.stdout.write(f"key for the caller:     {key}\nfor BACKEND_API_KEYS:   {sha256(key.encode()).hexdigest()}\n")


if __name__ == "__main__":
    main()
