"""One stage of the product in one AWS account: its names, tags and clients, and what a dry run prints.

Every other module here builds on it, and so do the jobs of training.submit.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from backend.deploy.refusals import SENTENCES, StageError

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT = Path(__file__).parents[2]
ARTIFACT = ROOT / "training" / "artifacts" / "digits"  # the model that is deployed
PROJECT = "fullstack-model"
STAGE_NAME = re.compile(r"[a-z][a-z0-9]{0,11}")  # no hyphen: "dev" must not find the parts of "dev-2" by their prefix
READS = ("Describe", "Get", "List", "Head", "Search", "Filter")


@dataclass
class Stage:
    """One stage; `session` is a boto3.Session, `config` a botocore Config. Reads the account on first use."""

    name: str
    session: Any
    config: Any = None
    dry_run: bool = False
    own_tags: dict[str, str] = field(default_factory=dict)  # beside the two that say whose a part is
    boundary: str = ""  # ARN of the permissions boundary of every role
    _clients: dict[str, Any] = field(default_factory=dict)
    _account: str = ""

    def __post_init__(self) -> None:
        """Refuse a name that AWS would; in a dry run print each writing call instead of sending it."""
        if not STAGE_NAME.fullmatch(self.name):
            raise StageError(f"STAGE={self.name} will not do: up to 12 small letters and digits, a letter first.")
        if self.dry_run:
            self.session.events.register("before-call", _print_instead)

    def client(self, service: str) -> Any:
        """The boto3 client of this service, made once."""
        if service not in self._clients:
            self._clients[service] = self.session.client(service, config=self.config)
        return self._clients[service]

    @property
    def account(self) -> str:
        """The account's twelve digits, from STS; the first call of every command, so it finds missing credentials."""
        if not self._account:
            self._account = self.client("sts").get_caller_identity()["Account"]
        return self._account

    @property
    def region(self) -> str:
        """Where all of it is. Raises StageError where none is chosen."""
        if not self.session.region_name:
            raise StageError(SENTENCES["NoRegionError"])
        return str(self.session.region_name)

    @property
    def partition(self) -> str:
        """The part of AWS that the region belongs to: aws, aws-cn or aws-us-gov."""
        return {"cn": "aws-cn", "us-gov": "aws-us-gov"}.get(self.region.rpartition("-")[0].rpartition("-")[0], "aws")

    @property
    def domain(self) -> str:
        """What AWS's own addresses end with there."""
        return "amazonaws.com.cn" if self.partition == "aws-cn" else "amazonaws.com"

    @property
    def prefix(self) -> str:
        """What every name of the stage begins with; also the endpoint's and the function's name."""
        return f"{PROJECT}-{self.name}"

    @property
    def candidate(self) -> str:
        """The name of the endpoint on which a new release is tried before it gets the stage's traffic."""
        return f"{self.prefix}-candidate"

    @property
    def mark(self) -> dict[str, str]:
        """The tags that say whose a part is."""
        return {"Project": PROJECT, "Stage": self.name}

    @property
    def tags(self) -> dict[str, str]:
        """What every part of the stage is tagged with when it is made."""
        return self.own_tags | self.mark

    def tag_list(self, key: str = "Key", value: str = "Value") -> list[dict[str, str]]:
        """The tags as the list that most AWS calls take."""
        return [{key: k, value: v} for k, v in self.tags.items()]

    def owns(self, tags: Sequence[dict[str, str]]) -> bool:
        """Whether these tags are this stage's."""
        found = {(tag.get("Key", tag.get("key")), tag.get("Value", tag.get("value"))) for tag in tags}
        return set(self.mark.items()) <= found

    def bucket(self, purpose: str) -> str:
        """The name of the stage's bucket for this purpose; bucket names are global, so it holds account and region."""
        return f"{self.prefix}-{purpose}-{self.account}-{self.region}"

    def role(self, purpose: str) -> str:
        """The name of the stage's role for this purpose; IAM is global, so it holds the region. 64 at most."""
        return f"{self.prefix}-{self.region}-{purpose}"

    def role_arn(self, purpose: str) -> str:
        """The ARN of that role."""
        return f"arn:{self.partition}:iam::{self.account}:role/{self.role(purpose)}"

    def arn(self, service: str, resource: str) -> str:
        """arn:<partition>:<service>:<region>:<account>:<resource>."""
        return f"arn:{self.partition}:{service}:{self.region}:{self.account}:{resource}"


def open_stage(name: str, *, dry_run: bool = False) -> Stage:
    """The stage in the account and region that boto3 finds (environment, then ~/.aws)."""
    import boto3  # only whoever opens a stage needs them
    from botocore.config import Config

    config = Config(retries={"mode": "standard", "max_attempts": 6}, connect_timeout=5, read_timeout=60)
    return Stage(name, boto3.Session(), config, dry_run)


def _print_instead(model: Any, params: dict[str, Any], **_: Any) -> tuple[Any, dict[str, Any]] | None:
    """botocore's before-call: a call that writes is printed and answered with names not known yet."""
    if model.name.startswith(READS):
        return None
    body = params.get("body") or params.get("query_string") or ""
    shown = body if isinstance(body, str) else body.decode() if isinstance(body, bytes) and len(body) < 2000 else ""
    if isinstance(body, dict):
        shown = json.dumps({k: v for k, v in body.items() if k not in ("Action", "Version")})
    print(f"would call {model.service_model.service_id} {model.name} {params.get('url_path', '')} {shown}".rstrip())
    return _Accepted(), _Unknown()


class _Accepted:
    """A response that stands for one that was not asked for."""

    status_code = 200


class _Unknown(dict[str, Any]):
    """An answer whose members are not known before the call is made."""

    def __missing__(self, key: str) -> str:
        return f"<new {key}>"
