"""The API under a name of one's own: made, moved, changed and removed with the stage."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from backend.deploy import domain, function, gateway, parts
from backend.deploy.options import Options
from backend.deploy.refusals import StageError
from tests.cloud.halves import TEMPLATE

if TYPE_CHECKING:
    from backend.deploy.stage import Stage

CERTIFICATE = "arn:aws:acm:us-east-1:123456789012:certificate/0001"
NAMED = Options(mode="embedded", domain="api.example.org", certificate=CERTIFICATE)


@pytest.fixture
def with_api(stage: Stage) -> Stage:
    stage.client("cloudformation").create_stack(
        StackName=stage.prefix, TemplateBody=json.dumps(TEMPLATE), Tags=stage.tag_list()
    )
    client, api = stage.client("apigateway"), gateway.api_id(stage)
    [root] = client.get_resources(restApiId=api)["items"]
    method = {"restApiId": api, "resourceId": root["id"], "httpMethod": "GET"}
    client.put_method(**method, authorizationType="NONE")
    client.put_integration(**method, type="MOCK")
    client.create_deployment(restApiId=api, stageName=stage.name)
    return stage


def mapped(stage: Stage) -> list[tuple[str, str]]:
    """(name, REST API) of each domain of the account."""
    client = stage.client("apigateway")
    names = [item["domainName"] for item in client.get_domain_names()["items"]]
    found = [(name, client.get_base_path_mappings(domainName=name).get("items", [])) for name in names]
    return [(name, item["restApiId"]) for name, items in found for item in items]


def test_the_name_leads_to_the_api_and_what_dns_needs_is_told(
    with_api: Stage, capsys: pytest.CaptureFixture[str]
) -> None:
    for _ in range(2):
        domain.ensure(with_api, NAMED)
        assert mapped(with_api) == [("api.example.org", gateway.api_id(with_api))]
    assert "https://api.example.org is the API once DNS has: api.example.org CNAME" in capsys.readouterr().out


def test_it_follows_an_api_that_was_made_anew(with_api: Stage) -> None:
    domain.ensure(with_api, NAMED)
    client = with_api.client("apigateway")
    other = client.create_rest_api(name="other")["id"]
    client.delete_base_path_mapping(domainName="api.example.org", basePath="(none)")
    client.create_base_path_mapping(domainName="api.example.org", basePath="(none)", restApiId=other)
    domain.ensure(with_api, NAMED)
    assert mapped(with_api) == [("api.example.org", gateway.api_id(with_api))]


def test_another_name_replaces_it_and_none_removes_it(with_api: Stage) -> None:
    domain.ensure(with_api, NAMED)
    domain.ensure(with_api, Options(domain="digits.example.org", certificate=CERTIFICATE))
    assert [name for name, _ in mapped(with_api)] == ["digits.example.org"]
    domain.ensure(with_api, Options())
    assert mapped(with_api) == []


def test_somebody_elses_name_is_left_alone(with_api: Stage) -> None:
    with_api.client("apigateway").create_domain_name(domainName="api.example.org")
    with pytest.raises(StageError, match="not ours"):
        domain.ensure(with_api, NAMED)
    assert parts.remove(with_api, [domain.PART]) == {}
    assert with_api.client("apigateway").get_domain_names()["items"]


def test_it_goes_with_the_stage(with_api: Stage) -> None:
    domain.ensure(with_api, NAMED)
    assert [row.name for row in domain.PART.find(with_api)] == ["api.example.org"]
    assert parts.remove(with_api, [domain.PART]) == {}
    assert mapped(with_api) == []


def test_a_name_without_its_certificate_is_refused_before_anything(stage: Stage) -> None:
    with pytest.raises(StageError, match="go together"):
        function.up(stage, Options(mode="embedded", domain="api.example.org"))
    assert stage.client("s3").list_buckets()["Buckets"] == []
