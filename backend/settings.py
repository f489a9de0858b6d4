"""What can be set from outside, in one typed place; read from the environment by `create_app()` and nowhere else."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

SWITCH = {
    "1": True,
    "true": True,
    "yes": True,
    "on": True,
    "0": False,
    "false": False,
    "no": False,
    "off": False,
    "": False,
}
# What a cluster (and Docker's links) put into the environment of every container beside a service called "backend".
SERVICE_LINK = re.compile(r"PORT|PORT_\d+_(TCP|UDP|SCTP)(_(ADDR|PORT|PROTO))?|SERVICE_(HOST|PORT(_\w+)?)")
ENDPOINT_NAME = re.compile(r"[A-Za-z0-9](-*[A-Za-z0-9]){0,62}")
SHIPPED_MODEL = Path(__file__).parents[1] / "training" / "artifacts" / "digits"


class SettingsError(ValueError):
    """A setting cannot mean anything; the message names it and says what it takes."""


@dataclass(frozen=True)
class Settings:
    """Every setting of the backend; the environment spells them BACKEND_<NAME>, but for the endpoint's name.

    sagemaker_endpoint_name  SAGEMAKER_ENDPOINT_NAME: relay to this endpoint; empty: answer with the embedded model
    model_dir                folder of the embedded model's model.tflite and card.json
    models_dir               folder of further embedded models, a folder each, which ?model= asks for by name
    labels                   comma-separated, for an endpoint that answers plain rows of probabilities: what they are of
    fallback                 "embedded": answer with the embedded model while the endpoint fails
    canary                   the endpoint of a new release, beside sagemaker_endpoint_name; empty: none
    canary_share             percent of the callers whom it answers, the same ones each time
    canary_shadow            "1": it is asked for every picture and compared, and answers nobody
    api_keys                 SHA-256 of each accepted X-Api-Key, in hex, comma-separated; empty: no key needed
    rate_limit               per key (or address), as "5 per second; 60 per minute"; empty: none (API Gateway has one)
    cors_origins             comma-separated origins whose pages may call, "https://*.a.example", or "*"; empty: none
    trusted_hosts            comma-separated names that a request's Host may have; empty: any, but loopback names alone
                             where the server listens on loopback and asks for no key
    trusted_proxies          comma-separated addresses or ranges whose X-Forwarded-For counts; empty: nobody's
    log                      "1": one JSON line per request on standard output
    metrics                  CloudWatch namespace for embedded metrics on standard output; empty: none
    prometheus               "1": counters for Prometheus at /metrics, which needs no key
    stage                    the metrics' dimension that tells one deployment from another; empty: none
    feedback                 folder or s3://bucket/prefix that keeps consented drawings; empty: none are kept
    """

    sagemaker_endpoint_name: str = ""
    model_dir: Path = SHIPPED_MODEL
    models_dir: Path = SHIPPED_MODEL.parent
    labels: tuple[str, ...] = ()
    fallback: str = ""
    canary: str = ""
    canary_share: float = 0.0
    canary_shadow: bool = False
    api_keys: tuple[str, ...] = ()
    rate_limit: str = ""
    cors_origins: tuple[str, ...] = ()
    trusted_hosts: tuple[str, ...] = ()
    trusted_proxies: tuple[str, ...] = ()
    log: bool = False
    metrics: str = ""
    prometheus: bool = False
    stage: str = ""
    feedback: str = ""

    @classmethod
    def read(cls, texts: Mapping[str, str]) -> Settings:
        """Setting name in any case -> text. Raises SettingsError on an unknown name or a value that means nothing."""
        kinds = {field.name: field.type for field in fields(cls)}
        unknown = sorted({name.lower() for name in texts} - kinds.keys())
        if unknown:
            raise SettingsError(f"There is no setting {', '.join(unknown)}; there are {', '.join(kinds)}.")
        settings = cls(**{name.lower(): _parse(name, str(kinds[name.lower()]), text) for name, text in texts.items()})
        settings.check()
        return settings

    @classmethod
    def from_environment(cls) -> Settings:
        """As the process was started. Raises SettingsError."""
        prefix = "BACKEND_"
        named = {name.removeprefix(prefix): v for name, v in os.environ.items() if name.startswith(prefix)}
        texts = {name: text for name, text in named.items() if not SERVICE_LINK.fullmatch(name)}
        return cls.read(texts | {"sagemaker_endpoint_name": os.environ.get("SAGEMAKER_ENDPOINT_NAME", "")})

    def check(self) -> None:
        """Raise SettingsError where a value is not one of those documented above."""
        if self.fallback not in ("", "embedded"):
            raise SettingsError(f'BACKEND_FALLBACK is "embedded" or empty, not "{self.fallback}".')
        if len(set(self.labels)) < len(self.labels):
            raise SettingsError(f"BACKEND_LABELS names a label twice: {', '.join(self.labels)}.")
        self._check_endpoints()
        if any(len(key) != 64 or set(key) - set("0123456789abcdef") for key in self.api_keys):
            raise SettingsError("BACKEND_API_KEYS takes SHA-256 hashes: make one with `python -m backend.keys`.")

    def _check_endpoints(self) -> None:
        names = {"SAGEMAKER_ENDPOINT_NAME": self.sagemaker_endpoint_name, "BACKEND_CANARY": self.canary}
        for variable, name in names.items():
            if name and not ENDPOINT_NAME.fullmatch(name):
                raise SettingsError(
                    f'{variable} is "{name}"; it is the endpoint\'s name alone, '
                    "of letters, digits and hyphens, not its address or ARN."
                )
        if self.canary and not self.sagemaker_endpoint_name:
            raise SettingsError("BACKEND_CANARY stands beside SAGEMAKER_ENDPOINT_NAME, which is empty.")
        if not 0 <= self.canary_share <= 100:
            raise SettingsError(f"BACKEND_CANARY_SHARE is percent, from 0 to 100, not {self.canary_share:g}.")


def _parse(name: str, kind: str, text: str) -> Any:
    if kind == "bool":
        if text.lower() not in SWITCH:
            raise SettingsError(f'BACKEND_{name.upper()} is "1" or "0", not "{text}".')
        return SWITCH[text.lower()]
    if kind == "float":
        return _number(name, text)
    if kind == "Path":
        return Path(text)
    if kind.startswith("tuple"):
        return tuple(part.strip() for part in text.split(",") if part.strip())
    return text.strip()


def _number(name: str, text: str) -> float:
    try:
        return float(text or 0)
    except ValueError:
        raise SettingsError(f'BACKEND_{name.upper()} is a number, not "{text}".') from None
