"""A drawing and its answer as one picture to send to somebody: 1200x630, which chats and social networks show whole."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING

from PIL import Image, ImageDraw, ImageFont

from ui import answer as words
from ui.visit import WHITE

if TYPE_CHECKING:
    from ui.visit import Answer, Picture

WIDTH, HEIGHT, EDGE = 1200, 630, 60  # pixels; EDGE: around the drawing
SIDE = HEIGHT - 2 * EDGE
PAPER, INK, QUIET, TILE, LINE = "#fbfbfd", "#1b1f2a", "#4d5468", "#3b4fd6", "#d5d9e6"
RADIUS = 24
MOST = 24  # characters of a label on one line


def draw(answer: Answer) -> bytes:
    """PNG, the same in a light and a dark theme."""
    card = Image.new("RGB", (WIDTH, HEIGHT), PAPER)
    pen = ImageDraw.Draw(card)
    _place_drawing(card, answer.picture)
    left, prediction = 2 * EDGE + SIDE, answer.prediction
    _tile(pen, left, prediction.label or "?")
    if prediction.label:
        _write(pen, (left, 350), words.how_sure(prediction.confidence), 54, INK)
        _write(pen, (left, 420), words.percent(prediction.confidence), 40, QUIET)
    else:
        _write(pen, (left, 350), words.spoken(None, prediction.probabilities).capitalize(), 54, INK)
    _write(pen, (left, 530), f"Read by {prediction.model.name} {prediction.model.version}"[:48], 26, QUIET)
    buffer = BytesIO()
    card.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def describe(answer: Answer) -> str:
    """The same in words, for those who do not see it."""
    return f"The drawing, read as {words.spoken(answer.prediction.label, answer.prediction.probabilities)}"


def _place_drawing(card: Image.Image, picture: Picture) -> None:
    frame = Image.new("L", (SIDE, SIDE), 0)
    ImageDraw.Draw(frame).rounded_rectangle((0, 0, SIDE - 1, SIDE - 1), RADIUS, 255)
    sheet = Image.new("RGB", (SIDE, SIDE), "white")
    drawing = _decode(picture.preview)
    drawing = drawing.resize(_inside(drawing.size), Image.Resampling.LANCZOS)
    sheet.paste(drawing, ((SIDE - drawing.width) // 2, (SIDE - drawing.height) // 2), drawing)
    card.paste(sheet, (EDGE, EDGE), frame)
    ImageDraw.Draw(card).rounded_rectangle((EDGE, EDGE, EDGE + SIDE, EDGE + SIDE), RADIUS, outline=LINE, width=2)


def _decode(data: bytes) -> Image.Image:
    """White where it cannot be decoded: the API may have read it all the same."""
    try:
        return Image.open(BytesIO(data)).convert("RGBA")
    except Exception:  # noqa: BLE001 - Pillow raises nearly anything
        return Image.open(BytesIO(WHITE)).convert("RGBA")


def _inside(size: tuple[int, int]) -> tuple[int, int]:
    """As large as the sheet allows."""
    width, height = (max(1, round(SIDE * side / max(size))) for side in size)
    return width, height


def _tile(pen: ImageDraw.ImageDraw, left: int, label: str) -> None:
    """The label, as large as there is room, on a coloured tile."""
    label = label if len(label) <= MOST else f"{label[: MOST - 1]}…"
    most = WIDTH - left - EDGE
    size = next((size for size in (180, 120, 80, 56) if pen.textlength(label, _font(size)) < most - 60), 36)
    width = max(250, min(most, round(pen.textlength(label, _font(size))) + 60))
    pen.rounded_rectangle((left, EDGE, left + width, EDGE + 250), 48, TILE)
    pen.text((left + width / 2, EDGE + 125), label, "white", _font(size), anchor="mm")


def _write(pen: ImageDraw.ImageDraw, place: tuple[int, int], text: str, size: int, colour: str) -> None:
    pen.text(place, text, colour, _font(size))


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)  # Pillow brings it along: no font need be installed
