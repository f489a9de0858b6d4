"""One stage of the product in one AWS account: names, tags, roles, buckets, logs, and AWS's refusals in words.

Every other module here builds on it, and so do the jobs of training.submit.

    StageError    nothing to be done from here; the message says why and what to do
"""

from __future__ import annotations

import json
import re
import sys
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

ROOT = Path(__file__).parents[2]
ARTIFACT = ROOT / "training" / "artifacts" / "digits"  # the model that is deployed
POLICIES = Path(__file__).parent / "policies"
PROJECT = "fullstack-model"
IMAGES_ACCOUNT = "763104351884"  # AWS' deep learning images in most regions; --image names another
STAGE_NAME = re.compile(r"[a-z][a-z0-9]{0,11}")  # no hyphen: "dev" must not find the parts of "dev-2" by their prefix
LOG_DAYS = 14
READS = ("Describe", "Get", "List", "Head", "Search", "Filter")

SENTENCES = {  # botocore's exception or AWS's error code -> what happened and what to do
    "NoCredentialsError": "There are no AWS credentials here: run `aws configure`, or set AWS_PROFILE.",
    "PartialCredentialsError": "The AWS credentials here are incomplete: run `aws configure` again.",
    "ProfileNotFound": "AWS_PROFILE names a profile that does not exist: see `aws configure list-profiles`.",
    "UnauthorizedSSOTokenError": "The AWS sign-in has ended: run `aws sso login`.",
    "TokenRetrievalError": "The AWS sign-in has ended: run `aws sso login`.",
    "NoRegionError": "No AWS region is chosen: set AWS_DEFAULT_REGION, for example AWS_DEFAULT_REGION=us-east-1.",
    "InvalidRegionError": "AWS_DEFAULT_REGION is not a region's name: set one such as us-east-1.",
    "EndpointConnectionError": "AWS does not answer: check the network, and that AWS_DEFAULT_REGION exists.",
    "ConnectTimeoutError": "AWS does not answer: check the network, and that AWS_DEFAULT_REGION exists.",
    "ExpiredToken": "The AWS credentials have expired: sign in again.",
    "ExpiredTokenException": "The AWS credentials have expired: sign in again.",
    "InvalidClientTokenId": "AWS does not know these credentials: run `aws configure` with an active access key.",
    "UnrecognizedClientException": "AWS does not know these credentials, or the region is not enabled for the account.",
    "SignatureDoesNotMatch": "AWS refuses the secret key, or this machine's clock is wrong: run `aws configure` again.",
    "BucketAlreadyExists": "The bucket's name is taken by another account: choose another STAGE or region.",
    "ResourceLimitExceeded": "A quota of the account is used up: ask for more under Service Quotas, or ask for less.",
    "LimitExceededException": "A quota of the account is used up: ask for more under Service Quotas, or ask for less.",
    "LimitExceeded": "A quota of the account is used up: ask for more under Service Quotas, or ask for less.",
    "ServiceQuotaExceededException": "A quota of the account is used up: ask for more under Service Quotas.",
    "TooManyBuckets": "The account has as many buckets as it may: remove one, or ask for more under Service Quotas.",
    "Throttling": "AWS asks to slow down: run the command again in a minute; it goes on where it stopped.",
    "ThrottlingException": "AWS asks to slow down: run the command again in a minute; it goes on where it stopped.",
}
DENIED = ("AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "AuthorizationError", "403")
NOT_FOUND = ("404", "NoSuchBucket", "NoSuchEntity", "NoSuchKey", "NotFoundException", "ResourceNotFoundException",
             "ResourceNotFound", "NoSuchPublicAccessBlockConfiguration", "ObjectNotFoundException")  # fmt: skip

MISSING = re.compile(
    r"could not find|does not exist|not found|no scalable target", re.IGNORECASE
)  # ValidationError says


class StageError(RuntimeError):
    """The command cannot go on; the message is one sentence for the person who ran it."""


class Left(NamedTuple):
    """Something of the stage that is there: its kind, name and whatever else `status` shows."""

    kind: str
    name: str
    state: str = ""
    age: str = ""
    note: str = ""


@dataclass
class Stage:
    """One stage; `session` is a boto3.Session, `config` a botocore Config. Reads the account on first use."""

    name: str
    session: Any
    config: Any = None
    dry_run: bool = False
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
    def prefix(self) -> str:
        """What every name of the stage begins with; also the endpoint's and the function's name."""
        return f"{PROJECT}-{self.name}"

    @property
    def tags(self) -> dict[str, str]:
        """What every part of the stage is tagged with."""
        return {"Project": PROJECT, "Stage": self.name}

    def tag_list(self, key: str = "Key", value: str = "Value") -> list[dict[str, str]]:
        """The tags as the list that most AWS calls take."""
        return [{key: k, value: v} for k, v in self.tags.items()]

    def owns(self, tags: Sequence[dict[str, str]]) -> bool:
        """Whether these tags are this stage's."""
        found = {(tag.get("Key", tag.get("key")), tag.get("Value", tag.get("value"))) for tag in tags}
        return set(self.tags.items()) <= found

    def bucket(self, purpose: str) -> str:
        """The name of the stage's bucket for this purpose; bucket names are global, so it holds account and region."""
        return f"{self.prefix}-{purpose}-{self.account}-{self.region}"

    def role(self, purpose: str) -> str:
        """The name of the stage's role for this purpose; IAM is global, so it holds the region. 64 at most."""
        return f"{self.prefix}-{self.region}-{purpose}"

    def role_arn(self, purpose: str) -> str:
        """The ARN of that role."""
        return f"arn:aws:iam::{self.account}:role/{self.role(purpose)}"

    def arn(self, service: str, resource: str) -> str:
        """arn:aws:<service>:<region>:<account>:<resource>."""
        return f"arn:aws:{service}:{self.region}:{self.account}:{resource}"


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


def code_of(error: Exception) -> str:
    """AWS's error code of a botocore ClientError, or the exception's name."""
    response = getattr(error, "response", None) or {}
    return str(response.get("Error", {}).get("Code") or type(error).__name__)


def is_missing(error: Exception) -> bool:
    """Whether AWS says that the thing asked for does not exist."""
    return code_of(error) in NOT_FOUND or bool(MISSING.search(str(error)))


def explain(error: Exception) -> str:
    """An exception of botocore -> one sentence with the remedy."""
    code, message = code_of(error), str(error)
    if code in DENIED or "is not authorized to perform" in message:
        return _explain_denied(error, message)
    if code in SENTENCES:
        return SENTENCES[code]
    return f"AWS refused: {message.rstrip('.')}. Run the command again; it goes on where it stopped."


def _explain_denied(error: Exception, message: str) -> str:
    action = re.search(r"perform: (\S+)", message)
    resource = re.search(r"on resource: (\S+)", message)
    named = action[1] if action else str(getattr(error, "operation_name", "this call"))
    line = {"Effect": "Allow", "Action": named, "Resource": resource[1].rstrip(".") if resource else "*"}
    return f"Your AWS user may not do {named}: add to its policy {json.dumps(line)} and run the command again."


def command(main: Callable[[], None]) -> None:
    """Run a command's main: StageError and AWS's refusals become one line on stderr and exit code 1."""
    try:
        main()
    except StageError as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        sys.exit("Stopped. Run the same command again to go on, or `make destroy` to remove what there is.")
    except Exception as error:  # botocore is not imported here: its own are told by their module
        if not type(error).__module__.startswith(("botocore", "boto3")):
            raise
        sys.exit(explain(error))


def attempt(call: Callable[..., Any], **arguments: Any) -> Any:
    """Call AWS; None where it says that the thing does not exist."""
    try:
        return call(**arguments)
    except Exception as error:
        if not is_missing(error):
            raise
        return None


def pages(client: Any, operation: str, member: str, **arguments: Any) -> Iterator[Any]:
    """Every item of a paginated list."""
    for page in client.get_paginator(operation).paginate(**arguments):
        yield from page[member]


def patiently(call: Callable[..., Any], **arguments: Any) -> Any:
    """A role is known everywhere only seconds after it is made: try six times in 30 s while AWS doubts it."""
    for seconds in (2, 4, 6, 8, 10):
        try:
            return call(**arguments)
        except Exception as error:
            if "role" not in str(error).lower() or "not authorized to perform" in str(error):
                raise
            time.sleep(seconds)
    return call(**arguments)


def policy(stage: Stage, name: str, **values: str) -> dict[str, Any]:
    """policies/<name>.json for this stage: {"trust": {...}, "policy": {...}}; an unfilled ${name} raises KeyError."""
    known = {"account": stage.account, "region": stage.region, "prefix": stage.prefix}
    template = Template((POLICIES / f"{name}.json").read_text())
    document: dict[str, Any] = json.loads(template.substitute(known, **values))
    return document


def ensure_role(stage: Stage, purpose: str, document: dict[str, Any]) -> str:
    """Make the stage's role with its trust and its one inline policy, or bring it up to date; returns the ARN."""
    iam, name = stage.client("iam"), stage.role(purpose)
    trust, policy = json.dumps(document["trust"]), json.dumps(document["policy"])
    there = attempt(iam.get_role, RoleName=name)
    if there is None:
        iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust, Tags=stage.tag_list())
    elif not stage.owns(iam.list_role_tags(RoleName=name)["Tags"]):
        raise StageError(
            f"The role {name} is not ours: it lacks our tags. Choose another STAGE, or remove it yourself."
        )
    else:
        iam.update_assume_role_policy(RoleName=name, PolicyDocument=trust)
    iam.put_role_policy(RoleName=name, PolicyName="stage", PolicyDocument=policy)
    return stage.role_arn(purpose)


def remove_role(stage: Stage, purpose: str) -> None:
    """Remove the role and its policy, whatever of them is there."""
    iam, name = stage.client("iam"), stage.role(purpose)
    if attempt(iam.get_role, RoleName=name) is not None:
        attempt(iam.delete_role_policy, RoleName=name, PolicyName="stage")
        attempt(iam.delete_role, RoleName=name)


def ensure_bucket(stage: Stage, purpose: str) -> str:
    """Make the stage's private, encrypted, versioned bucket, or finish making it; returns its name."""
    s3, name = stage.client("s3"), stage.bucket(purpose)
    if attempt(s3.head_bucket, Bucket=name) is None:
        place = (
            {} if stage.region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": stage.region}}
        )
        s3.create_bucket(Bucket=name, **place)
    s3.put_bucket_tagging(Bucket=name, Tagging={"TagSet": stage.tag_list()})
    private = dict.fromkeys(("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets"), True)
    s3.put_public_access_block(Bucket=name, PublicAccessBlockConfiguration=private)
    rules = [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}, "BucketKeyEnabled": True}]
    s3.put_bucket_encryption(Bucket=name, ServerSideEncryptionConfiguration={"Rules": rules})
    s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    s3.put_bucket_policy(Bucket=name, Policy=json.dumps(_only_tls(name)))
    return name


def _only_tls(bucket: str) -> dict[str, Any]:
    refuse = {
        "Effect": "Deny", "Principal": "*", "Action": "s3:*",
        "Resource": [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"],
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }  # fmt: skip
    return {"Version": "2012-10-17", "Statement": [refuse]}


def remove_bucket(stage: Stage, purpose: str) -> None:
    """Remove the bucket with every version of every object in it."""
    s3, name = stage.client("s3"), stage.bucket(purpose)
    if attempt(s3.head_bucket, Bucket=name) is None:
        return
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=name):
        found = [*page.get("Versions", ()), *page.get("DeleteMarkers", ())]
        objects = [{"Key": item["Key"], "VersionId": item["VersionId"]} for item in found]
        if objects:
            s3.delete_objects(Bucket=name, Delete={"Objects": objects, "Quiet": True})
    s3.delete_bucket(Bucket=name)


def ensure_log_group(stage: Stage, name: str) -> None:
    """Make the log group before AWS does, so that it has our tags and forgets after LOG_DAYS."""
    logs = stage.client("logs")
    if not any(
        group["logGroupName"] == name
        for group in pages(logs, "describe_log_groups", "logGroups", logGroupNamePrefix=name)
    ):
        logs.create_log_group(logGroupName=name, tags=stage.tags)
    logs.put_retention_policy(logGroupName=name, retentionInDays=LOG_DAYS)


def print_logs(stage: Stage, group: str, minutes: float) -> None:
    """Print what was written to the log group in the last minutes."""
    since = int(1000 * (time.time() - 60 * minutes))
    for event in _events(stage, group, since):
        print(f"{time.strftime('%H:%M:%S', time.gmtime(event['timestamp'] / 1000))} {event['message'].rstrip()}")


def _events(stage: Stage, group: str, since: int) -> Iterator[dict[str, Any]]:
    """The group's events since then, in ms of 1970; none where there is no such group."""
    logs = stage.client("logs")
    if any(
        g["logGroupName"] == group for g in pages(logs, "describe_log_groups", "logGroups", logGroupNamePrefix=group)
    ):
        yield from pages(logs, "filter_log_events", "events", logGroupName=group, startTime=since)


def tagged(stage: Stage) -> list[Left]:
    """What the tagging API still lists under the stage's tags; it lags some minutes behind a removal."""
    filters = [{"Key": key, "Values": [value]} for key, value in stage.tags.items()]
    found = pages(
        stage.client("resourcegroupstaggingapi"), "get_resources", "ResourceTagMappingList", TagFilters=filters
    )
    return [Left("tagged", item["ResourceARN"]) for item in found]


def age(moment: datetime) -> str:
    """How long ago, in the largest unit that fits."""
    seconds = (datetime.now(UTC) - moment.astimezone(UTC)).total_seconds()
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def show(rows: Sequence[Left]) -> None:
    """Print what there is, a line each."""
    for row in rows:
        print(f"{row.kind:15} {row.name:58} {row.state:22} {row.age:>7}  {row.note}".rstrip())
    if not rows:
        print("There is nothing.")
