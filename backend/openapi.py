"""The API described: OpenAPI 3.1 made from the routes, their views and the contract's classes, and a page of it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from inspect import cleandoc
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec
from flask import Response, redirect, render_template, request

from backend import contract
from backend.keys import GUARDED
from backend.problems import ApiProblem
from backend.schemas import EXAMPLES, FEEDBACK_ID, REF, schemas_of
from backend.settings import SHIPPED_MODEL

if TYPE_CHECKING:
    from collections.abc import Callable

    from flask import Flask
    from werkzeug.wrappers import Response as AnyResponse

    from backend.contract import Problem
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
PICTURE = f"A {contract.FORMATS} file of at most {contract.MAX_MEGAPIXELS} megapixels."
FILE = {"type": "string", "format": "binary", "description": PICTURE}
ONE_FILE = {"image": FILE}
MANY_FILES = {"image": {"type": "array", "items": FILE, "minItems": 1, "maxItems": contract.MAX_BATCH}}
TEXT = {"schema": {"type": "string"}}
CALLER = (
    "Which of your own users asks, as any random name: while a new model is tried on some, each keeps the same one."
)
INFO = {
    "title": "Fullstack Model",
    "version": "1",
    "description": "Send a drawing, learn which digit it is.",
    "license": {"name": "MIT", "identifier": "MIT"},
}
SERVICE = "service"
TAGS = {
    "predictions": "Which digit a picture shows.",
    "numbers": "Which whole number a picture shows.",
    "models": "Which models answer.",
    "feedback": "Drawings that people give, and take back.",
    SERVICE: "Whether the API and its model answer, and what it takes.",
}
LINKS = {  # from an answer to what can be asked next
    "give_feedback": {
        name: {"operationId": name, "parameters": {"feedback_id": "$response.body#/id"}}
        for name in ("get_feedback", "delete_feedback")
    }
}


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
    marks: tuple[str, ...] = ()  # what ?allow= takes
    named: bool = False  # whether ?model= may name another model


def operation(**about: Any) -> Callable[[View], View]:
    """Decorate a view with what `document` is to say of it."""

    def attach(view: View) -> View:
        view.operation = Operation(**about)  # type: ignore[attr-defined]  # this gives it the attribute
        return view

    return attach


def describe_itself(app: Flask, settings: Settings) -> None:
    """Give `app` /openapi.json, /docs, and the pages that the problems' types lead to."""

    @operation(status=303, media="text/html")
    def root() -> AnyResponse:
        """Leads to this description's page."""
        return redirect(f"{request.script_root}{contract.DOCS}", 303)

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

    app.add_url_rule("/", view_func=root)
    app.add_url_rule(contract.OPENAPI, view_func=openapi)
    app.add_url_rule(contract.DOCS, view_func=docs)
    app.add_url_rule(f"{contract.PROBLEM_PAGES}<slug>", view_func=problem)


def document(app: Flask, settings: Settings) -> dict[str, Any]:
    """OpenAPI 3.1 of all that `app` serves, as it is configured."""
    paths: dict[str, dict[str, Any]] = {}
    bodies: set[type] = set()
    answers: set[type] = set()
    for rule in sorted(app.url_map.iter_rules(), key=lambda each: not each.rule.startswith(GUARDED)):
        view: Any = app.view_functions[rule.endpoint]
        about: Operation = view.operation  # a view without one must fail here
        bodies |= {about.json} if about.json else set()
        answers |= {about.answers} if about.answers else set()
        path = paths.setdefault(rule.rule.replace("<", "{").replace(">", "}"), {})
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}:
            path[method.lower()] = _operation(rule.endpoint, rule.rule, cleandoc(view.__doc__ or ""), about, settings)
    components: dict[str, Any] = {"schemas": schemas_of(bodies, answers)}
    if settings.api_keys:
        key = {"type": "apiKey", "in": "header", "name": contract.API_KEY_HEADER}
        components["securitySchemes"] = {"key": key | {"description": "Who runs the API gives you one."}}
    return {
        "openapi": "3.1.0",
        "info": INFO,
        "servers": [{"url": request.url_root.rstrip("/")}],
        "security": [{"key": []}] if settings.api_keys else [],
        "tags": [{"name": name, "description": TAGS[name]} for name in TAGS if _has_tag(paths, name)],
        "paths": paths,
        "components": components,
    }


def _has_tag(paths: dict[str, dict[str, Any]], name: str) -> bool:
    return any(name in described["tags"] for path in paths.values() for described in path.values())


def _operation(name: str, path: str, doc: str, about: Operation, settings: Settings) -> dict[str, Any]:
    guarded = path.startswith(GUARDED)
    problems = about.problems
    problems += (contract.UNAUTHORIZED,) if guarded and settings.api_keys else ()
    problems += (contract.RATE_LIMITED,) if guarded and settings.rate_limit else ()
    described = {
        "operationId": name,
        "summary": doc.partition("\n")[0].rstrip("."),
        "description": doc,
        "tags": [path.split("/")[1] if guarded else SERVICE],
        "parameters": _parameters(path, about),
        "responses": _responses(name, about, problems),
    }
    if content := _content(about):
        described["requestBody"] = {"required": True, "content": content}
    if settings.api_keys and not guarded:
        described["security"] = []
    return described


def _parameters(path: str, about: Operation) -> list[dict[str, Any]]:
    headers = {contract.REQUEST_ID_HEADER: "Comes back with the answer."}
    if path.startswith((contract.PREDICTIONS, contract.NUMBERS)):
        headers[contract.CALLER_HEADER] = CALLER
    parameters: list[dict[str, Any]] = [
        {"name": name, "in": "header", "description": description, **TEXT} for name, description in headers.items()
    ]
    for name in re.findall(r"<(\w+)>", path):
        slugs = {"enum": [each.slug for each in contract.PROBLEMS]} if name == "slug" else {}
        example = contract.BLANK_IMAGE.slug if slugs else FEEDBACK_ID
        schema = {"type": "string", **slugs}
        parameters.append({"name": name, "in": "path", "required": True, "schema": schema, "example": example})
    asked = (
        ("include", about.extras, "What to add to the answer."),
        (
            "allow",
            about.marks,
            "What else may be read: a plus or minus before the digits, a point or comma between them.",
        ),
    )
    for name, choices, description in asked:
        if choices:
            items = {"type": "array", "items": {"type": "string", "enum": list(choices)}}
            parameters.append({"name": name, "in": "query", "description": description, "schema": items})
    if about.named:
        description = (
            f"Which of the models of GET {contract.MODELS} is to answer; the deployed one where none is named."
        )
        named = {"name": "model", "in": "query", "description": description, "example": SHIPPED_MODEL.name, **TEXT}
        parameters.append(named)
    return parameters


def _content(about: Operation) -> dict[str, Any]:
    """The request's body, in each way it may come; JSON first, for a generator takes the first."""
    content: dict[str, Any] = {}
    if about.json:
        content["application/json"] = _json(about.json)
    if about.form:
        form = {"type": "object", "properties": about.form, "required": list(about.form)}
        content["multipart/form-data"] = {"schema": form}
    for media in (*contract.IMAGE_TYPES, "application/octet-stream") if about.raw else ():
        content[media] = {"schema": FILE}
    return content


def _json(body: type) -> dict[str, Any]:
    return {"schema": {"$ref": REF + body.__name__}, "example": EXAMPLES[body.__name__]}


def _responses(name: str, about: Operation, problems: tuple[Problem, ...]) -> dict[str, Any]:
    headers = {contract.REQUEST_ID_HEADER: {"description": "The request's, or one that was made.", **TEXT}}
    answer: dict[str, Any] = {"description": "The answer", "headers": headers}
    if about.answers:
        answer["content"] = {about.media: _json(about.answers)}
    elif about.media:
        answer["content"] = {about.media: {"schema": {"type": "object" if "json" in about.media else "string"}}}
    if name in LINKS:
        answer["links"] = LINKS[name]
    responses = {str(about.status): answer}
    for problem in sorted(problems, key=lambda each: each.status):
        known = responses.setdefault(str(problem.status), {"description": "", "headers": headers})
        known["description"] = "; ".join(filter(None, [known["description"], problem.title]))
        known["content"] = {
            contract.PROBLEM_TYPE: known.get("content", {}).get(contract.PROBLEM_TYPE) or _problem(problem)
        }
    return responses


def _problem(problem: Problem) -> dict[str, Any]:
    kind = {"type": contract.PROBLEM_PAGES + problem.slug, "title": problem.title, "status": problem.status}
    example = EXAMPLES["ProblemDetails"] | kind | {"detail": f"{problem.title}."}
    return {"schema": {"$ref": REF + "ProblemDetails"}, "example": example}
