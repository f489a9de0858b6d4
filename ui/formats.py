"""Picture formats that people have and the API may not take: told by a file's first bytes, each with its remedy."""

from __future__ import annotations

import re
from typing import NamedTuple

from backend import contract


class Format(NamedTuple):
    """A format; `remedy` is the sentence for whoever gave such a file to an API that does not take it."""

    media_type: str
    suffixes: tuple[str, ...]
    begins: bytes  # a regular expression of the first bytes
    remedy: str = ""


AS_PNG = "Open it and save it as PNG."
FORMATS = (
    Format("image/png", (".png",), rb"\x89PNG"),
    Format("image/jpeg", (".jpg", ".jpeg", ".jfif", ".jpe"), rb"\xff\xd8"),
    Format("image/webp", (".webp",), rb"RIFF....WEBP"),
    Format("image/gif", (".gif",), rb"GIF8"),
    Format("image/avif", (".avif",), rb"....ftypavi[fs]", f"AVIF pictures are not read. {AS_PNG}"),
    Format(
        "image/heic",
        (".heic", ".heif"),
        rb"....ftyp(hei|hev|mif1|msf1)",
        "HEIC photos are not read. On an iPhone: Settings, Camera, Formats, Most Compatible.",
    ),
    Format("image/jxl", (".jxl",), rb"\xff\x0a|\x00\x00\x00\x0cJXL ", f"JPEG XL pictures are not read. {AS_PNG}"),
    Format("image/bmp", (".bmp", ".dib"), rb"BM"),
    Format("image/tiff", (".tif", ".tiff"), rb"II\*\x00|MM\x00\*"),
    Format("image/x-icon", (".ico",), rb"\x00\x00\x01\x00", f"Icons are not read. {AS_PNG}"),
    Format("image/vnd.adobe.photoshop", (".psd",), rb"8BPS", "Photoshop files are not read. Export it as PNG."),
    Format(
        "image/svg+xml",
        (".svg",),
        rb"(\xef\xbb\xbf)?\s*<(svg|[?!].*<svg)",
        "SVG drawings are not read. Export it as PNG.",
    ),
    Format("application/pdf", (".pdf",), rb"%PDF", "PDF files are not read. Take a screenshot of the digit."),
)
SUFFIXES = {suffix for each in FORMATS for suffix in each.suffixes}
TAKEN = sorted(suffix for each in FORMATS if each.media_type in contract.IMAGE_TYPES for suffix in each.suffixes)
HEAD = 1024  # bytes that are looked at


def recognise(data: bytes) -> Format | None:
    """The format that the first bytes are of."""
    head = data[:HEAD]
    return next((each for each in FORMATS if re.match(each.begins, head, re.DOTALL)), None)


def remedy(data: bytes) -> str:
    """What to do with a picture of a format that the API does not take; empty for every other file."""
    found = recognise(data)
    return found.remedy if found and found.media_type not in contract.IMAGE_TYPES else ""
