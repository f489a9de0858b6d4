"""Who may ask, and how often: X-Api-Key against hashes, and a rate per key. `python -m backend.keys` makes a key.

A key is 256 random bits, so one round of SHA-256 hides it; a slow hash would guard only what can be guessed.
"""

from __future__ import annotations

import hmac
import secrets
import sys
import time
from hashlib import sha256
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from math import ceil
from typing import TYPE_CHECKING, Protocol
from urllib.parse import urlsplit

from flask import g, request

from backend import contract
from backend.problems import ApiProblem
from backend.settings import Settings, SettingsError

if TYPE_CHECKING:
    from flask import Flask
    from limits import RateLimitItem
    from limits.strategies import RateLimiter


class Head(Protocol):
    """A request's head, as waitress parses it: header names in capitals, with underscores."""

    path: str
    command: str
    headers: dict[str, str]


Networks = list[IPv4Network | IPv6Network]
GUARDED = (
    contract.PREDICTIONS,
    contract.NUMBERS,
    contract.MODELS,
    contract.FEEDBACK,
)  # and what is below them; the rest is open
LOOPBACK_NAMES = ("localhost", ".localhost", "127.0.0.1", "::1")


def guard(app: Flask, settings: Settings) -> None:
    """Make `app` ask for keys and keep to the rate and to names, where the settings say so. Raises SettingsError."""
    app.config["OPEN"] = not (settings.api_keys or settings.trusted_hosts)
    if settings.trusted_hosts:
        app.before_request(lambda: _check_host(settings.trusted_hosts))
    app.config["TRUSTED_PROXIES"] = proxies = networks(settings.trusted_proxies)
    if settings.api_keys:
        app.config["ADMITS"] = lambda head: _admits(head, settings.api_keys)
        app.before_request(lambda: _check_key(settings.api_keys))
    if settings.rate_limit:
        limiter, items = _limiter(settings.rate_limit)
        app.before_request(lambda: _check_rate(limiter, items, proxies))


def keep_to_loopback_names(app: Flask) -> None:
    """For an open API on a loopback address: a strange page may have its own name lead there (DNS rebinding)."""
    if app.config.get("OPEN"):
        app.before_request(lambda: _check_host(LOOPBACK_NAMES))


def _check_host(names: tuple[str, ...]) -> None:
    """Own, for werkzeug's trusted_hosts knows no IPv6; ".a.example" stands for every name below."""
    try:
        name = urlsplit(f"//{request.host}").hostname or ""
    except ValueError:
        name = ""
    if not any(name.endswith(known) if known.startswith(".") else name == known for known in names):
        raise ApiProblem(
            contract.MALFORMED, "This API does not answer to that name in Host; BACKEND_TRUSTED_HOSTS can add it."
        )


def is_guarded(path: str, method: str) -> bool:
    """Whether a request needs a key, where keys are needed at all."""
    return path.startswith(GUARDED) and method != "OPTIONS"


def _guarded() -> bool:
    return is_guarded(request.path, request.method)


def accepted_key(given: str, accepted: tuple[str, ...]) -> str:
    """The header's value, as WSGI gives it -> the hash that it has among `accepted`, or "".

    A client may have sent a key that is not ASCII as UTF-8 or as Latin-1; WSGI reads either as Latin-1, Lambda as text.
    """
    spellings = {given.encode("utf-8", "replace"), given.encode("latin-1", "replace")}
    digests = [sha256(spelling).hexdigest() for spelling in spellings]
    # Not any(): every key is compared, always.
    found = [digest for digest in digests for key in accepted if hmac.compare_digest(digest, key)]
    return found[0] if found else ""


def _admits(head: Head, accepted: tuple[str, ...]) -> bool:
    """Whether a request's key will do, by its head; asked by the server before it reads a body."""
    guarded = is_guarded(head.path, head.command)
    return not guarded or bool(accepted_key(head.headers.get("X_API_KEY", ""), accepted))


def _check_key(accepted: tuple[str, ...]) -> None:
    if not _guarded():
        return
    key = accepted_key(request.headers.get(contract.API_KEY_HEADER, ""), accepted)
    if not key:
        detail = f"Send your key in the header {contract.API_KEY_HEADER}."
        raise ApiProblem(contract.UNAUTHORIZED, detail, WWW_Authenticate=f'ApiKey header="{contract.API_KEY_HEADER}"')
    g.key = key[:8]  # enough to tell keys apart in a log, too little to find one


def _limiter(rate: str) -> tuple[RateLimiter, list[RateLimitItem]]:
    # Loaded only when asked for: 40 ms of import that Lambda, behind API Gateway's own limit, does without.
    from limits import parse_many
    from limits.storage import MemoryStorage
    from limits.strategies import MovingWindowRateLimiter

    try:
        items = parse_many(rate)
    except ValueError:
        items = []
    if not items or any(item.amount < 1 or item.get_expiry() < 1 for item in items):
        raise SettingsError(f'BACKEND_RATE_LIMIT is "{rate}"; write "60 per minute", or "5 per second; 60 per minute".')
    return MovingWindowRateLimiter(MemoryStorage()), items


def _check_rate(limiter: RateLimiter, items: list[RateLimitItem], proxies: Networks) -> None:
    if not _guarded():
        return
    caller = g.get("key") or client_address(proxies)
    for item in items:
        if not limiter.test(item, caller):
            wait = max(1, ceil(limiter.get_window_stats(item, caller).reset_time - time.time()))
            raise ApiProblem(contract.RATE_LIMITED, f"The limit is {item}. Wait {wait} s.", Retry_After=str(wait))
    for item in items:  # only now: what one of them refuses is not counted by the others
        limiter.hit(item, caller)


def networks(texts: tuple[str, ...]) -> Networks:
    """Addresses and ranges ("10.0.0.0/8") -> networks. Raises SettingsError."""
    try:
        return [ip_network(text, strict=False) for text in texts]
    except ValueError as error:
        raise SettingsError(f"BACKEND_TRUSTED_PROXIES takes addresses and ranges as 10.0.0.0/8: {error}.") from None


def client_address(proxies: Networks) -> str:
    """Who asks: the peer, or where that is a trusted proxy, the nearest address in X-Forwarded-For that is none."""
    peer = request.remote_addr or ""
    for hop in reversed(request.headers.get("X-Forwarded-For", "").split(",")):
        if not is_among(peer, proxies):
            break
        try:
            peer = str(ip_address(hop.strip()))
        except ValueError:
            break
    return peer


def is_among(address: str, among: Networks) -> bool:
    """Whether an address is of one of these networks."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return False
    return any(parsed in network for network in among)


def main() -> None:
    """Print a new key and the hash that BACKEND_API_KEYS takes."""
    key = secrets.token_urlsafe(32)
    sys.stdout.write(f"key for the caller:     {key}\nfor BACKEND_API_KEYS:   {sha256(key.encode()).hexdigest()}\n")


if __name__ == "__main__":
    main()
