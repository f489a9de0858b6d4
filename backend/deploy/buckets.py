"""The stage's S3 buckets: private, encrypted, versioned, TLS only."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from backend.deploy.parts import Left, Part
from backend.deploy.refusals import StageError, attempt

if TYPE_CHECKING:
    from backend.deploy.stage import Stage


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
    s3.put_bucket_policy(Bucket=name, Policy=json.dumps(_only_tls(f"arn:{stage.partition}:s3:::{name}")))
    return name


def _only_tls(arn: str) -> dict[str, Any]:
    refuse = {
        "Effect": "Deny", "Principal": "*", "Action": "s3:*",
        "Resource": [arn, f"{arn}/*"],
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }  # fmt: skip
    return {"Version": "2012-10-17", "Statement": [refuse]}


def bucket_part(purpose: str) -> Part:
    """The stage's bucket for this purpose, as `status` shows and `destroy` removes it."""

    def find(stage: Stage) -> list[Left]:
        name = stage.bucket(purpose)
        return [] if attempt(stage.client("s3").head_bucket, Bucket=name) is None else [Left("bucket", name)]

    return Part("bucket", find, _remove_bucket)


def _remove_bucket(stage: Stage, name: str) -> None:
    """Remove the bucket with every version of every object in it."""
    s3 = stage.client("s3")
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=name):
        found = [*page.get("Versions", ()), *page.get("DeleteMarkers", ())]
        objects = [{"Key": item["Key"], "VersionId": item["VersionId"]} for item in found]
        kept = s3.delete_objects(Bucket=name, Delete={"Objects": objects, "Quiet": True}) if objects else {}
        for error in kept.get("Errors", ()):  # S3 answers 200 and names here what it did not delete
            raise StageError(f"S3 keeps {error['Key']} in {name}: {error.get('Message', error.get('Code'))}")
    attempt(s3.delete_bucket, Bucket=name)
