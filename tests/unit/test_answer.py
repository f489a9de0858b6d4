"""What the page says of an answer, to the letter: HTML that a browser, and a screen reader, get as it stands here."""

from __future__ import annotations

import base64
import io
import re
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from backend.contract import Model, Number, Prediction, Rejection
from ui import answer as words
from ui import client
from ui.visit import Answer, Failure, Picture

SEEN = Picture(b"\x89PNG", name="7.png")
URL = "data:image/png;base64,iVBORw=="
READ = Prediction(
    label="7",
    confidence=0.98,
    probabilities={"1": 0.005, "7": 0.98, "Ankle boot": 0.015},
    rejection=None,
    model=Model("digits", "2026.11.1", "sagemaker"),
    request_id="r",
    timing_ms={"preprocess": 0.4, "inference": 12.34, "total": 13.0},
)
REJECTED = replace(READ, label=None, rejection=Rejection("not_a_digit", 0.07))
BARS = (
    '<ul class="bars" aria-label="How likely each label is">'
    '<li class=""><span class="name">1</span><span class="bar" aria-hidden="true"><span style="width:0.50%"></span>'
    '</span><span class="share">under 1 %</span></li>'
    '<li class="top"><span class="name">7</span><span class="bar" aria-hidden="true"><span style="width:98.00%"></span>'
    '</span><span class="share">98.0 %</span></li>'
    '<li class=""><span class="name">Ankle boot</span><span class="bar" aria-hidden="true">'
    '<span style="width:1.50%"></span></span><span class="share">1.5 %</span></li></ul>'
)
STEPS = (
    '<section><h3>How it was read</h3><ol class="steps">'
    f'<li><img src="{URL}" alt="The picture as you gave it"><p>This is your picture.</p></li>'
    '<li><div class="columns" role="img" aria-label="3 bars, the highest for 7"><span class="" style="height:0.50%">'
    '</span><span class="top" style="height:98.00%"></span><span class="" style="height:1.50%"></span></div>'
    "<p>It shares 100 % among 3 answers.</p></li></ol></section>"
)
EARLIER = '<p class="earlier">for an earlier drawing: press Submit again</p>'
TRUST = (
    '<p class="trust">Read by <strong>digits 2026.11.1</strong>, {}.<br>'
    "Normalising 0.4 ms · model 12 ms · in all 1.5 s</p>"
)


@pytest.mark.parametrize("stale", [False, True])
def test_an_answer_is_its_digit_its_bars_and_how_it_was_read(stale: bool) -> None:
    assert words.page(Answer(SEEN, READ, 1.5), stale=stale) == (
        '<div class="answer"><div class="headline"><div class="digit" aria-hidden="true">7</div>'
        '<div><h2><span class="visually-hidden">Read as 7. </span>Very sure</h2><p>98.0 %</p>'
        f"{EARLIER * stale}</div></div>{BARS}{STEPS}</div>"
    )


@pytest.mark.parametrize("stale", [False, True])
def test_a_rejected_drawing_folds_the_nearest_guesses_away(stale: bool) -> None:
    assert words.page(Answer(SEEN, REJECTED, 1.5), stale=stale) == (
        '<div class="answer"><div class="headline rejected"><div class="digit" aria-hidden="true">?</div><div>'
        "<h2>That does not look like any of the 3 labels</h2><p>Try one, large and alone.</p>"
        f"{EARLIER * stale}</div></div><details><summary>The nearest guesses</summary>{BARS}</details>"
        f"{STEPS}</div>"
    )


@pytest.mark.parametrize(
    ("confidence", "sure", "number"),
    [
        (1.0, "Certain", "99.9 %"),
        (0.99, "Certain", "99.0 %"),
        (0.9899, "Very sure", "99.0 %"),
        (0.9, "Very sure", "90.0 %"),
        (0.8999, "Fairly sure", "90.0 %"),
        (0.7, "Fairly sure", "70.0 %"),
        (0.6999, "Not so sure", "70.0 %"),
        (0.5, "Not so sure", "50.0 %"),
        (0.4999, "Only a guess", "50.0 %"),
        (0.01, "Only a guess", "1.0 %"),
        (0.0094, "Only a guess", "under 1 %"),
    ],
)
def test_how_sure_in_words_and_never_100_percent(confidence: float, sure: str, number: str) -> None:
    assert (words.how_sure(confidence), words.percent(confidence)) == (sure, number)


def test_an_answer_is_said_in_one_sentence() -> None:
    assert words.sentence(READ) == "Read as 7: very sure, 98.0 %."
    assert words.sentence(REJECTED) == "That does not look like any of the 3 labels."


def test_a_phone_s_line_above_the_sheet_says_the_answer_or_why_there_is_none() -> None:
    number = Number("12", 0.9, [], None, [], READ.model, "r", {})
    for answer, text in (
        (None, "Draw <b>here</b>."),
        (Answer(SEEN, replace(READ, label="<7>"), 1.5), "<b>&lt;7&gt;</b> Very sure, 98.0 %"),
        (Answer(SEEN, replace(REJECTED, label=None), 1.5, number=number), "<b>?</b> That does not look like a number."),
        (Failure(SEEN, client.TimedOut("late")), words.APOLOGIES[client.TimedOut].what),
    ):
        assert words.glance(answer, "Draw <b>here</b>.") == f'<p class="glance" aria-hidden="true">{text}</p>'


@pytest.mark.parametrize(
    ("served_by", "where"),
    [
        ("embedded", "embedded in the API"),
        ("fallback", "the fallback inside the API, while the endpoint does not answer"),
        ("elsewhere", "elsewhere"),
    ],
)
def test_who_read_it_is_told(served_by: str, where: str) -> None:
    assert words.trust(replace(READ, model=Model("digits", "2026.11.1", served_by)), 1.5) == TRUST.format(where)


@pytest.mark.parametrize(
    ("ms", "text"),
    [(9.94, "9.9 ms"), (10, "10 ms"), (999.4, "999 ms"), (1000, "1.0 s"), (60_000, "60.0 s")],
)
def test_times_have_two_or_three_digits(ms: float, text: str) -> None:
    assert words.trust(replace(READ, timing_ms={}), ms / 1000).endswith(f"<br>in all {text}</p>")


@pytest.mark.parametrize(("label", "size"), [("10", "digit"), ("Bag", "digit word")])
def test_a_label_of_three_letters_is_a_word(label: str, size: str) -> None:
    assert f'<div class="{size}" aria-hidden="true">{label}</div>' in words.headline(
        replace(READ, label=label), stale=False
    )


def test_several_pictures_are_a_table() -> None:
    rows = [
        (SEEN, READ),
        (Picture(b"GIF8", name="<2>.gif"), REJECTED),
        (Picture(b"RIFF", name="3"), client.BlankSheet("")),
        (Picture(b"\xff\xd8", name="4"), client.BadPicture("")),
        (Picture(b"8BPS", name="5.psd"), client.BadPicture("")),
    ]
    size = 'alt="" width="48" height="48"'
    assert words.table(rows) == (
        '<table class="several"><thead><tr><th scope="col">Picture</th><th scope="col">File</th>'
        '<th scope="col">Label</th><th scope="col">How sure</th></tr></thead><tbody>'
        f'<tr><td><img src="{URL}" {size}></td><td>7.png</td><td><strong>7</strong></td><td>98.0 %</td></tr>'
        f'<tr><td><img src="data:image/gif;base64,R0lGOA==" {size}></td><td>&lt;2&gt;.gif</td><td></td>'
        "<td>not any of the 3 labels</td></tr>"
        f'<tr><td><img src="data:image/webp;base64,UklGRg==" {size}></td><td>3</td><td></td>'
        "<td>There is nothing to read in this picture.</td></tr>"
        "<tr><td></td><td>4</td><td></td><td>This picture cannot be read.</td></tr>"
        f"<tr><td></td><td>5.psd</td><td></td><td>{words.apology(*reversed(rows[4])).remedy}</td></tr>"
        "</tbody></table>"
    )


@pytest.mark.parametrize(("n", "more"), [(words.NAMES, ""), (words.NAMES + 1, " and 1 more")])
def test_what_is_left_out_of_too_many_files_is_told(n: int, more: str) -> None:
    names = ", ".join(f"&lt;{number}&gt;" for number in range(words.NAMES))
    assert words.left_out(200, [f"<{number}>" for number in range(n)]) == (
        f'<p class="hint" role="status">200 pictures are read at once. Left out: {names}{more}.</p>'
    )


def test_a_failure_is_what_happened_and_what_to_do() -> None:
    assert words.apologise(words.Apology("<What>", "<Remedy>")) == (
        '<div class="apology" role="alert"><h2>&lt;What&gt;</h2><p>&lt;Remedy&gt;</p></div>'
    )


@pytest.mark.parametrize(
    ("error", "remedy"),
    [
        (ImportError("flask"), "Set API_URL, or install the extras backend and embedded."),
        (ValueError("BACKEND_LOG is <odd>."), "BACKEND_LOG is &lt;odd&gt;."),
    ],
)
def test_a_page_without_an_api_says_why(error: Exception, remedy: str) -> None:
    assert words.cannot_start(error) == (
        f'<div class="apology" role="alert"><h2>This page cannot start its own API.</h2><p>{remedy}</p></div>'
    )


def encoded(pixels: np.ndarray) -> str:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode()


@pytest.mark.parametrize(
    ("x", "y", "place"),
    [(4, 4, "top left"), (23, 4, "top right"), (14, 14, "middle centre"), (14, 23, "bottom centre")],
)
def test_the_model_s_view_is_large_and_glows_where_it_counted(x: int, y: int, place: str) -> None:
    """A picture of one grey; the heat on one of nine fields, whose middle is all yellow."""
    seen, heat = np.full((28, 28), 200, np.uint8), np.zeros((28, 28), np.uint8)
    heat[y - 4 : y + 5, x - 4 : x + 5] = 255
    ink = encoded(np.full((112, 90), 7, np.uint8))
    page = words.steps(SEEN, replace(READ, ink=ink, image=encoded(seen), explanation=encoded(heat)))
    assert re.findall(r'alt="(.*?)"', page) == [
        "The picture as you gave it",
        "What was taken for ink, white on black",
        "The picture as the model saw it: 28 by 28 pixels, centred, white on black",
        f"The same with the pixels that carried the decision glowing, most of all in the {place}",
    ]
    assert re.findall(r"<p>(.*?)<", page) == [
        "This is your picture.",
        "Only the ink counts, not the paper.",
        "It is cut out, centred and made 28x28 pixels small.",
        "Hide what glows, and the answer is less sure.",
        "It shares 100 % among 3 answers.",
    ]
    view, glow = (Image.open(io.BytesIO(base64.b64decode(data))) for data in re.findall(r'base64,(.*?)"', page)[2:])
    assert view.size == glow.size == (168, 168)
    assert view.getextrema() == (200, 200)
    assert glow.getpixel((6 * x + 3, 6 * y + 3)) == (0xFF, 0xE2, 0x7A)
    assert glow.getpixel((167 if x < 14 else 0, 0)) == (80, 80, 80), "two fifths as light"


def test_the_model_s_view_has_hard_pixels_and_the_glow_soft_edges() -> None:
    seen = np.where(np.arange(28) % 2, 255, 0).astype(np.uint8) * np.ones((28, 1), np.uint8)
    heat = np.where(np.arange(28) < 14, 255, 0).astype(np.uint8) * np.ones((28, 1), np.uint8)
    page = words.steps(SEEN, replace(READ, image=encoded(seen), explanation=encoded(heat)))
    view, glow = (
        np.asarray(Image.open(io.BytesIO(base64.b64decode(data)))) for data in re.findall(r'base64,(.*?)"', page)[1:]
    )
    assert set(np.unique(view)) == {0, 255}
    assert len(np.unique(glow[84, 60:108], axis=0)) > 6


def test_half_the_heat_is_half_of_an_orange() -> None:
    half = np.full((28, 28), 128, np.uint8)
    page = words.steps(SEEN, replace(READ, image=encoded(0 * half), explanation=encoded(half)))
    glow = Image.open(io.BytesIO(base64.b64decode(re.findall(r'base64,(.*?)"', page)[2])))
    assert glow.getpixel((84, 84)) == pytest.approx((0xFF // 2, 0x5A // 2, 0x1F // 2), abs=2)


@pytest.mark.parametrize(
    ("start", "kind"), [(b"\xff\xd8", "jpeg"), (b"GIF8", "gif"), (b"RIFF", "webp"), (b"\x89PNG", "png"), (b"", "png")]
)
def test_a_picture_is_inlined_as_what_it_is(start: bytes, kind: str) -> None:
    assert words.inline(start) == f"data:image/{kind};base64,{base64.b64encode(start).decode()}"


def test_a_picture_without_ink_and_explanation_has_three_steps() -> None:
    page = words.steps(SEEN, replace(READ, image=encoded(np.zeros((28, 28), np.uint8))))
    assert page.count("<li>") == 3


def test_a_format_that_is_not_taken_has_its_own_remedy_and_an_api_that_is_away_has_its_own_words() -> None:
    layers = Picture(b"8BPS")
    said = words.apology(client.BadPicture(""), layers)
    assert said == words.Apology("This picture cannot be read.", said.remedy)
    assert "Photoshop" in said.remedy
    assert words.apology(client.BadPicture(""), SEEN) is words.APOLOGIES[client.BadPicture]
    assert words.apology(client.RateLimited(""), layers) is words.APOLOGIES[client.RateLimited]


LETTERS = {label: (1 - abs(place - 11) / 36) / 19 for place, label in enumerate("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ")}


def test_of_many_labels_the_likeliest_bars_come_first_and_the_rest_is_folded_away() -> None:
    first, _, rest = words.bars(replace(READ, label="B", probabilities=LETTERS)).partition("<details>")
    assert re.findall(r'class="name">(.)<', first) == list("BAC9D8E7F6G5")
    assert re.findall(r'class="top"><span class="name">(.)<', first) == ["B"]
    assert rest.startswith("<summary>24 more</summary>")
    assert len(re.findall(r'class="name">', rest)) == 24
    assert 'class="top"' not in rest


def test_up_to_twelve_labels_stand_in_the_models_own_order() -> None:
    twelve = dict(list(LETTERS.items())[:12])
    assert re.findall(r'class="name">(.)<', words.bars(replace(READ, probabilities=twelve))) == list(twelve)


@pytest.mark.parametrize(("labels", "what"), [("0123456789", "a digit"), (LETTERS, "any of the 36 labels")])
def test_what_is_rejected_is_none_of_the_labels_there_are(labels: str | dict[str, float], what: str) -> None:
    none = replace(REJECTED, probabilities=dict.fromkeys(labels, 0.1))
    said = f"That does not look like {what}."
    assert words.sentence(none) == said
    assert said in words.glance(Answer(SEEN, none, 1.5), "")
    wanted = "Try one digit" if what == "a digit" else "Try one"
    assert f"<p>{wanted}, large and alone.</p>" in words.page(Answer(SEEN, none, 1.5), stale=False)
    assert words.spoken("not_a_digit", labels) == ("no digit" if what == "a digit" else "none of these")
    assert words.spoken("Q", labels) == "Q"
