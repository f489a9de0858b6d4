"""A stage in any region: the image's account, the partition and the addresses are those of the region."""

from __future__ import annotations

import json

import pytest

from backend.deploy import images, options, roles
from backend.deploy.options import Options
from backend.deploy.refusals import StageError
from backend.deploy.stage import Stage

TABLE = json.loads(images.TABLE.read_text())


def stage_in(region: str) -> Stage:
    return Stage("dev", type("Session", (), {"region_name": region})(), _account="123456789012")


def test_the_table_has_its_date_and_source() -> None:
    assert TABLE["date"] >= "2026-11-25"
    assert "sagemaker-core" in TABLE["source"]
    assert len(TABLE["accounts"]) == 38


@pytest.mark.parametrize(
    ("region", "begins"),
    [
        ("us-east-1", "763104351884.dkr.ecr.us-east-1.amazonaws.com/"),
        ("eu-south-1", "692866216735.dkr.ecr.eu-south-1.amazonaws.com/"),
        ("us-gov-west-1", "442386744353.dkr.ecr.us-gov-west-1.amazonaws.com/"),
        ("cn-north-1", "727897471807.dkr.ecr.cn-north-1.amazonaws.com.cn/"),
    ],
)
def test_image_is_of_the_regions_own_account(region: str, begins: str) -> None:
    uri = images.uri(stage_in(region), images.SERVING)
    assert uri.startswith(begins)
    assert images.place(uri) == {
        "image_account": begins[:12], "image_region": region, "image_repository": "tensorflow-inference",
    }  # fmt: skip


def test_region_without_images_is_refused_with_a_way_out() -> None:
    with pytest.raises(StageError, match="no TensorFlow image in xx-west-9: choose another region, MODE=embedded"):
        images.uri(stage_in("xx-west-9"), images.SERVING)


def test_image_from_elsewhere_is_refused() -> None:
    with pytest.raises(StageError, match="not an image in ECR"):
        images.place("docker.example/own:1")


@pytest.mark.parametrize(
    ("region", "partition"), [("eu-west-3", "aws"), ("us-gov-east-1", "aws-us-gov"), ("cn-northwest-1", "aws-cn")]
)
def test_every_arn_is_of_the_regions_partition(region: str, partition: str) -> None:
    stage = stage_in(region)
    values = {"bucket": "b", **images.place(images.uri(stage, images.SERVING))}
    documents = [options.rights(stage, Options())]
    documents += [roles.policy(stage, name, **values) for name in ("endpoint", "schedule", "job", "deployer")]
    text = json.dumps([*documents, stage.role_arn("x"), stage.arn("sns", "x")])
    assert text.count("arn:") == text.count(f"arn:{partition}:")
