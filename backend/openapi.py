"""The API described: OpenAPI 3.1 made from the routes, their views and the contract's classes, and a page of it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec
from flask import Response, redirect, render_template, request

from backend import contract
from backend.contract import Problem, ProblemDetails
from backend.keys import GUARDED
from backend.problems import ApiProblem

if TYPE_CHECKING:
    from collections.abc import Callable

    from flask import Flask
    from werkzeug.wrappers import Response as AnyResponse

    from backend.settings import Settings

View = TypeVar("View", bound="Callable[..., Any]")

MODEL_PROBLEMS = (
    contract.BAD_MODEL_ANSWER,
    contract.MODEL_UNAVAILABLE,
    contract.MODEL_STARTING,
    contract.MODEL_TIMEOUT,
)
BODY_PROBLEMS = (contract.MALFORMED, contract.TOO_LARGE, contract.UNSUPPORTED_MEDIA)
PICTURE_PROBLEMS = (*BODY_PROBLEMS, contract.UNREADABLE_IMAGE, contract.BLANK_IMAGE)
FILE = {"type": "string", "format": "binary", "description": "A PNG, JPEG, WebP or GIF file."}
ONE_FILE = {"image": FILE}
MANY_FILES = {"image": {"type": "array", "items": FILE, "minItems": 1, "maxItems": contract.MAX_BATCH}}
TEXT = {"schema": {"type": "string"}}


@dataclass(frozen=True)
class Operation:
    """What a route and its view's docstring do not say."""

    answers: type | None = None  # the class of a JSON answer
    status: int = 200
    media: str = "application/json"  # empty: an answer without a body
    problems: tuple[Problem, ...] = ()
    json: type | None = None  # the class of a JSON body
    form: dict[str, Any] | None = None  # a multipart body's properties
    raw: bool = False  # whether a picture may be the whole body
    extras: tuple[str, ...] = ()  # what ?include= takes


def operation(**about: Any) -> Callable[[View], View]:
    """Decorate a view with what `document` is to say of it."""

    def attach(view: View) -> View:
        view.operation = Operation(**about)  # type: ignore[attr-defined]  # this gives it the attribute
        return view

    return attach


def describe_itself(app: Flask, settings: Settings) -> None:
    """Give `app` /openapi.json, /docs, and the pages that the problems' types lead to."""

    @operation()
    def openapi() -> Response:
        """This description, as OpenAPI 3.1."""
        return Response(msgspec.json.encode(document(app, settings)), content_type="application/json")

    @operation(media="text/html")
    def docs() -> Response:
        """This description, as a page."""
        page = render_template("docs.html", api=document(app, settings), problems=contract.PROBLEMS)
        # The page is whole in itself: no other host is asked for anything.
        policy = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'"
        return Response(page, content_type="text/html; charset=utf-8", headers={"Content-Security-Policy": policy})

    @operation(status=303, media="text/html", problems=(contract.NOT_FOUND,))
    def problem(slug: str) -> AnyResponse:
        """Where a problem's `type` leads: its line on the page."""
        if slug not in {each.slug for each in contract.PROBLEMS}:
            raise ApiProblem(contract.NOT_FOUND, "There is no problem of this name.")
        return redirect(f"{request.script_root}{contract.DOCS}#{slug}", 303)

    app.add_url_rule(contract.OPENAPI, view_func=openapi)
    app.add_url_rule(contract.DOCS, view_func=docs)
    app.add_url_rule(f"{contract.PROBLEM_PAGES}<slug>", view_func=problem)


def document(app: Flask, settings: Settings) -> dict[str, Any]:
    """OpenAPI 3.1 of all that `app` serves, as it is configured."""
    paths: dict[str, dict[str, Any]] = {}
    classes: set[type] = {ProblemDetails}
    for rule in app.url_map.iter_rules():
        view: Any = app.view_functions[rule.endpoint]
        about: Operation = view.operation  # a view without one must fail here
        classes |= {each for each in (about.answers, about.json) if each}
        path = paths.setdefault(rule.rule.replace("<", "{").replace(">", "}"), {})
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}:
            path[method.lower()] = _operation(rule.endpoint, rule.rule, view.__doc__ or "", about, settings)
    _, schemas = msgspec.json.schema_components(classes, ref_template="#/components/schemas/{name}")
    components: dict[str, Any] = {"schemas": dict(sorted(schemas.items()))}
    if settings.api_keys:
        components["securitySchemes"] = {"key": {"type": "apiKey", "in": "header", "name": contract.API_KEY_HEADER}}
    return {
        "openapi": "3.1.0",
        "info": {"title": "Fullstack Model", "version": "1", "description": "Send a drawing, learn which digit it is."},
        "servers": [{"url": request.script_root or "/"}],
        "paths": paths,
        "components": components,
    }


def _operation(name: str, path: str, doc: str, about: Operation, settings: Settings) -> dict[str, Any]:
    guarded = path.startswith(GUARDED)
    problems = about.problems
    problems += (contract.UNAUTHORIZED,) if guarded and settings.api_keys else ()
    problems += (contract.RATE_LIMITED,) if guarded and settings.rate_limit else ()
    described = {
        "operationId": name,
        "summary": doc.strip().partition("\n")[0],
        "parameters": _parameters(path, about),
        "responses": _responses(about, problems),
    }
    if content := _content(about):
        described["requestBody"] = {"required": True, "content": content}
    if guarded and settings.api_keys:
        described["security"] = [{"key": []}]
    return described


def _parameters(path: str, about: Operation) -> list[dict[str, Any]]:
    parameters: list[dict[str, Any]] = [{"name": contract.REQUEST_ID_HEADER, "in": "header", **TEXT}]
    for name in re.findall(r"<(\w+)>", path):
        schema = {"enum": [each.slug for each in contract.PROBLEMS]} if name == "slug" else {"type": "string"}
        parameters.append({"name": name, "in": "path", "required": True, "schema": schema})
    if about.extras:
        items = {"type": "array", "items": {"enum": list(about.extras)}}
        parameters.append({"name": "include", "in": "query", "schema": items})
    return parameters


def _content(about: Operation) -> dict[str, Any]:
    """The request's body, in each way it may come."""
    content: dict[str, Any] = {media: {"schema": FILE} for media in contract.IMAGE_TYPES if about.raw}
    if about.form:
        form = {"type": "object", "properties": about.form, "required": list(about.form)}
        content["multipart/form-data"] = {"schema": form}
    if about.json:
        content["application/json"] = {"schema": {"$ref": f"#/components/schemas/{about.json.__name__}"}}
    return content


def _responses(about: Operation, problems: tuple[Problem, ...]) -> dict[str, Any]:
    headers = {contract.REQUEST_ID_HEADER: TEXT}
    answer: dict[str, Any] = {"description": "The answer", "headers": headers}
    if about.answers:
        answer["content"] = {about.media: {"schema": {"$ref": f"#/components/schemas/{about.answers.__name__}"}}}
    elif about.media:
        answer["content"] = {about.media: {}}
    responses = {str(about.status): answer}
    schema = {"schema": {"$ref": "#/components/schemas/ProblemDetails"}}
    for problem in sorted(problems, key=lambda each: each.status):
        known = responses.setdefault(str(problem.status), {"description": "", "headers": headers})
        known["description"] = "; ".join(filter(None, [known["description"], problem.title]))
        known["content"] = {contract.PROBLEM_TYPE: schema}
    return responses
