"""What the page says of an answer: words and HTML, made from a Prediction or an ApiError and nothing else."""

from __future__ import annotations

from base64 import b64decode, b64encode
from html import escape
from io import BytesIO
from typing import TYPE_CHECKING, NamedTuple

from PIL import Image, ImageOps

from backend.contract import FORMATS, MAX_BODY_BYTES, MAX_MEGAPIXELS, NOT_A_DIGIT, SIDE
from ui import client, formats
from ui.visit import Failure

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from backend.contract import Digit, Prediction
    from ui.client import ApiError
    from ui.visit import Answer, Picture

NAMES = 20  # of files left out that are listed
MOST_BARS = 12  # labels whose bars are shown at once, in the model's order; of more the likeliest, the rest in a fold
DIGITS = frozenset("0123456789")
ENLARGED = 168  # pixels: 28 x 6
MIB = MAX_BODY_BYTES // 1024**2
HINT = f"Try a {FORMATS} file of up to {MIB} MB and {MAX_MEGAPIXELS} megapixels."
EMPTY = "The sheet is empty. Draw a digit on it, then press Submit."
WELCOME = {  # one sentence for each way to give a picture
    "Draw": "Draw a digit, press Submit, and see what the model reads.",
    "Live": "Draw a digit: the answer follows each stroke.",
    "Upload": "Choose pictures of a digit: the answer comes by itself.",
    "Camera": "Photograph a digit: the answer comes by itself.",
}
HUSHED = "Live is off now: press Submit when a drawing is done. This one is asked for again in a moment."


class Apology(NamedTuple):
    """A failure in words: what happened, what to do, and whether the page tries again by itself."""

    what: str
    remedy: str
    passing: bool = False


WHERE = {
    "sagemaker": "on SageMaker",
    "embedded": "embedded in the API",
    "fallback": "the fallback inside the API, while the endpoint does not answer",
}
APOLOGIES: dict[type[ApiError], Apology] = {
    client.BlankSheet: Apology("The sheet is empty.", "Draw a digit on it, then press Submit."),
    client.BadPicture: Apology("This picture cannot be read.", HINT),
    client.TooLarge: Apology("This picture is too large.", "Make it smaller, or cut the digit out of it."),
    client.KeyRejected: Apology("The API does not accept this page's key.", "Whoever runs this page must set API_KEY."),
    client.BadSetting: Apology(
        "This page is not set up rightly.", "Whoever runs this page must check API_URL, API_KEY and REQUESTS_CA_BUNDLE."
    ),
    client.RateLimited: Apology("That was a lot of questions.", "The page asks again in a moment.", passing=True),
    client.ModelStarting: Apology("The model is still waking up.", "The page asks again in a moment.", passing=True),
    client.ModelFailed: Apology("The model is not available.", "The page tries again by itself.", passing=True),
    client.Unreachable: Apology("The API cannot be reached.", "The page tries again by itself.", passing=True),
    client.TimedOut: Apology("The API took too long.", "The page tries again by itself.", passing=True),
    client.NotUnderstood: Apology("What answers is not this page's API.", "Whoever runs this page must check API_URL."),
    client.UnknownModel: Apology("This API has no such model.", "Whoever runs this page must check API_URL."),
    client.SwitchedOff: Apology("This API cannot do that.", "Whoever runs this page must check API_URL."),
    client.ServerFailed: Apology("Something went wrong in the API.", "Press Retry; your picture is still here."),
}
BAD_LINK = Apology("This link holds no drawing.", "Draw a digit here, or ask for the whole link.")
BLANK_PICTURE = Apology("There is nothing to read in this picture.", "Try one of a single dark digit on plain paper.")


def apology(error: ApiError, picture: Picture) -> Apology:
    """What to say of a failure; a blank photo is no empty sheet, and a format that is not taken has its own remedy."""
    said = BLANK_PICTURE if isinstance(error, client.BlankSheet) and not picture.strokes else APOLOGIES[type(error)]
    remedy = formats.remedy(picture.data) if isinstance(error, client.BadPicture) else ""
    return Apology(said.what, remedy) if remedy else said


def sentence(prediction: Prediction) -> str:
    """The answer as one spoken sentence."""
    if prediction.label is None:
        return f"That does not look like {sought(prediction.probabilities)}."
    return f"Read as {prediction.label}: {how_sure(prediction.confidence).lower()}, {percent(prediction.confidence)}."


def sought(labels: Collection[str]) -> str:
    """What a rejected picture does not look like."""
    return "a digit" if DIGITS.issuperset(labels) else f"any of the {len(labels)} labels"


def spoken(label: str | None, labels: Collection[str]) -> str:
    """A label as people say it; NOT_A_DIGIT, or None, where it is none of `labels`."""
    if label not in (None, NOT_A_DIGIT):
        return str(label)
    return "no digit" if DIGITS.issuperset(labels) else "none of these"


def how_sure(confidence: float) -> str:
    """A probability in words."""
    for least, words in ((0.99, "Certain"), (0.9, "Very sure"), (0.7, "Fairly sure"), (0.5, "Not so sure")):
        if confidence >= least:
            return words
    return "Only a guess"


def percent(probability: float) -> str:
    """99.97 % must not become 100 %: nothing here is beyond doubt."""
    tenths = min(999, round(1000 * probability))
    return f"{tenths / 10:.1f} %" if tenths >= 10 else "under 1 %"


def check(prediction: Prediction) -> None:
    """Raises NotUnderstood where a picture within the answer cannot be shown."""
    for image in (prediction.image, prediction.explanation, prediction.ink):
        try:
            if image:
                _decode(image)
        except Exception:  # noqa: BLE001 - Pillow raises nearly anything for a file that is damaged
            raise client.NotUnderstood(client.FOREIGN) from None


def page(answer: Answer, *, stale: bool) -> str:
    """HTML: an answer and how it was read. `stale`: the drawing has changed since."""
    prediction = answer.prediction
    shares = bars(prediction)
    if prediction.label is None:
        shares = f"<details><summary>The nearest guesses</summary>{shares}</details>"
    parts = (headline(prediction, stale=stale), shares, steps(answer.picture, prediction))
    return f'<div class="answer">{"".join(parts)}</div>'


def headline(prediction: Prediction, *, stale: bool) -> str:
    """HTML: the digit, large, and how sure the model is."""
    earlier = '<p class="earlier">for an earlier drawing: press Submit again</p>' if stale else ""
    if prediction.label is None:
        return (
            f'<div class="headline rejected"><div class="digit" aria-hidden="true">?</div><div>'
            f"<h2>That does not look like {sought(prediction.probabilities)}</h2>"
            f"<p>Try one{' digit' * DIGITS.issuperset(prediction.probabilities)}, large and alone.</p>"
            f"{earlier}</div></div>"
        )
    label = escape(prediction.label)
    size = "digit" if len(label) < 3 else "digit word"
    return (
        f'<div class="headline"><div class="{size}" aria-hidden="true">{label}</div>'
        f'<div><h2><span class="visually-hidden">Read as {label}. </span>{how_sure(prediction.confidence)}</h2>'
        f"<p>{percent(prediction.confidence)}</p>{earlier}</div></div>"
    )


def glance(answer: Answer | Failure | None, nothing: str) -> str:
    """HTML: the answer in one line, or what is said without one; the live region says it to screen readers."""
    if isinstance(answer, Failure):
        text = escape(apology(answer.error, answer.picture).what)
    elif answer and answer.prediction.label is not None:
        sure = f"{how_sure(answer.prediction.confidence)}, {percent(answer.prediction.confidence)}"
        text = f"<b>{escape(answer.prediction.label)}</b> {sure}"
    elif answer:
        what = "a number" if answer.number else sought(answer.prediction.probabilities)
        text = f"<b>?</b> That does not look like {what}."
    else:
        text = nothing
    return f'<p class="glance" aria-hidden="true">{text}</p>'


def bars(prediction: Prediction | Digit) -> str:
    """HTML: one bar per label, the highest marked; of many labels the likeliest first, the rest folded away."""
    shares = prediction.probabilities
    ranked = sorted(shares, key=shares.__getitem__, reverse=True)
    if len(shares) <= MOST_BARS:
        return _bars(shares, ranked[0])
    first, rest = ({label: shares[label] for label in part} for part in (ranked[:MOST_BARS], ranked[MOST_BARS:]))
    return f"{_bars(first, ranked[0])}<details><summary>{len(rest)} more</summary>{_bars(rest, ranked[0])}</details>"


def _bars(shares: Mapping[str, float], top: str) -> str:
    rows = (
        f'<li class="{"top" if label == top else ""}"><span class="name">{escape(label)}</span>'
        f'<span class="bar" aria-hidden="true"><span style="width:{100 * p:.2f}%"></span></span>'
        f'<span class="share">{percent(p)}</span></li>'
        for label, p in shares.items()
    )
    return f'<ul class="bars" aria-label="How likely each label is">{"".join(rows)}</ul>'


def steps(picture: Picture, prediction: Prediction) -> str:
    """HTML: how the picture was read, one small picture and one sentence a step."""
    rows = [(_image(inline(picture.preview), "The picture as you gave it"), "This is your picture.")]
    if prediction.ink:
        ink = _image(inline(b64decode(prediction.ink)), "What was taken for ink, white on black")
        rows.append((ink, "Only the ink counts, not the paper."))
    if prediction.image:
        rows += _views(_decode(prediction.image), prediction.explanation)
    rows.append((_columns(prediction), f"It shares 100 % among {len(prediction.probabilities)} answers."))
    items = "".join(f"<li>{shown}<p>{sentence}</p></li>" for shown, sentence in rows)
    return f'<section><h3>How it was read</h3><ol class="steps">{items}</ol></section>'


def _views(seen: Image.Image, explanation: str | None) -> list[tuple[str, str]]:
    """What the model saw, and what mattered in it."""
    alt = f"The picture as the model saw it: {SIDE} by {SIDE} pixels, centred, white on black"
    cut = f"It is cut out, centred and made {SIDE}x{SIDE} pixels small."
    rows = [(_image(_inline_image(_enlarge(seen)), alt), cut)]
    if explanation:
        heat = _decode(explanation)
        alt = f"The same with the pixels that carried the decision glowing, most of all {_place(heat)}"
        rows.append((_image(_inline_image(_glow(seen, heat)), alt), "Hide what glows, and the answer is less sure."))
    return rows


def _columns(prediction: Prediction) -> str:
    """HTML: the bars once more, small and upright."""
    top = max(prediction.probabilities, key=prediction.probabilities.__getitem__)
    bars = "".join(
        f'<span class="{"top" if label == top else ""}" style="height:{100 * p:.2f}%"></span>'
        for label, p in prediction.probabilities.items()
    )
    alt = f"{len(prediction.probabilities)} bars, the highest for {escape(top)}"
    return f'<div class="columns" role="img" aria-label="{alt}">{bars}</div>'


def trust(prediction: Prediction, seconds: float) -> str:
    """HTML: which model answered, where, and how long each stage took."""
    model, timing = prediction.model, prediction.timing_ms
    where = WHERE.get(model.served_by, model.served_by)
    stages = {"Normalising": timing.get("preprocess"), "model": timing.get("inference"), "in all": 1000 * seconds}
    times = " · ".join(f"{name} {milliseconds(ms)}" for name, ms in stages.items() if ms is not None)
    return (
        f'<p class="trust">Read by <strong>{escape(model.name)} {escape(model.version)}</strong>, {escape(where)}.<br>'
        f"{times}</p>"
    )


def apologise(apology: Apology) -> str:
    """HTML: a failure, as one sentence and what to do."""
    what, remedy, _ = apology
    return f'<div class="apology" role="alert"><h2>{escape(what)}</h2><p>{escape(remedy)}</p></div>'


def cannot_start(error: Exception) -> str:
    """HTML: the page has no API of its own, because of a missing package or model, or a wrong setting."""
    remedy = (
        "Set API_URL, or install the extras backend and embedded." if isinstance(error, ImportError) else str(error)
    )
    what = "This page cannot start its own API."
    return f'<div class="apology" role="alert"><h2>{what}</h2><p>{escape(remedy)}</p></div>'


def table(rows: list[tuple[Picture, Prediction | ApiError]]) -> str:
    """HTML: several pictures at once."""
    lines = "".join(f"<tr>{_row(picture, result)}</tr>" for picture, result in rows)
    head = "".join(f'<th scope="col">{name}</th>' for name in ("Picture", "File", "Label", "How sure"))
    return f'<table class="several"><thead><tr>{head}</tr></thead><tbody>{lines}</tbody></table>'


def left_out(most: int, names: list[str]) -> str:
    """HTML: which files were too many."""
    shown = ", ".join(escape(name) for name in names[:NAMES])
    more = f" and {len(names) - NAMES} more" if len(names) > NAMES else ""
    return f'<p class="hint" role="status">{most} pictures are read at once. Left out: {shown}{more}.</p>'


def _row(picture: Picture, result: Prediction | ApiError) -> str:
    unseen = isinstance(result, client.BadPicture) and not isinstance(result, client.BlankSheet)
    thumbnail = "" if unseen else f'<img src="{inline(picture.preview)}" alt="" width="48" height="48">'
    cells = [thumbnail, escape(picture.name)]
    if isinstance(result, client.ApiError):
        return "".join(f"<td>{cell}</td>" for cell in [*cells, "", _problem(result, picture)])
    label = f"<strong>{escape(result.label)}</strong>" if result.label else ""
    sure = percent(result.confidence) if result.label else f"not {sought(result.probabilities)}"
    return "".join(f"<td>{cell}</td>" for cell in [*cells, label, sure])


def _problem(error: ApiError, picture: Picture) -> str:
    return escape(formats.remedy(picture.data) or apology(error, picture).what)


def inline(data: bytes) -> str:
    """An encoded picture -> data: URL."""
    kind = {b"\xff\xd8": "jpeg", b"GI": "gif", b"RI": "webp"}.get(data[:2], "png")
    return f"data:image/{kind};base64,{b64encode(data).decode()}"


def _image(source: str, alt: str) -> str:
    return f'<img src="{source}" alt="{escape(alt)}">'


def milliseconds(ms: float) -> str:
    """A time, with its unit."""
    return f"{ms:.1f} ms" if ms < 10 else f"{ms:.0f} ms" if ms < 1000 else f"{ms / 1000:.1f} s"


def _decode(image: str) -> Image.Image:
    return Image.open(BytesIO(b64decode(image)), formats=["PNG"]).convert("L")


def _inline_image(image: Image.Image) -> str:
    buffer = BytesIO()
    image.save(buffer, "PNG")
    return inline(buffer.getvalue())


def _enlarge(image: Image.Image) -> Image.Image:
    return image.resize((ENLARGED, ENLARGED), Image.Resampling.NEAREST)


def _glow(seen: Image.Image, heat: Image.Image) -> Image.Image:
    """The picture in dark grey, coloured from red to yellow where it mattered."""
    grey = Image.merge("RGB", 3 * [_enlarge(seen).point([v * 2 // 5 for v in range(256)])])
    smooth = heat.resize((ENLARGED, ENLARGED), Image.Resampling.BICUBIC)
    colour = ImageOps.colorize(smooth, "#5c1a00", "#ffe27a", "#ff5a1f")
    return Image.composite(colour, grey, smooth)


def _place(heat: Image.Image) -> str:
    """Where the heat is highest, in words."""
    small = heat.resize((3, 3), Image.Resampling.BOX)
    peak = max(range(9), key=list(small.tobytes()).__getitem__)
    vertical, horizontal = ("top", "middle", "bottom")[peak // 3], ("left", "centre", "right")[peak % 3]
    return f"in the {vertical} {horizontal}"
