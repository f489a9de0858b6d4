"""Lightsail's container services, of which moto knows nothing: each is ready at once."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tests.stand_in import StandIn

if TYPE_CHECKING:
    from tests.stand_in import Handler


class Lightsail(StandIn):
    """`services` holds what there is; `deploys` is the state that the next deployment ends in."""

    def __init__(self) -> None:
        self.services: dict[str, dict[str, Any]] = {}
        self.deploys = "ACTIVE"
        super().__init__(self.respond)

    def asked(self, action: str) -> list[dict[str, Any]]:
        """The bodies of all requests for this action."""
        return [json.loads(r.body) for r in self.requests if r.headers["X-Amz-Target"].endswith(f".{action}")]

    def respond(self, handler: Handler, body: bytes) -> None:
        action = handler.headers["X-Amz-Target"].rpartition(".")[2]
        name = json.loads(body).get("serviceName", "")
        if action != "CreateContainerService" and name not in self.services:
            handler.send(404, {"__type": "NotFoundException", "message": "none"})
        else:
            handler.send(200, getattr(self, action, lambda _: {})(name))

    def CreateContainerService(self, name: str) -> dict[str, Any]:  # noqa: N802 - AWS's name
        self.services[name] = {"containerServiceName": name, "state": "READY", "url": "https://page.example/"}
        return {}

    def CreateContainerServiceDeployment(self, name: str) -> dict[str, Any]:  # noqa: N802
        deployment = {"state": self.deploys, "version": len(self.asked("CreateContainerServiceDeployment"))}
        if self.deploys == "ACTIVE":  # one that fails leaves what ran before
            self.services[name] |= {"state": "RUNNING", "currentDeployment": deployment}
        return {"containerService": self.services[name] | {"nextDeployment": deployment}}

    def DeleteContainerService(self, name: str) -> dict[str, Any]:  # noqa: N802
        del self.services[name]
        return {}

    def GetContainerServices(self, name: str) -> dict[str, Any]:  # noqa: N802
        return {"containerServices": [self.services[name]]}

    def GetContainerImages(self, name: str) -> dict[str, Any]:  # noqa: N802
        return {"containerImages": [{"image": f":{name}.page.2"}, {"image": f":{name}.page.1"}]}
