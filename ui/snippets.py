"""The same question from other people's code: curl, Python and JavaScript for the very picture on the page."""

from __future__ import annotations

import json
from base64 import b64encode
from functools import lru_cache
from io import BytesIO
from pathlib import PurePath
from shlex import quote
from typing import TYPE_CHECKING, NamedTuple

import streamlit as st
from PIL import Image

from backend.contract import API_KEY_HEADER, MARKS, NUMBERS, PREDICTIONS
from ui import formats
from ui.pictures import ORIENTATION
from ui.shrink import pixels

if TYPE_CHECKING:
    from ui.visit import Picture

LONGEST = 12_000  # characters of base64 that a terminal takes in one paste; a longer picture is read from its file
MOST_BYTES = 4 * LONGEST  # of a picture that may be as short as that as a grey PNG; 64 of them are kept: 3 MB
MOST_PIXELS = 1_000_000  # of a picture that is tried as a grey PNG: 20 ms; the page's own sheet has 160,000
START = "http://127.0.0.1:8000"
COMMANDS = "pip install '.[backend,embedded]'\npython -m backend.server --port 8000"


class Call(NamedTuple):
    """What the code says: `image` is base64, or empty where the file `name` is read."""

    url: str
    image: str
    name: str
    media_type: str
    with_key: bool
    number: bool = False

    @property
    def address(self) -> str:
        """Of what was asked."""
        return f"{self.url}{NUMBERS}?allow={','.join(MARKS)}" if self.number else f"{self.url}{PREDICTIONS}"

    @property
    def member(self) -> str:
        """What the answer is called."""
        return "number" if self.number else "label"


def show(url: str, picture: Picture, *, with_key: bool, number: bool = False) -> None:
    """Three tabs of code, ready to copy; `url` is empty where the page runs an API of its own.

    They are made when they are opened: Streamlit's highlighter alone is 1.6 MB of JavaScript, as much as half a visit.
    """
    with st.expander("Call it from your code", key="call", on_change="rerun") as expander:
        if expander.open:
            _code(url, picture, with_key, number)


def _code(url: str, picture: Picture, with_key: bool, number: bool) -> None:
    image = inline(picture.data) if len(picture.data) <= MOST_BYTES else ""
    if len(image) > LONGEST:
        image = ""
    media_type = found.media_type if (found := formats.recognise(picture.data)) else "image/png"
    name = _file(picture, media_type.removeprefix("image/"))
    if not url:
        st.html('<p class="hint">First start an API, in this project\'s folder:</p>')
        st.code(COMMANDS, language="bash")
    if not image and (picture.shrunk or picture.strokes):  # a file that nobody has yet
        st.download_button(f"Save {name}", picture.data, name, media_type, key="call-file", on_click="ignore")
    tabs = st.tabs(["curl", "Python", "JavaScript"])
    call = Call(url.rstrip("/") or START, image, name, media_type, with_key, number)
    tabs[0].code(curl(call), language="bash", wrap_lines=True)
    tabs[1].code(python(call), language="python", wrap_lines=True)
    tabs[2].code(javascript(call), language="javascript", wrap_lines=True)


def _file(picture: Picture, suffix: str) -> str:
    """Name of the file that holds just these bytes: the person's own, unless that was too large."""
    return f"small-{PurePath(picture.name).stem}.{suffix}" if picture.shrunk else picture.name


@lru_cache(64)
def inline(data: bytes) -> str:
    """An encoded picture -> base64 of it, or of a grey PNG where that loses nothing and is shorter."""
    if pixels(data) > MOST_PIXELS:
        return b64encode(data).decode()
    try:
        return b64encode(min(_grey(data), data, key=len)).decode()
    except Exception:  # noqa: BLE001 - Pillow raises nearly anything; the API may have read it all the same
        return b64encode(data).decode()


def _grey(data: bytes) -> bytes:
    """A grey PNG, or the same where it is coloured, see-through, of 16 bits or turned by EXIF."""
    image = Image.open(BytesIO(data))
    see_through = image.has_transparency_data and image.convert("RGBA").getchannel("A").getextrema() != (255, 255)
    if see_through or image.mode.startswith("I") or image.getexif().get(ORIENTATION, 1) != 1:
        return data
    red, green, blue = image.convert("RGB").split()
    if red.tobytes() != green.tobytes() or green.tobytes() != blue.tobytes():
        return data
    buffer = BytesIO()
    red.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def curl(call: Call) -> str:
    """One shell command."""
    key = f' \\\n  -H "{API_KEY_HEADER}: $API_KEY"' if call.with_key else ""
    kind = "application/json" if call.image else call.media_type
    body = json.dumps({"image": call.image})
    data = f"-d '{body}'" if call.image else f"--data-binary {quote(f'@{call.name}')}"
    return f"curl '{call.address}' \\\n  -H 'Content-Type: {kind}'{key} \\\n  {data}"


def python(call: Call) -> str:
    """A script that needs `requests` alone."""
    key = f', "{API_KEY_HEADER}": os.environ["API_KEY"]' if call.with_key else ""
    modules = ["import base64"] * bool(call.image) + ["import os"] * call.with_key
    picture = f'base64.b64decode("{call.image}")' if call.image else f'open({call.name!r}, "rb").read()'
    lines = [
        *modules,
        *[""] * bool(modules),
        "import requests",
        "",
        f"picture = {picture}",
        f'headers = {{"Content-Type": "{_kind(call)}"{key}}}',
        f'reply = requests.post("{call.address}", data=picture, headers=headers, timeout=30)',
        "reply.raise_for_status()",
        f'print(reply.json()["{call.member}"], reply.json()["confidence"])',
    ]
    return "\n".join(lines)


def _kind(call: Call) -> str:
    return "image/png" if call.image.startswith("iVBOR") else call.media_type


def javascript(call: Call) -> str:
    """For Node, or without the file and the key for a browser."""
    key = f', "{API_KEY_HEADER}": process.env.API_KEY' if call.with_key else ""
    read = "" if call.image else 'import { readFileSync } from "node:fs";\n\n'
    picture = f'"{call.image}"' if call.image else f'readFileSync({json.dumps(call.name)}).toString("base64")'
    return (
        f'{read}const reply = await fetch("{call.address}", {{\n  method: "POST",\n'
        f'  headers: {{ "Content-Type": "application/json"{key} }},\n'
        f"  body: JSON.stringify({{ image: {picture} }}),\n}});\n"
        f"const {{ {call.member}, confidence }} = await reply.json();\nconsole.log({call.member}, confidence);"
    )
