"""The stage's IAM roles: each with its trust and one inline policy, rendered from policies/<name>.json."""

from __future__ import annotations

import json
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, Any

from backend.deploy.parts import Left, Part
from backend.deploy.refusals import StageError, attempt
from backend.deploy.stage import PROJECT

if TYPE_CHECKING:
    from backend.deploy.stage import Stage

POLICIES = Path(__file__).parent / "policies"


def policy(stage: Stage, name: str, **values: str) -> dict[str, Any]:
    """policies/<name>.json for this stage: {"trust": {...}, "policy": {...}}; an unfilled ${name} raises KeyError."""
    known = {"account": stage.account, "region": stage.region, "partition": stage.partition}
    known |= {"prefix": stage.prefix, "project": PROJECT}
    template = Template((POLICIES / f"{name}.json").read_text())
    document: dict[str, Any] = json.loads(template.substitute(known, **values))
    return document


def ensure_role(stage: Stage, purpose: str, document: dict[str, Any]) -> str:
    """Make the stage's role with its trust and its one inline policy, or bring it up to date; returns the ARN."""
    iam, name = stage.client("iam"), stage.role(purpose)
    trust, policy = json.dumps(document["trust"]), json.dumps(document["policy"])
    bounded = {"PermissionsBoundary": stage.boundary} if stage.boundary else {}
    there = attempt(iam.get_role, RoleName=name)
    if there is None:
        iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust, Tags=stage.tag_list(), **bounded)
    else:
        _check_ours(stage, name)
        iam.update_assume_role_policy(RoleName=name, PolicyDocument=trust)
        if bounded and there["Role"].get("PermissionsBoundary", {}).get("PermissionsBoundaryArn") != stage.boundary:
            iam.put_role_permissions_boundary(RoleName=name, **bounded)
    iam.put_role_policy(RoleName=name, PolicyName="stage", PolicyDocument=policy)
    return stage.role_arn(purpose)


def role_part(purpose: str) -> Part:
    """The stage's role for this purpose, as `status` shows and `destroy` removes it."""

    def find(stage: Stage) -> list[Left]:
        name = stage.role(purpose)
        if attempt(stage.client("iam").get_role, RoleName=name) is None:
            return []
        _check_ours(stage, name)
        return [Left("role", name)]

    def remove(stage: Stage, name: str) -> None:
        attempt(stage.client("iam").delete_role_policy, RoleName=name, PolicyName="stage")
        attempt(stage.client("iam").delete_role, RoleName=name)

    return Part("role", find, remove)


def _check_ours(stage: Stage, name: str) -> None:
    if not stage.owns(stage.client("iam").list_role_tags(RoleName=name)["Tags"]):
        raise StageError(
            f"The role {name} is not ours: it lacks our tags. Choose another STAGE, or remove it yourself."
        )
