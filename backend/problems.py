"""Every failure -> its problem on the wire (RFC 9457), in one place and from one table.

ApiProblem                 raised by this API's own code: a problem of the contract and a sentence
decoding.PictureError     the picture's fault
predictors.ModelError      the model's fault
HTTPException              Flask's and Werkzeug's own
anything else              a bug: 500 without a word about the inside
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from flask import Response, g
from werkzeug.exceptions import HTTPException

from backend import contract, decoding, predictors
from backend.contract import Problem, ProblemDetails

if TYPE_CHECKING:
    from flask import Flask

log = logging.getLogger(__name__)

TABLE: dict[type[Exception], tuple[Problem, str]] = {
    decoding.UnsupportedPicture: (contract.UNSUPPORTED_MEDIA, ""),
    decoding.UnreadablePicture: (contract.UNREADABLE_IMAGE, ""),
    decoding.TooManyPixels: (contract.TOO_LARGE, ""),
    decoding.BlankPicture: (contract.BLANK_IMAGE, ""),
    predictors.BadModelAnswer: (contract.BAD_MODEL_ANSWER, "The model gave no usable answer. Please tell its keeper."),
    predictors.ModelUnavailable: (
        contract.MODEL_UNAVAILABLE,
        "The model cannot be reached. Try again in a few seconds.",
    ),
    predictors.ModelStarting: (contract.MODEL_STARTING, "The model is being loaded. Try again in a few seconds."),
    predictors.ModelTimeout: (contract.MODEL_TIMEOUT, "The model did not answer in time. Try again in a few seconds."),
}
RETRY_AFTER = {contract.MODEL_UNAVAILABLE: 5, contract.MODEL_STARTING: 3}  # seconds
MIB = contract.MAX_BODY_BYTES // 1024**2
SENTENCES = {  # in place of Werkzeug's own
    contract.NOT_FOUND: f"Nothing is here; {contract.DOCS} lists what there is.",
    contract.METHOD_NOT_ALLOWED: "The header Allow names the methods that this address takes.",
    contract.TOO_LARGE: f"A request takes {MIB} MiB at most, and a form 1,000 parts.",
}
BY_STATUS = {problem.status: problem for problem in reversed(contract.PROBLEMS)}


class ApiProblem(Exception):
    """A problem of the contract, with the sentence for the person who asked and headers to add."""

    def __init__(self, problem: Problem, detail: str, **headers: str) -> None:
        super().__init__(detail)
        self.problem, self.detail, self.headers = problem, detail, headers


def answer_problems(app: Flask) -> None:
    """Make `app` answer every failure as application/problem+json."""
    app.register_error_handler(Exception, _answer)


def describe(error: Exception, request_id: str) -> ProblemDetails:
    """Any exception -> the body of its answer."""
    problem, detail = _look_up(error)
    return ProblemDetails(contract.PROBLEM_PAGES + problem.slug, problem.title, problem.status, detail, request_id)


def _look_up(error: Exception) -> tuple[Problem, str]:
    if isinstance(error, ApiProblem):
        return error.problem, error.detail
    if type(error) in TABLE:
        problem, detail = TABLE[type(error)]
        return problem, detail or str(error)
    if isinstance(error, HTTPException) and error.code:
        problem = BY_STATUS.get(error.code, contract.MALFORMED)
        return problem, SENTENCES.get(problem, error.description or "")
    _log_bug(error)
    return contract.INTERNAL, "This is our fault, not yours. Please report it with the request id."


def _log_bug(error: Exception) -> None:
    """The place only: a message or a trace may hold parts of a picture or a key."""
    trace = error.__traceback__
    while trace and trace.tb_next:
        trace = trace.tb_next
    place = f"{Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}" if trace else "nowhere"
    log.error("%s at %s", type(error).__name__, place)


def _answer(error: Exception) -> Response:
    body = describe(error, g.get("request_id", ""))
    g.problem = body.type.removeprefix(contract.PROBLEM_PAGES)
    response = Response(msgspec.json.encode(body), body.status, content_type=contract.PROBLEM_TYPE)
    response.headers.update(_headers(error))
    return response


def _headers(error: Exception) -> dict[str, str]:
    """What goes with the body: Allow, Retry-After, WWW-Authenticate."""
    if isinstance(error, ApiProblem):
        return {name.replace("_", "-"): value for name, value in error.headers.items()}
    if isinstance(error, HTTPException):
        return {name: value for name, value in error.get_headers() if name != "Content-Type"}
    problem, _ = _look_up(error) if type(error) in TABLE else (contract.INTERNAL, "")
    return {"Retry-After": str(RETRY_AFTER[problem])} if problem in RETRY_AFTER else {}
