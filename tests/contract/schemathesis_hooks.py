"""What no schema can say: what a picture is. Loaded by schemathesis, half of whose pictures are then good ones."""

import base64
from io import BytesIO

import schemathesis
from hypothesis import strategies as st
from PIL import Image

from backend.contract import IMAGE_TYPES


def square(kind: str) -> bytes:
    """A bar on white paper, 60x60."""
    image, buffer = Image.new("RGB", (60, 60), "white"), BytesIO()
    image.paste("black", (20, 10, 30, 50))
    image.save(buffer, kind)
    return buffer.getvalue()


PICTURES = st.sampled_from([square(kind) for kind in ("PNG", "JPEG", "WEBP", "GIF")]) | st.binary(max_size=200)

for media in IMAGE_TYPES:
    schemathesis.openapi.media_type(media, PICTURES)
schemathesis.openapi.format("binary", PICTURES)
schemathesis.openapi.format("base64-picture", PICTURES.map(lambda data: base64.b64encode(data).decode()))
