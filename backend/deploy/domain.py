"""The API under a name of one's own: a custom domain of API Gateway, on a certificate of the account. Used by function.

DNS stays with whoever has the name; what has to be entered there is printed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from backend.deploy.gateway import api_id
from backend.deploy.parts import Left, Part
from backend.deploy.refusals import StageError, attempt, pages

if TYPE_CHECKING:
    from backend.deploy.options import Options
    from backend.deploy.stage import Stage

ROOT_PATH = "(none)"  # API Gateway's word for a mapping without a path


def check(options: Options) -> None:
    """Raise StageError where one is given without the other; nothing is made before this."""
    if bool(options.domain) != bool(options.certificate):
        raise StageError(
            "--domain and --certificate go together: the ARN is that of a certificate for this name in ACM."
        )


def ensure(stage: Stage, options: Options) -> None:
    """Make the domain lead to the stage's API; one that the stage had before is removed."""
    for row in _domains(stage):
        if row.name != options.domain:
            _remove(stage, row.name)
    if not options.domain:
        return
    gateway, name = stage.client("apigateway"), options.domain
    there = attempt(gateway.get_domain_name, domainName=name)
    if there is None:
        there = gateway.create_domain_name(
            domainName=name,
            regionalCertificateArn=options.certificate,
            endpointConfiguration={"types": ["REGIONAL"]},
            securityPolicy="TLS_1_2",
            tags=stage.tags,
        )
    elif not stage.mark.items() <= there.get("tags", {}).items():
        raise StageError(f"The domain {name} is in this account already, and not ours: remove it, or give another.")
    elif there.get("regionalCertificateArn") != options.certificate:
        patch = {"op": "replace", "path": "/regionalCertificateArn", "value": options.certificate}
        gateway.update_domain_name(domainName=name, patchOperations=[patch])
    _lead(stage, name)
    target = there.get("regionalDomainName", "what `make status` shows")
    print(f"  https://{name} is the API once DNS has: {name} CNAME {target}")


def _lead(stage: Stage, name: str) -> None:
    """Map the domain's root to the API's stage."""
    gateway = stage.client("apigateway")
    where = {"domainName": name, "basePath": ROOT_PATH}
    mapped = attempt(gateway.get_base_path_mapping, **where)
    if mapped and (mapped["restApiId"], mapped.get("stage")) == (api_id(stage), stage.name):
        return
    if mapped:  # to an API that was made anew since
        gateway.delete_base_path_mapping(**where)
    gateway.create_base_path_mapping(**where, restApiId=api_id(stage), stage=stage.name)


def _domains(stage: Stage) -> list[Left]:
    """The stage's domains, by their tags."""
    found: list[dict[str, Any]] = list(pages(stage.client("apigateway"), "get_domain_names", "items"))
    ours = [item for item in found if stage.mark.items() <= item.get("tags", {}).items()]
    return [Left("domain", item["domainName"], note=item.get("regionalDomainName", "")) for item in ours]


def _remove(stage: Stage, name: str) -> None:
    gateway = stage.client("apigateway")
    attempt(gateway.delete_base_path_mapping, domainName=name, basePath=ROOT_PATH)
    attempt(gateway.delete_domain_name, domainName=name)


PART = Part("domain", _domains, _remove)
