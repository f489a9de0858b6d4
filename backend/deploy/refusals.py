"""AWS's refusals in words, and calls that expect some of them. Everything in backend.deploy builds on it.

StageError    nothing to be done from here; the message says why and what to do
"""

from __future__ import annotations

import json
import re
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

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
    "ReadTimeoutError": "AWS took longer than a minute to answer: run the command again; it goes on where it stopped.",
}
SLOW_DOWN = "AWS asks to slow down: run the command again in a minute; it goes on where it stopped."
SENTENCES |= dict.fromkeys(
    ("Throttling", "ThrottlingException", "TooManyRequestsException", "RequestLimitExceeded", "SlowDown"), SLOW_DOWN
)
QUOTAS = ("ResourceLimitExceeded", "LimitExceededException", "LimitExceeded", "ServiceQuotaExceededException",
          "TooManyBuckets", "CodeStorageExceededException")  # fmt: skip
DENIED = ("AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "AuthorizationError", "403", "Forbidden")
NOT_FOUND = ("404", "NoSuchBucket", "NoSuchEntity", "NoSuchKey", "NotFoundException", "ResourceNotFoundException",
             "ResourceNotFound", "NoSuchPublicAccessBlockConfiguration", "ObjectNotFoundException")  # fmt: skip

MISSING = re.compile(r"could not find|does not exist|not found|no scalable target", re.IGNORECASE)  # ValidationError


REPORTED = re.compile(r"An error occurred \((\w+)\) when calling the (\w+) operation[^:]*: ([^\n]*)")
WAITED = re.compile(r"Waiter \w+ failed: An error occurred \((\w+)\): ([^\n]*)")  # botocore's WaiterError
ABOVE = {  # how AWS ends a refusal that no line in the person's own policy can lift
    r"explicit deny in a service control policy|no service control policy allows": "a service control policy of the "
    "organization refuses it",
    r"explicit deny in a resource control policy|no resource control policy allows": "a resource control policy of the "
    "organization refuses it",
    r"permissions boundary": "the permissions boundary of your user or role does not allow it",
    r"session policy": "the policy of this session does not allow it",
    r"VPC endpoint policy": "the policy of the VPC endpoint does not allow it",
    r"explicit deny in a resource-based policy": "the policy of the resource itself refuses it",
    r"explicit deny": "a policy of yours refuses it by an explicit Deny",
}
ACTIONS = {  # calls whose refusal has no text, and whose right has another name
    "HeadBucket": "s3:ListBucket",
    "HeadObject": "s3:GetObject",
    "ListObjectVersions": "s3:ListBucketVersions",
    "PutBucketEncryption": "s3:PutEncryptionConfiguration",
    "PutPublicAccessBlock": "s3:PutBucketPublicAccessBlock",
    "DeleteObjects": "s3:DeleteObject",
    "Invoke": "lambda:InvokeFunction",
    "DescribeBudget": "budgets:ViewBudget",
    "CreateBudget": "budgets:ModifyBudget",
    "DeleteBudget": "budgets:ModifyBudget",
}


class StageError(RuntimeError):
    """The command cannot go on; the message is one sentence for the person who ran it."""


def code_of(error: Exception) -> str:
    """AWS's error code of a botocore ClientError, or the exception's name."""
    response = getattr(error, "response", None) or {}
    return str(response.get("Error", {}).get("Code") or type(error).__name__)


def is_missing(error: Exception) -> bool:
    """Whether AWS says that the thing asked for does not exist."""
    code = code_of(error)
    return code in NOT_FOUND or (code not in DENIED and bool(MISSING.search(str(error))))


def explain(error: Exception) -> str:
    """An exception of botocore -> one sentence with the remedy."""
    said = (getattr(error, "response", None) or {}).get("Error", {}).get("Message") or str(error)
    if waited := WAITED.search(str(said)):
        return sentence(waited[1], "", waited[2])
    return sentence(code_of(error), str(getattr(error, "operation_name", "")), str(said))


def explain_text(text: str) -> str:
    """The last refusal of AWS's that another program printed -> its sentence; empty where there is none."""
    found = REPORTED.findall(text)
    return sentence(*found[-1]) if found else ""


def sentence(code: str, operation: str, message: str) -> str:
    """What AWS refused in which call, and its own words -> one sentence with the remedy."""
    if code in DENIED or "is not authorized to perform" in message:
        return _denied(operation, message)
    if code in QUOTAS:
        return (
            f"A quota of the account is used up: {message.rstrip('.')}. Ask for more under Service Quotas, or for less."
        )
    if code in SENTENCES:
        return SENTENCES[code]
    return f"AWS refused: {message.rstrip('.')}. Run the command again; it goes on where it stopped."


def _denied(operation: str, message: str) -> str:
    action = re.search(r"perform: ([\w:-]+)", message)
    resource = re.search(r'on resource: "?([^\s"]+)', message)
    named = action[1] if action else ACTIONS.get(operation, operation or "this call")
    for pattern, above in ABOVE.items():
        if re.search(pattern, message):
            return f"You may not do {named} here, whatever your own policy says: {above}. Ask whoever set that up."
    line = {"Effect": "Allow", "Action": named, "Resource": resource[1].rstrip(".") if resource else "*"}
    return (
        f"Your AWS user may not do {named}: add to its policy {json.dumps(line)}, or all at once what "
        "`python -m backend.deploy policy` prints, and run the command again."
    )


def command(main: Callable[[], None]) -> None:
    """Run a command's main: StageError and AWS's refusals become one line on stderr and exit code 1."""
    try:
        main()
    except KeyboardInterrupt:
        sys.exit("Stopped. Run the same command again to go on, or `make destroy` to remove what there is.")
    except Exception as error:  # noqa: BLE001 - refusal() raises what is not AWS's
        sys.exit(refusal(error))


def refusal(error: Exception) -> str:
    """A StageError or botocore's exception -> its sentence; any other is a fault of ours and is raised again."""
    if isinstance(error, StageError):
        return str(error)
    if not type(error).__module__.startswith(("botocore", "boto3")):  # botocore is not imported here
        raise error
    return explain(error)


@contextmanager
def noted(refused: dict[str, str], what: str) -> Iterator[None]:
    """Go on after a refusal, with its sentence kept under `what`."""
    try:
        yield
    except Exception as error:  # noqa: BLE001 - refusal() raises what is not AWS's
        refused[what] = refusal(error)


def attempt(call: Callable[..., Any], **arguments: Any) -> Any:
    """Call AWS; None where it says that the thing does not exist."""
    try:
        return call(**arguments)
    except Exception as error:
        if not is_missing(error):
            raise
        return None


def patiently(call: Callable[..., Any], **arguments: Any) -> Any:
    """A role is known everywhere only seconds after it is made: try six times in 30 s while AWS doubts it."""
    for seconds in (2, 4, 6, 8, 10):
        try:
            return call(**arguments)
        except Exception as error:
            if "role" not in str(error).lower() or re.search("not authorized to perform|may not do", str(error)):
                raise
            time.sleep(seconds)
    return call(**arguments)


def pages(client: Any, operation: str, member: str, **arguments: Any) -> Iterator[Any]:
    """Every item of a paginated list."""
    for page in client.get_paginator(operation).paginate(**arguments):
        yield from page[member]
