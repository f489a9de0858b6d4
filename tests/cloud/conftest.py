"""An AWS of one's own: moto's server for the control plane, and an endpoint that serves whatever was deployed to it."""

from __future__ import annotations

import functools
import io
import json
import shutil
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import botocore.loaders
import botocore.session
import moto.apigateway.models
import moto.awslambda.models
import moto.awslambda.responses
import moto.awslambda.urls
import moto.s3.models
import moto.sagemaker.responses
import numpy as np
import pytest
import requests
from botocore.exceptions import ClientError
from moto.core import DEFAULT_ACCOUNT_ID
from moto.iam.access_control import PermissionResult
from moto.sagemaker.exceptions import AWSValidationException
from moto.sagemaker.models import sagemaker_backends

from backend import telemetry
from backend.deploy import images
from backend.deploy.plan import Release
from backend.predictors import EmbeddedPredictor
from tests.cloud import played
from tests.cloud.halves import deployed
from tests.cloud.lightsail import Lightsail
from tests.stand_in import StandIn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from backend.deploy.stage import Stage
    from tests.stand_in import Handler

ARTIFACT = Path("training/artifacts/digits")
REGION = "us-east-1"
DUMMY = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_DEFAULT_REGION": REGION,
    "AWS_CONFIG_FILE": "/nonexistent",
    "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent",
    "AWS_EC2_METADATA_DISABLED": "true",
}


# Each session would parse the services' descriptions anew.
_descriptions = botocore.loaders.create_loader()
botocore.session.create_loader = lambda *_: _descriptions


def _update_endpoint(self: Any) -> str:
    """One of the three calls of SageMaker's that moto lacks: same endpoint, other config."""
    name, config = self._get_param("EndpointName"), self._get_param("EndpointConfigName")
    endpoint = self.sagemaker_backend.endpoints[name]
    endpoint.endpoint_config_name = config
    return json.dumps({"EndpointArn": endpoint.arn})


def _delete_model_package(self: Any) -> str:
    backend, arn = self.sagemaker_backend, self._get_param("ModelPackageName")
    for name in [name for name, package in backend.model_packages.items() if package.arn == arn]:
        del backend.model_packages[name]
    return ""


def _delete_model_package_group(self: Any) -> str:
    """As strict as SageMaker: a group that holds packages stays."""
    backend, name = self.sagemaker_backend, self._get_param("ModelPackageGroupName")
    if name not in backend.model_package_groups:
        raise AWSValidationException(f"ModelPackageGroup {name} does not exist.")
    if any(package.model_package_group_name == name for package in backend.model_packages.values()):
        raise AWSValidationException("Cannot delete a model package group that holds versions.")
    del backend.model_package_groups[name]
    return ""


for action in (_update_endpoint, _delete_model_package, _delete_model_package_group):
    setattr(moto.sagemaker.responses.SageMakerResponse, action.__name__[1:], action)


# asked for by `zappa update`, unknown to moto: there are no function URLs
moto.awslambda.urls.url_paths[r"{0}/(?P<api_version>[^/]+)/functions/(?P<function_name>[\w_:%-]+)/urls/?$"] = (
    moto.awslambda.responses.LambdaResponse.dispatch
)
moto.awslambda.responses.LambdaResponse.list_function_url_configs = lambda _: json.dumps({"FunctionUrlConfigs": []})  # type: ignore[attr-defined]

_update_key = moto.apigateway.models.ApiKey.update_operations


def _update_key_with_stages(self: Any, operations: list[dict[str, str]]) -> Any:
    """moto knows no "add" here; API Gateway notes the stage, which our usage plan then binds."""
    return _update_key(self, [operation for operation in operations if operation["path"] != "/stages"])


moto.apigateway.models.ApiKey.update_operations = _update_key_with_stages  # type: ignore[method-assign]

_create_domain_name = moto.apigateway.models.APIGatewayBackend.create_domain_name


def _create_domain_name_without_mapping(self: Any, *given: Any, **named: Any) -> Any:
    """moto answers 500 where a domain leads nowhere yet; API Gateway says that there is no such mapping."""
    made = _create_domain_name(self, *given, **named)
    self.base_path_mappings.setdefault(made.domain_name, {})
    return made


moto.apigateway.models.APIGatewayBackend.create_domain_name = _create_domain_name_without_mapping  # type: ignore[method-assign]

moto.awslambda.models.LambdaFunction.invoke = played.invoke  # type: ignore[method-assign]

# moto reads a bucket policy without its Condition, so "deny what is not TLS" would deny everything
moto.s3.models.FakeBucket.get_permission = lambda *_, **__: PermissionResult.NEUTRAL  # type: ignore[method-assign]


@functools.cache
def read(instances: str) -> Any:
    """What the artifact's own weights say: probabilities (n, labels) and scores (n,)."""
    return EmbeddedPredictor(ARTIFACT).predict(np.array(json.loads(instances), np.uint8))


def _config_of(endpoint: str) -> str:
    """What the endpoint is on, out of moto itself: by HTTP each question would cost ten times as much."""
    found = sagemaker_backends[DEFAULT_ACCOUNT_ID][REGION].endpoints.get(endpoint)
    return str(found.endpoint_config_name) if found else ""


class Endpoint(StandIn):
    """Plays SageMaker's runtime: looks up in the control plane what the endpoint serves, and answers with it."""

    def __init__(self, aws: str) -> None:
        self.sagemaker, self.s3 = (boto3.client(name, endpoint_url=aws) for name in ("sagemaker", "s3"))
        self.cards: dict[str, dict[str, Any]] = {}
        self.spoil: Callable[[dict[str, Any]], object] = dict.copy  # as it is
        self.spoiled = ""  # the one endpoint that is; all, where it is empty
        super().__init__(self._answer)

    def served(self, name: str) -> dict[str, Any]:
        """The card of the release whose model the endpoint's config names."""
        config = _config_of(name) or self.sagemaker.describe_endpoint(EndpointName=name)["EndpointConfigName"]
        if config not in self.cards:
            self.cards[config] = self.load(config)
        return self.cards[config]

    def load(self, config: str) -> dict[str, Any]:
        variant = self.sagemaker.describe_endpoint_config(EndpointConfigName=config)["ProductionVariants"][0]
        url = self.sagemaker.describe_model(ModelName=variant["ModelName"])["PrimaryContainer"]["ModelDataUrl"]
        bucket, _, key = url.removeprefix("s3://").partition("/")
        archive = self.s3.get_object(Bucket=bucket, Key=key)["Body"].read()
        with tarfile.open(fileobj=io.BytesIO(archive)) as members:
            assert members.getnames()
        card = self.s3.get_object(Bucket=bucket, Key=key.replace("model.tar.gz", "card.json"))["Body"].read()
        return dict(json.loads(card))

    def _answer(self, handler: Handler, body: bytes) -> None:
        name = handler.path.split("/")[2]
        try:
            card = self.served(name)
        except ClientError as error:
            return handler.send(400, {"Message": str(error)}, x_amzn_ErrorType="ValidationError")
        said = read(json.dumps(json.loads(body)["instances"]))
        about = {"version": card["version"], "name": "digits", "labels": said.labels, "threshold": said.threshold}
        rows = zip(said.probabilities.tolist(), said.scores.tolist(), strict=True)
        answers = [{"probabilities": row, "score": score, **about} for row, score in rows]
        for answer in answers if self.spoiled in ("", name) else ():
            self.spoil(answer)
        return handler.send(200, {"predictions": answers})


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--live", action="store_true", help="run test_life.py in the AWS account of this machine; it costs cents"
    )


@pytest.fixture(scope="session")
def lightsail() -> Iterator[Lightsail]:
    with Lightsail() as server:
        yield server


@pytest.fixture
def aws(moto_url: str, lightsail: Lightsail, monkeypatch: pytest.MonkeyPatch) -> Iterator[Endpoint]:
    """An empty account, reached by unmodified boto3 through AWS_ENDPOINT_URL; returns its runtime endpoint."""
    for name, value in DUMMY.items():
        monkeypatch.setenv(name, value)
    requests.post(f"{moto_url}/moto-api/reset", timeout=10).raise_for_status()
    lightsail.services.clear()
    lightsail.requests.clear()
    lightsail.deploys = "ACTIVE"
    with Endpoint(moto_url) as runtime:
        monkeypatch.setenv("AWS_ENDPOINT_URL", moto_url)
        monkeypatch.setenv("AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME", runtime.url)
        monkeypatch.setenv("AWS_ENDPOINT_URL_LIGHTSAIL", lightsail.url)
        monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent / "desk"))
        monkeypatch.setattr(telemetry, "STDOUT", played.LINES)
        played.LINES.clear()
        monkeypatch.setattr("time.sleep", float)  # what is waited for there is at once here
        yield runtime


@pytest.fixture
def make_release(tmp_path: Path) -> Callable[[str], Release]:
    """The shipped artifact under another version."""

    def make(version: str) -> Release:
        folder = tmp_path / version
        shutil.copytree(ARTIFACT, folder)
        card = json.loads((folder / "card.json").read_text())
        (folder / "card.json").write_text(json.dumps({**card, "version": version}))
        with tarfile.open(folder / "model.tar.gz", "w:gz") as archive:
            archive.add(folder / "card.json", f"1/{version}.json")
        return Release(folder, f"763104351884.dkr.ecr.{REGION}.amazonaws.com/{images.SERVING}")

    return make


@pytest.fixture
def stage(aws: Endpoint) -> Stage:
    from backend.deploy.stage import open_stage

    return open_stage("test")


@pytest.fixture
def first(make_release: Callable[[str], Release]) -> Release:
    return make_release("2026.1.1")


@pytest.fixture
def live(stage: Stage, first: Release) -> Stage:
    return deployed(stage, first)
