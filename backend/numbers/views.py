"""The routes of whole numbers: POST /numbers and its batch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from flask import Response, g, request

from backend import contract
from backend.contract import Number, NumberBatch
from backend.intake import DrawingBody, ImagesBody, check_query, read_choices, read_drawing, read_pictures
from backend.numbers.answers import read_many, read_one
from backend.openapi import BODY_PROBLEMS, MANY_FILES, MODEL_PROBLEMS, ONE_FILE, PICTURE_PROBLEMS, operation

if TYPE_CHECKING:
    from flask import Flask

    from backend.predictors import Predictor


def serve(app: Flask, predictor: Predictor) -> None:
    """Give `app` the routes."""

    @operation(
        answers=Number,
        problems=(*PICTURE_PROBLEMS, *MODEL_PROBLEMS),
        raw=True,
        form=ONE_FILE,
        json=DrawingBody,
        marks=contract.MARKS,
    )
    def read_number() -> Response:
        """One picture in, the whole number on it out."""
        allowed = _allowed()
        number = read_one(predictor, *read_drawing(request), g.request_id, allowed)
        g.predictions = [number]
        return _answer(number.to_json())

    @operation(
        answers=NumberBatch,
        problems=(*BODY_PROBLEMS, *MODEL_PROBLEMS),
        form=MANY_FILES,
        json=ImagesBody,
        marks=contract.MARKS,
    )
    def read_numbers() -> Response:
        """Up to 64 pictures in; a number or a problem for each, in their order."""
        allowed = _allowed()
        batch = read_many(predictor, read_pictures(request), g.request_id, allowed)
        g.predictions = [result.number for result in batch.results if result.number]
        return _answer(batch.to_json())

    app.add_url_rule(contract.NUMBERS, view_func=read_number, methods=["POST"])
    app.add_url_rule(contract.NUMBERS_BATCH, view_func=read_numbers, methods=["POST"])


def _answer(body: object) -> Response:
    return Response(msgspec.json.encode(body), content_type="application/json")


def _allowed() -> set[str]:
    """What the query lets stand beside digits. Raises ApiProblem 400."""
    check_query(request, "allow")
    return read_choices(request, "allow", contract.MARKS)
