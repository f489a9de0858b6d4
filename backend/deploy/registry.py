"""The stage's Model Registry group: every release that was deployed, its files in the bucket, and whether it may serve.

A release is PendingManualApproval until its smoke test, then Approved or Rejected; one at a time may be the canary
between, which is kept beside that: SageMaker knows no fourth state. Used by release and canary.
"""

from __future__ import annotations

import base64
import hashlib
import json
import time
from typing import TYPE_CHECKING, Any, NamedTuple

from backend.deploy.parts import Left, Part, age
from backend.deploy.plan import ENVIRONMENT, RELEASE_FILES, Release
from backend.deploy.refusals import StageError, attempt, pages

if TYPE_CHECKING:
    from pathlib import Path

    from backend.deploy.stage import Stage


RUNNING = "running"  # of Entry.canary


class Entry(NamedTuple):
    """One registered release; `config` is the endpoint config it last passed its smoke test on.

    `canary`: "running", how it ended, or empty; `against` is the release that it is compared with, `since` its start in
    seconds of 1970.
    """

    arn: str
    name: str
    version: str
    status: str
    config: str
    url: str
    image: str
    created: Any
    canary: str
    against: str
    since: float
    metrics: dict[str, str]

    @property
    def state(self) -> str:
        """What `list` and `status` call it."""
        return "Canary" if self.canary == RUNNING else self.status


def upload(stage: Stage, release: Release, bucket: str) -> str:
    """Copy the release's files into the bucket, where they are not there yet; returns the URL of model.tar.gz."""
    s3 = stage.client("s3")
    for file in RELEASE_FILES:
        key, content = f"models/{release.name}/{file}", (release.folder / file).read_bytes()
        checksum = base64.b64encode(hashlib.sha256(content).digest()).decode()
        there = attempt(s3.head_object, Bucket=bucket, Key=key, ChecksumMode="ENABLED") or {}
        if there.get("ChecksumSHA256") != checksum:
            s3.put_object(Bucket=bucket, Key=key, Body=content, ChecksumSHA256=checksum)
    return f"s3://{bucket}/models/{release.name}/model.tar.gz"


def register(stage: Stage, release: Release, url: str) -> str:
    """Enter the release with its card's metrics, unless it is there; returns its ARN."""
    sagemaker = stage.client("sagemaker")
    if attempt(sagemaker.describe_model_package_group, ModelPackageGroupName=stage.prefix) is None:
        sagemaker.create_model_package_group(ModelPackageGroupName=stage.prefix, Tags=stage.tag_list())
    for entry in entries(stage):
        if entry.name == release.name:
            return entry.arn
    created = sagemaker.create_model_package(**_package(stage, release, url))
    return str(created["ModelPackageArn"])


def _package(stage: Stage, release: Release, url: str) -> dict[str, Any]:
    card_url = url.replace("model.tar.gz", "card.json")
    statistics = {"ContentType": "application/json", "S3Uri": card_url}
    container = {"Image": release.image, "ModelDataUrl": url, "Environment": ENVIRONMENT}
    return {
        "ModelPackageGroupName": stage.prefix,
        "ModelPackageDescription": f"{release.card['name']} {release.version}",
        "ModelApprovalStatus": "PendingManualApproval",
        "InferenceSpecification": {
            "Containers": [container],
            "SupportedContentTypes": ["application/json"],
            "SupportedResponseMIMETypes": ["application/json"],
        },
        "ModelMetrics": {"ModelQuality": {"Statistics": statistics}},
        "CustomerMetadataProperties": {"release": release.name, "version": release.version, **_metrics(release.card)},
    }


def _metrics(card: dict[str, Any]) -> dict[str, str]:
    """The card's numbers and its lineage, as the registry's console shows them; it takes 50 entries of 256 letters."""
    metrics, lineage = card.get("metrics", {}), card.get("lineage", {})
    flat = {str(name): str(value)[:256] for name, value in metrics.items() if isinstance(value, int | float)}
    from_whom = {str(name): str(value)[:256] for name, value in lineage.items() if isinstance(value, int | float | str)}
    return dict(list(from_whom.items())[:8]) | dict(list(flat.items())[:32])


def entries(stage: Stage) -> list[Entry]:
    """Every registered release, newest first."""
    sagemaker = stage.client("sagemaker")
    if attempt(sagemaker.describe_model_package_group, ModelPackageGroupName=stage.prefix) is None:
        return []
    found = pages(sagemaker, "list_model_packages", "ModelPackageSummaryList", ModelPackageGroupName=stage.prefix)
    described = [sagemaker.describe_model_package(ModelPackageName=item["ModelPackageArn"]) for item in found]
    return sorted((_entry(package) for package in described), key=lambda entry: entry.created, reverse=True)


def _entry(package: dict[str, Any]) -> Entry:
    known = dict(package.get("CustomerMetadataProperties", {}))
    container = package["InferenceSpecification"]["Containers"][0]
    return Entry(
        arn=package["ModelPackageArn"],
        name=known.pop("release", ""),
        version=known.pop("version", ""),
        status=package["ModelApprovalStatus"],
        config=known.pop("config", ""),
        url=container["ModelDataUrl"],
        image=container["Image"],
        created=package["CreationTime"],
        canary=known.pop("canary", ""),
        against=known.pop("against", ""),
        since=float(known.pop("since", "0")),
        metrics=known,
    )


def approve(stage: Stage, arn: str, config: str) -> None:
    """Note that the release passed its smoke test on this endpoint config."""
    _judge(stage, arn, "Approved", config=config)


def reject(stage: Stage, arn: str, why: str) -> None:
    """Note that the release failed, and why."""
    _judge(stage, arn, "Rejected", reason=why[:256])


def canary(stage: Stage) -> Entry | None:
    """The release that is the canary now, or None."""
    return next((entry for entry in entries(stage) if entry.canary == RUNNING), None)


def begin_canary(stage: Stage, entry: Entry, against: str) -> Entry:
    """Note that the release is the canary from now on; one that is already keeps its beginning."""
    if entry.canary == RUNNING:
        return entry
    begun = entry._replace(canary=RUNNING, against=against, since=time.time())
    _judge(stage, entry.arn, entry.status, canary=RUNNING, against=against, since=f"{begun.since:.0f}")
    return begun


def end_canary(stage: Stage, entry: Entry, how: str) -> None:
    """Note how the canary ended: its last step, so that until then every command finds it and goes on."""
    _judge(stage, entry.arn, "Rejected" if how.startswith("taken back") else "Approved", canary=how[:256])


def _judge(stage: Stage, arn: str, status: str, **more: str) -> None:
    sagemaker = stage.client("sagemaker")
    known = sagemaker.describe_model_package(ModelPackageName=arn).get("CustomerMetadataProperties", {})
    sagemaker.update_model_package(
        ModelPackageArn=arn, ModelApprovalStatus=status, CustomerMetadataProperties={**known, **more}
    )


def find(stage: Stage, version: str) -> Entry:
    """The newest entry of this version or release name. Raises StageError naming those there are."""
    known = entries(stage)
    for entry in known:
        if version in (entry.version, entry.name):
            return entry
    there = ", ".join(entry.name for entry in known) or "none"
    raise StageError(f"No release {version} in stage {stage.name}; there is: {there}.")


def card(stage: Stage, entry: Entry) -> dict[str, Any]:
    """The release's card.json, from the bucket."""
    read: dict[str, Any] = json.loads(_read(stage, entry, "card.json"))
    return read


def fetch(stage: Stage, entry: Entry, folder: Path) -> Release:
    """Copy the release's files from the bucket to folder/<release>."""
    target = folder / entry.name
    target.mkdir(parents=True, exist_ok=True)
    for file in RELEASE_FILES:
        (target / file).write_bytes(_read(stage, entry, file))
    return Release.load(target, stage, entry.image)


def _read(stage: Stage, entry: Entry, file: str) -> bytes:
    """One of the release's files, which stand beside its model.tar.gz in the bucket."""
    bucket, _, key = entry.url.removeprefix("s3://").partition("/")
    body: bytes = stage.client("s3").get_object(Bucket=bucket, Key=key.replace("model.tar.gz", file))["Body"].read()
    return body


def _releases(stage: Stage) -> list[Left]:
    return [Left("release", entry.name, entry.state, age(entry.created)) for entry in entries(stage)]


def _remove_release(stage: Stage, name: str) -> None:
    for entry in entries(stage):
        if entry.name == name:
            attempt(stage.client("sagemaker").delete_model_package, ModelPackageName=entry.arn)


def _groups(stage: Stage) -> list[Left]:
    found = attempt(stage.client("sagemaker").describe_model_package_group, ModelPackageGroupName=stage.prefix)
    return [Left("registry group", stage.prefix)] if found else []


def _remove_group(stage: Stage, name: str) -> None:
    attempt(stage.client("sagemaker").delete_model_package_group, ModelPackageGroupName=name)


PARTS = (Part("release", _releases, _remove_release), Part("registry group", _groups, _remove_group))
