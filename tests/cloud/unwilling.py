"""An AWS that refuses one kind of call, through boto3's own hooks, and notes every call that is made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from botocore.exceptions import ReadTimeoutError

if TYPE_CHECKING:
    from backend.deploy.stage import Stage

WAYS = ("denied", "throttled", "timed out")


class Refusal:
    """As much of an HTTP response as botocore reads."""

    status_code = 403
    headers: dict[str, str] = {}  # noqa: RUF012 - never changed


class Unwilling:
    """Refuses the operation `refuse` in the way `how`; `seen` holds (service, operation) of what was asked."""

    def __init__(self, stage: Stage) -> None:
        self.refuse, self.how = "", "denied"
        self.seen: list[tuple[str, str]] = []
        self.calls: set[str] = set()  # with the HTTP method, by which API Gateway gives its rights
        stage._clients.clear()
        stage.session.events.register("before-call", self._answer)

    def _answer(self, model: Any, **_: Any) -> tuple[Refusal, dict[str, Any]] | None:
        name = f"{model.service_model.signing_name}:{model.name}"
        self.seen.append((model.service_model.service_name, model.name))
        self.calls.add(f"{model.service_model.service_name} {model.name} {model.http['method']}")
        if model.name != self.refuse:
            return None
        if self.how == "timed out":
            raise ReadTimeoutError(endpoint_url="https://aws.example")
        denied = (
            f"User: me is not authorized to perform: {name} because no identity-based policy allows the {name} action"
        )
        says = {"denied": ("AccessDeniedException", denied), "throttled": ("ThrottlingException", "Rate exceeded")}
        code, message = says[self.how]
        return Refusal(), {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": 403}}
