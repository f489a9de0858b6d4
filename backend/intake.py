"""The request -> the bytes of its pictures, in each of the three ways the wire allows: raw, multipart, JSON."""

from __future__ import annotations

import binascii
from io import BytesIO
from typing import Annotated, TypedDict, TypeVar

import msgspec
from flask import Request

from backend import contract
from backend.problems import ApiProblem

T = TypeVar("T")


Base64Picture = Annotated[
    str,
    msgspec.Meta(
        description="A picture's file in base64, or as a data: URL.", extra_json_schema={"format": "base64-picture"}
    ),
]


class ImageBody(TypedDict):
    """One picture in JSON."""

    image: Base64Picture


class ImagesBody(TypedDict):
    """Up to 64 pictures in JSON."""

    images: Annotated[list[Base64Picture], msgspec.Meta(min_length=1, max_length=contract.MAX_BATCH)]


class PictureRequest(Request):
    """A request whose form's files stay in memory: 4 MiB at most, and no temporary file is left when a form breaks."""

    def _get_file_stream(self, *_: object, **__: object) -> BytesIO:
        return BytesIO()


HINT = "Send the picture's bytes as image/png, image/jpeg, image/webp or image/gif, a form's file, or JSON."


def read_picture(request: Request) -> bytes:
    """The one picture of POST /predictions. Raises ApiProblem 400 or 415, RequestEntityTooLarge."""
    if request.mimetype in contract.IMAGE_TYPES:
        data = request.get_data(cache=False)
    elif request.mimetype == "application/json":
        data = from_base64(read_json(request, ImageBody)["image"])
    elif request.mimetype == "multipart/form-data":
        data = _only(_files(request, "image"))
    else:
        raise ApiProblem(contract.UNSUPPORTED_MEDIA, HINT)
    if not data:
        raise ApiProblem(contract.MALFORMED, "The picture is empty: there are no bytes in it.")
    return data


def read_pictures(request: Request) -> list[bytes | ApiProblem]:
    """The pictures of POST /predictions/batch; one that is no base64 is its own problem. Raises as `read_picture`."""
    pictures: list[bytes | ApiProblem]
    if request.mimetype == "application/json":
        texts = read_json(request, ImagesBody)["images"]
        _check_count(len(texts))
        pictures = [_try_base64(text) for text in texts]
    elif request.mimetype == "multipart/form-data":
        pictures = [*_files(request, "image")]
        _check_count(len(pictures))
    else:
        raise ApiProblem(contract.UNSUPPORTED_MEDIA, 'Send a form with several files named "image", or JSON "images".')
    return pictures


def read_json(request: Request, kind: type[T]) -> T:
    """The JSON body, checked against `kind`. Raises ApiProblem 400 that says where it differs."""
    try:
        return msgspec.json.decode(request.get_data(cache=False), type=kind)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise ApiProblem(contract.MALFORMED, f"The JSON body cannot be used: {error}.") from None


def from_base64(text: str) -> bytes:
    """Base64, with or without "data:image/png;base64," before it -> bytes. Raises ApiProblem 400."""
    if text.startswith("data:"):
        head, _, text = text.partition(",")
        if not head.endswith(";base64"):
            raise ApiProblem(contract.MALFORMED, "The data: URL is not base64.")
    try:
        return binascii.a2b_base64("".join(text.split()), strict_mode=True)
    except ValueError:
        raise ApiProblem(contract.MALFORMED, "The picture is not base64.") from None


def _try_base64(text: str) -> bytes | ApiProblem:
    try:
        return from_base64(text)
    except ApiProblem as problem:
        return problem


def _files(request: Request, name: str) -> list[bytes]:
    files = request.files.getlist(name)
    if not files:
        raise ApiProblem(contract.MALFORMED, f'The form has no file named "{name}".')
    return [file.read() for file in files]


def _only(files: list[bytes]) -> bytes:
    if len(files) > 1:
        raise ApiProblem(contract.MALFORMED, f"The form has {len(files)} pictures: send those to {contract.BATCH}.")
    return files[0]


def _check_count(n: int) -> None:
    if n > contract.MAX_BATCH:
        raise ApiProblem(contract.MALFORMED, f"A batch takes {contract.MAX_BATCH} pictures; here are {n}.")
