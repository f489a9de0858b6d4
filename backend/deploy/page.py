"""The page as a Lightsail container, for those who do not want Community Cloud.

The cheapest of AWS' hosts that keeps Streamlit's WebSocket and gives it HTTPS: 7 USD a month (`make cost`). Needs
Docker, the AWS CLI and its lightsailctl plugin to build and push ui/Dockerfile.
"""

from __future__ import annotations

import subprocess
import time
from typing import TYPE_CHECKING, Any

from backend.deploy.gateway import key_of, url_of
from backend.deploy.parts import Left, Part, show
from backend.deploy.refusals import StageError, attempt
from backend.deploy.stage import ROOT

if TYPE_CHECKING:
    from backend.deploy.stage import Stage

PORT = 8501
POWER = "nano"  # 0.25 vCPU and 512 MB; the page takes 200 MB
BUSY = ("PENDING", "UPDATING", "DEPLOYING", "DELETING")
WAIT_SECONDS = 20 * 60


def up(stage: Stage) -> None:
    """Make the container service, build and push the page, and run it against the stage's API."""
    url, key = url_of(stage), key_of(stage, value=True)
    if url is None or key is None:
        raise StageError(f"Stage {stage.name} has no API: run `make deploy STAGE={stage.name}` first.")
    lightsail, name = stage.client("lightsail"), service(stage)
    if describe(stage) is None:
        lightsail.create_container_service(serviceName=name, power=POWER, scale=1, tags=stage.tag_list("key", "value"))
    if stage.dry_run:
        return
    wait(stage)
    push(stage)
    image = lightsail.get_container_images(serviceName=name)["containerImages"][0]["image"]  # newest first
    environment = {"API_URL": url, "API_KEY": str(key["value"])}
    container = {"image": image, "ports": {str(PORT): "HTTP"}, "environment": environment}
    public = {"containerName": "page", "containerPort": PORT, "healthCheck": {"path": "/_stcore/health"}}
    made = lightsail.create_container_service_deployment(
        serviceName=name, containers={"page": container}, publicEndpoint=public
    )
    version = made["containerService"]["nextDeployment"]["version"]
    found = wait(stage) or {}
    if found.get("currentDeployment", {}).get("version") != version:
        log = f"aws lightsail get-container-log --service-name {name} --container-name page"
        raise StageError(f"The page's container did not start, and what ran before still does. See `{log}`.")
    print(f"The page: {found.get('url')}")


def service(stage: Stage) -> str:
    """The container service's name."""
    return f"{stage.prefix}-page"


def describe(stage: Stage) -> dict[str, Any] | None:
    """The container service, or None."""
    found = attempt(stage.client("lightsail").get_container_services, serviceName=service(stage))
    return found["containerServices"][0] if found and found["containerServices"] else None


def wait(stage: Stage, every: float = 10) -> dict[str, Any] | None:
    """Wait while Lightsail works on the service; returns it, or None once there is none. Raises StageError."""
    end = time.monotonic() + WAIT_SECONDS
    while (found := describe(stage)) and found["state"] in BUSY:
        if time.monotonic() > end:
            raise StageError("Lightsail is still at work after 20 minutes: look at its console.")
        print(f"  page {found['state']}", flush=True)
        time.sleep(every)
    return found


def push(stage: Stage) -> None:
    """Build the image and send it to the service. Raises StageError where Docker or the plugin is missing."""
    image = f"{service(stage)}:latest"
    send = ("aws", "lightsail", "push-container-image", "--service-name", service(stage), "--label", "page")
    for step in (
        ("docker", "build", "--platform", "linux/amd64", "-f", "ui/Dockerfile", "-t", image, "."),
        (*send, "--image", image),
    ):
        try:
            done = subprocess.run(step, cwd=ROOT, check=False)  # noqa: S603 - no input of others
        except FileNotFoundError:
            raise StageError(f"{step[0]} is not installed: the page's image is built and pushed with it.") from None
        if done.returncode:
            raise StageError(f"{' '.join(step[:3])} failed: see its output above.")


def _found(stage: Stage) -> list[Left]:
    if stage.region not in stage.session.get_available_regions("lightsail"):
        return []
    found = describe(stage)
    note = f"{found.get('url')}, $7 a month" if found else ""
    return [Left("page", service(stage), found["state"], note=note)] if found else []


def _remove(stage: Stage, name: str) -> None:
    """Remove the service with its images. Raises StageError where it stays."""
    if wait(stage):
        attempt(stage.client("lightsail").delete_container_service, serviceName=name)
    if not stage.dry_run and wait(stage):
        raise StageError(f"{name} is left in Lightsail.")


PART = Part("page", _found, _remove)


def status(stage: Stage) -> None:
    """Print the service's state, address and price."""
    show(_found(stage))


def destroy(stage: Stage) -> None:
    """Remove the service, as `destroy` of the whole stage does too."""
    for row in _found(stage):
        _remove(stage, row.name)
    print(f"Nothing of {service(stage)} is left in Lightsail.")
