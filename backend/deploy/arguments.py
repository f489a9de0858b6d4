"""The command line of `python -m backend.deploy`: what is not given stays as it was chosen for the stage before."""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from backend.deploy.choices import DEFAULTS
from backend.deploy.rule import Patience
from backend.deploy.stage import ARTIFACT

if TYPE_CHECKING:
    from collections.abc import Callable

TAG = re.compile(r"(?!aws:)[\w .:/=+@-]{1,128}")
COMMANDS = {
    "up": "deploy the stage, or bring it up to date; tells the cost and asks first",
    "status": "every part of the stage",
    "list": "the registered releases of the model, newest first",
    "rollback": "serve an earlier release again",
    "promote": "serve this stage's release, the very same bytes, on another stage",
    "canary": "a new release for a share of the callers first: start, judge, promote, stop",
    "key": "the API's address and key, as the page reads them",
    "logs": "what endpoint and function wrote",
    "destroy": "remove the stage and prove that nothing is left",
    "cost": "what each way to run it costs a month; touches nothing",
    "policy": "the least rights that these commands need, as a policy for the person or the pipeline",
    "page": "the page as a Lightsail container",
}


def parser() -> argparse.ArgumentParser:
    """The command line of every command."""
    whole = argparse.ArgumentParser(prog="python -m backend.deploy", description="A stage on AWS.")
    commands = whole.add_subparsers(dest="command", required=True)
    for name, text in COMMANDS.items():
        each = commands.add_parser(name, help=text, description=text)
        each.add_argument("--stage", default="dev")
        each.add_argument("--dry-run", action="store_true", help="print every call that would change something")
        if name == "policy":
            each.add_argument(
                "--github", default="", metavar="OWNER/REPOSITORY", help="the trust for its workflow instead"
            )
        if name in ("rollback", "promote"):
            each.add_argument("version")
        if name == "logs":
            each.add_argument("--minutes", type=between(float, 0), default=60)
            each.add_argument("--follow", action="store_true", help="go on until Ctrl-C")
        if name in ("up", "promote"):
            _add_plan(each)
        if name in ("up", "promote", "page", "canary"):
            each.add_argument("--yes", action="store_true", help="do not ask, unless something bills by the hour")
            each.add_argument("--accept-hourly", action="store_true", help="nor then")
        if name in ("up", "promote", "cost", "canary"):
            read = between(float, 0)
            each.add_argument("--requests-per-day", type=read, default=1000, help="what the cost is told for")
    _add_up(commands.choices["up"])
    _add_canary(commands.choices["canary"])
    commands.choices["promote"].add_argument("--to", required=True, help="the stage to serve it on")
    commands.choices["cost"].add_argument("--chart", type=Path, help="draw it into this .svg or .png")
    commands.choices["cost"].add_argument("--refresh", action="store_true", help="ask AWS for today's prices first")
    commands.choices["page"].add_argument("action", choices=("up", "status", "destroy"))
    return whole


def between(kind: type[int] | type[float], low: float, high: float = 1e9) -> Callable[[str], float]:
    """A number from low to high, as argparse takes a type."""

    def read(text: str) -> float:
        number = kind(text)
        if not low <= number <= high:
            raise argparse.ArgumentTypeError(f"{text} is not between {low} and {high:,.0f}")
        return number

    return read


def tag(text: str) -> str:
    """K=V as AWS takes a tag, and not one of those that say whose a part is."""
    key, equals, value = text.partition("=")
    if not equals or not TAG.fullmatch(key) or not TAG.fullmatch(value or " ") or key in ("Project", "Stage"):
        raise argparse.ArgumentTypeError(f"{text} is not KEY=VALUE, or one of this project's own tags")
    return text


def _choice(each: argparse.ArgumentParser, name: str, about: str, **more: Any) -> None:
    """An option that a stage remembers; it is in the result only where it was given."""
    default = DEFAULTS[name]
    text = f"{about} (at first {default})" if default not in ("", False, []) else about
    each.add_argument(f"--{name.replace('_', '-')}", default=argparse.SUPPRESS, help=text, **more)


def _add_plan(each: argparse.ArgumentParser) -> None:
    memory = {"type": int, "choices": range(1024, 6145, 1024), "metavar": "MB"}
    _choice(each, "memory_mb", "serverless: memory, 1024 to 6144", **memory)
    _choice(each, "concurrency", "serverless: answers at once", type=between(int, 1, 200))
    _choice(each, "provisioned", "kept warm; billed by the hour", type=between(int, 0, 200))
    _choice(each, "instance_type", "such as ml.m5.large; serverless where empty")
    _choice(each, "instances", "how many", type=between(int, 1))
    _choice(each, "max_instances", "autoscaling's most", type=between(int, 1))
    _choice(each, "ttl_hours", "an endpoint on instances removes itself then; 0: never", type=between(float, 0))


def _add_up(each: argparse.ArgumentParser) -> None:
    each.add_argument("--artifact", type=Path, default=ARTIFACT, help="the model's folder")
    _choice(each, "image", "URI of the TensorFlow Serving image; AWS's own where empty")
    _choice(each, "max_ms", "a slower endpoint is taken back", type=between(float, 1))
    _choice(each, "mode", "who answers", choices=("sagemaker", "embedded"))
    fallback = argparse.BooleanOptionalAction
    _choice(each, "fallback", "embed the model for when the endpoint fails", action=fallback)
    _choice(each, "email", "gets alarms and the budget's warnings; nobody where empty")
    _choice(each, "rate", "requests a second for the key", type=between(float, 0))
    _choice(each, "burst", "requests at once for the key", type=between(int, 0))
    _choice(each, "quota", "requests a day for the key", type=between(int, 1))
    _choice(each, "budget", "USD a month that warn by e-mail", type=between(float, 0.01))
    _choice(
        each, "tag", "of every part from now on, beside our own", type=tag, nargs="*", action="extend", metavar="K=V"
    )
    _choice(each, "domain", "the API's own name, such as api.example.org", metavar="NAME")
    _choice(each, "certificate", "ARN of the name's certificate in ACM, in this region", metavar="ARN")
    _choice(each, "permissions_boundary", "ARN of the policy that bounds every role", metavar="ARN")


def _add_canary(each: argparse.ArgumentParser) -> None:
    each.add_argument("action", choices=("start", "judge", "promote", "stop"))
    each.add_argument("--artifact", type=Path, default=ARTIFACT, help="start: the new model's folder")
    each.add_argument("--share", type=between(float, 0.1, 100), default=10.0, help="start: percent of the callers")
    each.add_argument("--shadow", action="store_true", help="start: asked for every picture, answers nobody")
    each.add_argument(
        "--answers", type=between(int, 1), default=Patience().answers, help="judge: the fewest that promote it"
    )
    each.add_argument(
        "--hours", type=between(float, 0), default=Patience().hours, help="judge: how long it has to run for that"
    )
