"""The same question from other people's code: curl, Python and JavaScript for the very picture on the page."""

from __future__ import annotations

import json
from base64 import b64encode
from io import BytesIO
from shlex import quote
from typing import TYPE_CHECKING

import streamlit as st
from PIL import Image

from backend.contract import API_KEY_HEADER, PREDICTIONS

if TYPE_CHECKING:
    from ui.visit import Picture

LONGEST = 12_000  # characters of base64 that a terminal takes in one paste; a longer picture is read from its file


def show(url: str, picture: Picture, *, with_key: bool) -> None:
    """Three tabs of code, ready to copy."""
    image = inline(picture.data)
    if len(image) > LONGEST:
        image = ""
    with st.expander("Call it from your code"):
        tabs = st.tabs(["curl", "Python", "JavaScript"])
        tabs[0].code(curl(url, image, picture.name, with_key=with_key), language="bash", wrap_lines=True)
        tabs[1].code(python(url, image, picture.name, with_key=with_key), language="python", wrap_lines=True)
        tabs[2].code(javascript(url, image, picture.name, with_key=with_key), language="javascript", wrap_lines=True)


def inline(data: bytes) -> str:
    """An encoded picture -> base64 of the same pixels, as a grey PNG where that loses nothing and is shorter."""
    red, green, blue = Image.open(BytesIO(data)).convert("RGB").split()
    if red.tobytes() != green.tobytes() or green.tobytes() != blue.tobytes():
        return b64encode(data).decode()
    buffer = BytesIO()
    red.save(buffer, "PNG", optimize=True)
    return b64encode(min(buffer.getvalue(), data, key=len)).decode()


def curl(url: str, image: str, name: str, *, with_key: bool) -> str:
    """One shell command."""
    key = f' \\\n  -H "{API_KEY_HEADER}: $API_KEY"' if with_key else ""
    if not image:
        return f"curl '{url}{PREDICTIONS}'{key} \\\n  -F {quote(f'image=@{name}')}"
    body = json.dumps({"image": image})
    return f"curl '{url}{PREDICTIONS}' \\\n  -H 'Content-Type: application/json'{key} \\\n  -d '{body}'"


def python(url: str, image: str, name: str, *, with_key: bool) -> str:
    """A script for this project's client."""
    key = ', os.environ["API_KEY"]' if with_key else ""
    modules = ["import base64"] * bool(image) + ["import os"] * with_key
    picture = f'base64.b64decode("{image}")' if image else repr(name)
    lines = [
        *modules,
        *[""] * bool(modules),
        "from ui.client import Client",
        "",
        f'client = Client("{url}"{key})',
        f"prediction = client.predict({picture})",
        "print(prediction.label, prediction.confidence)",
    ]
    return "\n".join(lines)


def javascript(url: str, image: str, name: str, *, with_key: bool) -> str:
    """For Node, or without the file and the key for a browser."""
    key = f', "{API_KEY_HEADER}": process.env.API_KEY' if with_key else ""
    read = "" if image else 'import { readFileSync } from "node:fs";\n\n'
    picture = f'"{image}"' if image else f'readFileSync({json.dumps(name)}).toString("base64")'
    return (
        f'{read}const reply = await fetch("{url}{PREDICTIONS}", {{\n  method: "POST",\n'
        f'  headers: {{ "Content-Type": "application/json"{key} }},\n'
        f"  body: JSON.stringify({{ image: {picture} }}),\n}});\n"
        "const { label, confidence } = await reply.json();\nconsole.log(label, confidence);"
    )
