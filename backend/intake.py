"""The request -> the bytes of its pictures: a form's parts, JSON's base64, or, under any other type, the body itself.

Whether bytes are a picture is the decoder's to say: phones, browsers and curl name them as they like, or not at all.
"""

from __future__ import annotations

import binascii
import codecs
import zlib
from contextlib import suppress
from functools import cached_property
from io import BytesIO
from typing import IO, TYPE_CHECKING, Annotated, NotRequired, TypedDict, TypeVar

import msgspec
from flask import Request
from werkzeug.sansio.multipart import Data, Epilogue, Field, File, MultipartDecoder, NeedData
from werkzeug.wsgi import get_input_stream

from backend import contract
from backend.problems import ApiProblem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from werkzeug.sansio.multipart import Event

T = TypeVar("T")
FORM = "multipart/form-data"
UNNAMED = ("", "application/x-www-form-urlencoded", "text/plain")  # curl's for whatever it is given; a script's
MIB = contract.MAX_BODY_BYTES // 1024**2
PIECE = 65536  # bytes of a form decoded at a time: the decoder moves what is left of them for each part
URL_SAFE = str.maketrans("-_", "+/")

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


Point = Annotated[list[float], msgspec.Meta(min_length=2, max_length=2)]
Stroke = Annotated[list[Point], msgspec.Meta(min_length=1, max_length=contract.MAX_POINTS)]


class DrawingBody(ImageBody):
    """One picture in JSON and, where they are known, the strokes that it was drawn by: they part digits that touch."""

    strokes: NotRequired[
        Annotated[
            list[Stroke],
            msgspec.Meta(
                max_length=contract.MAX_STROKES, description="Each stroke's points, x and y, in the picture's pixels."
            ),
        ]
    ]


Body = TypeVar("Body", bound=ImageBody)
IMAGE, IMAGES = msgspec.json.Decoder(ImageBody), msgspec.json.Decoder(ImagesBody)
DRAWING = msgspec.json.Decoder(DrawingBody)


class PictureRequest(Request):
    """A request whose body may be packed by gzip."""

    @cached_property
    def stream(self) -> IO[bytes]:
        """The body as it was before packing. Raises ApiProblem 400, 413 or 415, RequestEntityTooLarge."""
        body = get_input_stream(self.environ, max_content_length=self.max_content_length)
        encoding = self.headers.get("Content-Encoding", "identity").strip().lower()
        if encoding in ("", "identity"):
            return body
        if encoding not in ("gzip", "x-gzip"):
            raise ApiProblem(contract.UNSUPPORTED_MEDIA, f'A body may be packed by gzip, not by "{encoding[:40]}".')
        return BytesIO(_unpack(body.read()))


def _unpack(packed: bytes) -> bytes:
    """gzip, to no more than a body may hold."""
    unpacking = zlib.decompressobj(wbits=31)  # 31: a gzip head is demanded
    try:
        body = unpacking.decompress(packed, contract.MAX_BODY_BYTES + 1)
    except zlib.error:
        raise ApiProblem(contract.MALFORMED, "The body is not packed by gzip, as Content-Encoding says.") from None
    if len(body) > contract.MAX_BODY_BYTES:
        raise ApiProblem(contract.TOO_LARGE, f"The body unpacks to over {MIB} MiB.")
    if not unpacking.eof:
        raise ApiProblem(contract.MALFORMED, "The body breaks off: its gzip has no end.")
    return body


def read_picture(request: Request) -> bytes:
    """The one picture of POST /predictions. Raises ApiProblem 400 or 415, RequestEntityTooLarge."""
    return _read(request, IMAGE)[0]


def read_drawing(request: Request) -> tuple[bytes, list[Stroke]]:
    """The one picture of POST /numbers, and its strokes where the body names them. Raises as `read_picture`."""
    data, body = _read(request, DRAWING)
    return data, body.get("strokes", []) if body else []


def _read(request: Request, decoder: msgspec.json.Decoder[Body]) -> tuple[bytes, Body | None]:
    """A request's one picture, and its body where that is JSON. Raises as `read_picture`."""
    body = None
    if request.mimetype == FORM:
        data = _only(_files(request, "image"))
    else:
        data = request.get_data(cache=False)
        if _is_json(request, data):
            body = _decode(data, decoder)
            data = from_base64(body["image"])
    if not data:
        raise ApiProblem(contract.MALFORMED, "The picture is empty: there are no bytes in it.")
    return data, body


def read_pictures(request: Request) -> list[bytes | ApiProblem]:
    """The pictures of POST /predictions/batch; one that is no base64 is its own problem. Raises as `read_picture`."""
    if request.mimetype == FORM:
        files = _files(request, "image")
        _check_count(len(files))
        return [*files]
    data = request.get_data(cache=False)
    if not _is_json(request, data):
        raise ApiProblem(contract.UNSUPPORTED_MEDIA, 'Send a form with several files named "image", or JSON "images".')
    texts = _decode(data, IMAGES)["images"]
    _check_count(len(texts))
    return [_try_base64(text) for text in texts]


def _is_json(request: Request, data: bytes) -> bool:
    """By its type; or by its first byte, with which no picture begins, under the types of those who name none."""
    kind = request.mimetype
    if kind in UNNAMED:
        return data.removeprefix(codecs.BOM_UTF8).lstrip()[:1] == b"{"
    return kind == "application/json"


def check_query(request: Request, *names: str) -> None:
    """Raise ApiProblem 400 where the query has a name that is none of these."""
    if unknown := sorted(request.args.keys() - set(names)):
        found = ", ".join(f'"{each[:40]}"' for each in unknown[:3])
        takes = " and ".join(f'"{name}"' for name in names) + " alone" * (len(names) == 1)
        raise ApiProblem(contract.MALFORMED, f"There is no {found} in this address's query; it takes {takes}.")


def read_model(request: Request) -> str:
    """The model that ?model= asks for, or "". Raises ApiProblem 400."""
    names = request.args.getlist("model")
    if len(names) > 1:
        raise ApiProblem(contract.MALFORMED, f'"model" takes one name; here are {len(names)}.')
    return names[0] if names else ""


def read_choices(request: Request, name: str, allowed: tuple[str, ...]) -> set[str]:
    """What ?name= asks for, comma-separated or repeated. Raises ApiProblem 400."""
    chosen = {choice for value in request.args.getlist(name) for choice in value.split(",")}
    if chosen - set(allowed):
        raise ApiProblem(contract.MALFORMED, f'"{name}" takes {" and ".join(allowed)} here.')
    return chosen


def read_json(request: Request, decoder: msgspec.json.Decoder[T]) -> T:
    """The JSON body, checked against the decoder's type. Raises ApiProblem 400 that says where it differs.

    A decoder is made on import: of two threads that make a type's first one at once, msgspec 0.22 crashes.
    """
    return _decode(request.get_data(cache=False), decoder)


def _decode(data: bytes, decoder: msgspec.json.Decoder[T]) -> T:
    try:
        return decoder.decode(data.removeprefix(codecs.BOM_UTF8))
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise ApiProblem(contract.MALFORMED, f"The JSON body cannot be used: {error}.") from None


def from_base64(text: str) -> bytes:
    """Base64, the URL's alphabet too, with or without "data:image/png;base64," before it. Raises ApiProblem 400."""
    text = text.removeprefix("\ufeff").lstrip()
    if text[:5].lower() == "data:":
        head, _, text = text.partition(",")
        if not head.lower().endswith(";base64"):
            raise ApiProblem(contract.MALFORMED, "The data: URL is not base64.")
    with suppress(ValueError):  # as it nearly always is: half of the next way's time
        return binascii.a2b_base64(text, strict_mode=True)
    digits = "".join(text.split()).translate(URL_SAFE).rstrip("=")
    try:
        return binascii.a2b_base64(digits + "=" * (-len(digits) % 4), strict_mode=True)
    except ValueError:
        raise ApiProblem(contract.MALFORMED, "The picture is not base64.") from None


def _try_base64(text: str) -> bytes | ApiProblem:
    try:
        return from_base64(text)
    except ApiProblem as problem:
        return problem


def _files(request: Request, name: str) -> list[bytes]:
    """The form's parts of this name, with a file's name or without. Raises ApiProblem 400, RequestEntityTooLarge."""
    try:
        parts = [data for part, data in _parts(request) if part == name]
    except ValueError:
        raise ApiProblem(contract.MALFORMED, "The form is broken: it has no boundary, or no end.") from None
    if not parts:
        raise ApiProblem(contract.MALFORMED, f'The form has no file named "{name}".')
    return parts


def _parts(request: Request) -> Iterator[tuple[str, bytes]]:
    """Each part of a form, in memory: its name and its bytes. Flask's own reads one without a file's name as text."""
    boundary = request.mimetype_params.get("boundary", "").encode("latin-1")
    if not boundary:
        raise ValueError("no boundary")
    name, pieces = "", list[bytes]()
    for event in _events(MultipartDecoder(boundary, max_parts=request.max_form_parts), request.get_data(cache=False)):
        if isinstance(event, (Field, File)):
            name, pieces = event.name, []
        elif isinstance(event, Data):
            pieces.append(event.data)
            if not event.more_data:
                yield name, b"".join(pieces)


def _events(decoder: MultipartDecoder, body: bytes) -> Iterator[Event]:
    """All that the decoder finds in a whole body. Raises ValueError where it has no end."""
    for at in range(0, len(body) + PIECE, PIECE):
        decoder.receive_data(body[at : at + PIECE] or None)  # None: that was all
        while not isinstance(event := decoder.next_event(), (NeedData, Epilogue)):
            yield event


def _only(files: list[bytes]) -> bytes:
    if len(files) > 1:
        raise ApiProblem(contract.MALFORMED, f"The form has {len(files)} pictures: send those to {contract.BATCH}.")
    return files[0]


def _check_count(n: int) -> None:
    if n > contract.MAX_BATCH:
        raise ApiProblem(contract.MALFORMED, f"A batch takes {contract.MAX_BATCH} pictures; here are {n}.")
