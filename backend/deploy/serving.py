"""What makes the API what it is: package, settings with the whole environment, rights, limits; taken back as one.

The last that passed its trial is kept in the stage's bucket. Used by function.
"""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from backend.deploy import errors, package
from backend.deploy.gateway import ensure_plan, url_of
from backend.deploy.refusals import StageError, attempt, explain_text, patiently
from backend.deploy.roles import ensure_role

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from backend.deploy.stage import Stage

GOOD = "good.json"


class Serving(NamedTuple):
    """`package` is its s3:// URL, `settings` one stage's as Zappa reads them, `rights` the role's trust and policy."""

    package: str
    settings: dict[str, Any]
    rights: dict[str, Any]
    limits: dict[str, Any]
    url: str = ""  # the API's address

    @property
    def environment(self) -> dict[str, str]:
        """All of the function's environment."""
        return dict(self.settings["aws_environment_variables"])

    def allow(self, stage: Stage, also: Serving | None = None) -> None:
        """Give the function's role these rights, and those of `also`, whose code may still run."""
        statements = list(self.rights["policy"]["Statement"])
        for statement in also.rights["policy"]["Statement"] if also else ():
            if statement not in statements:  # IAM takes each Sid once
                statements.append({key: value for key, value in statement.items() if key != "Sid"})
        document = {**self.rights["policy"], "Statement": statements}
        ensure_role(stage, "function", {"trust": self.rights["trust"], "policy": document})

    def changed(self, variables: Mapping[str, str], statements: list[dict[str, Any]]) -> Serving:
        """The same code and limits, told and allowed something else."""
        told = {**self.settings, "aws_environment_variables": dict(variables)}
        document = {**self.rights["policy"], "Statement": statements}
        return self._replace(settings=told, rights={**self.rights, "policy": document})

    def put(self, stage: Stage, folder: Path, *, whole: bool) -> None:
        """Have Zappa put it onto the function, then write the environment: Zappa keeps each variable that was there."""
        verb = "update" if whole else "deploy"
        arguments = (folder, {stage.name: self.settings}, verb, stage.name, "--zip", self.package)
        said = patiently(partial(package.zappa, *arguments))  # Zappa does not wait for a fresh role
        self.tell(stage)
        if url_of(stage) is None:  # Zappa's exit code is 0 whatever happened
            raise StageError(explain_text(said) or "Zappa made no API: run the command again.")
        ensure_plan(stage, self.settings["api_key"], **self.limits)
        errors.ensure(stage, cors=bool(self.environment.get("BACKEND_CORS_ORIGINS")))

    def tell(self, stage: Stage) -> None:
        """Write all of the function's environment, where it is another, and wait until it is taken up."""
        client = stage.client("lambda")
        there = client.get_function_configuration(FunctionName=stage.prefix).get("Environment", {}).get("Variables", {})
        if there != self.environment:
            client.get_waiter("function_updated_v2").wait(FunctionName=stage.prefix)
            client.update_function_configuration(FunctionName=stage.prefix, Environment={"Variables": self.environment})
        client.get_waiter("function_updated_v2").wait(FunctionName=stage.prefix)

    def print_instead(self, stage: Stage, *, whole: bool) -> None:
        """What a dry run prints in place of `put`."""
        print(f"would run zappa {'update' if whole else 'deploy'} {stage.name} with {json.dumps(self.settings)}")


def last_good(stage: Stage) -> Serving | None:
    """What last passed its trial on this stage, or None."""
    found = attempt(stage.client("s3").get_object, Bucket=stage.bucket("deploy"), Key=GOOD)
    return Serving(**json.loads(found["Body"].read())) if found else None


def keep(stage: Stage, new: Serving, before: Serving | None) -> None:
    """Note what has passed its trial, and say where callers have to be told something new."""
    new = new._replace(url=url_of(stage) or "")
    if before and before.url != new.url:
        print(f"  the API's address has changed to {new.url}")
    if before and before.settings.get("api_key") != new.settings.get("api_key"):
        print(f"  the API's key has changed: python -m backend.deploy key --stage {stage.name}")
    body = json.dumps(new._asdict()).encode()
    stage.client("s3").put_object(Bucket=stage.bucket("deploy"), Key=GOOD, Body=body)
