"""Our clients of AWS are boto3's own, found faster."""

from __future__ import annotations

import boto3
import pytest

from backend.bounded import make_client
from backend.settings import SettingsError


@pytest.mark.parametrize("region", ["us-east-1", "eu-central-1", "cn-north-1", "us-gov-west-1", "mars-north-1"])
@pytest.mark.parametrize("service", ["sagemaker-runtime", "s3"])
def test_client_asks_where_boto3s_own_would(monkeypatch: pytest.MonkeyPatch, service: str, region: str) -> None:
    for name, value in {"DEFAULT_REGION": region, "ACCESS_KEY_ID": "x", "SECRET_ACCESS_KEY": "x"}.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    ours, plain = make_client(service), boto3.Session().client(service)  # type: ignore[call-overload]
    assert ours.meta.endpoint_url == plain.meta.endpoint_url
    assert ours.meta.service_model.operation_names == plain.meta.service_model.operation_names
    assert ours.meta.method_to_api_mapping == plain.meta.method_to_api_mapping


def test_no_client_of_a_service_that_there_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with pytest.raises(SettingsError, match="boto3 cannot ask digits"):
        make_client("digits")


def test_other_sessions_still_find_every_service(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    make_client("s3")
    assert {"s3", "sagemaker"} <= set(boto3.Session().get_available_services())
