"""The picture card: whatever the answer and the picture are, it has its size and shows both."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from PIL import Image

from tests.unit.test_page import PREDICTION, REJECTED, png
from ui import card, examples
from ui.card import EDGE, HEIGHT, SIDE, WIDTH
from ui.visit import Answer, Picture

DRAWING = examples.picture("A crossed 7")


def drawn(picture: Picture, label: str | None) -> Image.Image:
    prediction = replace(PREDICTION, label=label) if label else REJECTED
    return Image.open(io.BytesIO(card.draw(Answer(picture, prediction, 0.1))))


@pytest.mark.parametrize("label", ["7", None, "-12.5", "4711 0815", 40 * "9", "\N{SNOWMAN}", "<b>"])
def test_every_answer_has_its_card(label: str | None) -> None:
    image = drawn(DRAWING, label)
    assert (image.format, image.size) == ("PNG", (WIDTH, HEIGHT))


def test_the_card_shows_the_drawing_and_tells_answers_apart() -> None:
    seven, one = drawn(DRAWING, "7"), drawn(DRAWING, "1")
    sheet = seven.crop((EDGE + 4, EDGE + 4, EDGE + SIDE - 4, EDGE + SIDE - 4)).convert("L")
    ink = sum(255 - value for value in sheet.tobytes()) / 255 / SIDE**2
    assert 0.03 < ink < 0.15
    assert seven.tobytes() != one.tobytes()


@pytest.mark.parametrize(
    "data",
    [png(20, (255, 0, 0, 0), mode="RGBA"), png(900), png(kind="JPEG"), png(kind="GIF"), b"\x89PNG, and nothing"],
    ids=["see-through", "large", "jpeg", "gif", "broken"],
)
def test_an_uploaded_picture_has_a_card_too(data: bytes) -> None:
    image = drawn(Picture(data, name="mine"), "7").convert("RGB")
    middle = image.getpixel((EDGE + SIDE // 2, EDGE + SIDE // 2))
    assert middle == (255, 255, 255), "white, or white where it is see-through or broken"


def test_the_card_in_words() -> None:
    assert card.describe(Answer(DRAWING, PREDICTION, 0.1)) == "The drawing, read as 7"
    assert card.describe(Answer(DRAWING, REJECTED, 0.1)) == "The drawing, read as no digit"
