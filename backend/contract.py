"""The wire, version 1: routes, limits, media types, answers and problems.

Standard library only, so that the page, scripts and training may import it without Flask or NumPy.
"""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

PREDICTIONS = "/predictions"
BATCH = "/predictions/batch"
NUMBERS = "/numbers"
NUMBERS_BATCH = "/numbers/batch"
HEALTH = "/health"
READY = "/ready"
MODELS = "/models"
FEEDBACK = "/feedback"
OPENAPI = "/openapi.json"
DOCS = "/docs"
PROBLEM_PAGES = "/problems/"  # + slug: where a problem's `type` leads

API_KEY_HEADER = "X-Api-Key"
REQUEST_ID_HEADER = "X-Request-Id"
CALLER_HEADER = "X-Caller-Id"  # which of a client's own users asks: a random name, which is neither kept nor logged

IMAGE_TYPES = ("image/png", "image/jpeg", "image/webp", "image/gif", "image/bmp", "image/tiff")
FORMATS = "PNG, JPEG, WebP, GIF, BMP or TIFF"
PROBLEM_TYPE = "application/problem+json"

SIDE = 28  # pixels: the model sees SIDE x SIDE
INK_SIDE = 112  # pixels: the longer side of the picture of the ink
MAX_BODY_BYTES = 4 * 1024 * 1024  # Lambda's event holds 6 MB, base64 takes a third of it
MAX_MEGAPIXELS = 65  # of one picture: a phone's of 64 pass
MAX_BATCH_MEGAPIXELS = 24  # of a batch together, where a JPEG counts a tenth: 64 pictures of 600x600 pass
MAX_PIXELS = MAX_MEGAPIXELS * 1_000_000
SURE_PIXELS = 8_400_000  # 4K: decoded within 150 MB in any format; above it WebP, and colour in PNG, may take more
MAX_BATCH = 64  # images in one batch request
MAX_DIGITS = 12  # in a line of POST /numbers
MAX_STROKES, MAX_POINTS = 100, 200  # of a drawing at POST /numbers, and of each stroke: 0.2 s at the worst
MARKS = ("sign", "point")  # what ?allow= lets stand beside digits
LABEL = re.compile(r"\w[\w /&-]{0,31}")  # in feedback
NOT_A_DIGIT = "not_a_digit"  # the reason of a rejection, and in feedback the label of what should be rejected
EXTRAS = ("image", "explanation", "ink")  # what ?include= may ask for, comma-separated or repeated


class Problem(NamedTuple):
    """One kind of error answer (RFC 9457): `type` is "/problems/<slug>"."""

    slug: str
    status: int
    title: str


MALFORMED = Problem("malformed-request", 400, "The request is malformed")
UNAUTHORIZED = Problem("invalid-api-key", 401, "The API key is missing or wrong")
NOT_FOUND = Problem("not-found", 404, "There is nothing at this address")
UNKNOWN_MODEL = Problem("unknown-model", 404, "There is no model of this name")
METHOD_NOT_ALLOWED = Problem("method-not-allowed", 405, "This address does not take this method")
TOO_LARGE = Problem("too-large", 413, "The picture is too large")
UNSUPPORTED_MEDIA = Problem("unsupported-media-type", 415, f"This is not a {FORMATS} picture")
UNREADABLE_IMAGE = Problem("unreadable-image", 422, "The picture cannot be read")
BLANK_IMAGE = Problem("blank-image", 422, "The sheet is empty")
RATE_LIMITED = Problem("rate-limited", 429, "Too many requests")
INTERNAL = Problem("internal-error", 500, "Something went wrong here")
BAD_MODEL_ANSWER = Problem("bad-model-answer", 502, "The model's answer cannot be understood")
MODEL_UNAVAILABLE = Problem("model-unavailable", 503, "The model is not available")
MODEL_STARTING = Problem("model-starting", 503, "The model is starting")
FEEDBACK_UNAVAILABLE = Problem("feedback-unavailable", 503, "Feedback cannot be kept at the moment")
MODEL_TIMEOUT = Problem("model-timeout", 504, "The model took too long")
FEEDBACK_FULL = Problem("feedback-full", 507, "No more feedback is kept here")

PROBLEMS = (
    MALFORMED,
    UNAUTHORIZED,
    NOT_FOUND,
    UNKNOWN_MODEL,
    METHOD_NOT_ALLOWED,
    TOO_LARGE,
    UNSUPPORTED_MEDIA,
    UNREADABLE_IMAGE,
    BLANK_IMAGE,
    RATE_LIMITED,
    INTERNAL,
    BAD_MODEL_ANSWER,
    MODEL_UNAVAILABLE,
    MODEL_STARTING,
    FEEDBACK_UNAVAILABLE,
    MODEL_TIMEOUT,
    FEEDBACK_FULL,
)


@dataclass(frozen=True)
class Rejection:
    """Why a picture got no label; `score` is how sure the model is that it is one of the labels, 0 to 1.

    `ask`: the address that reads such a picture, where there is one, as for "several_digits".
    """

    reason: str
    score: float
    ask: str | None = None

    def to_json(self) -> dict[str, Any]:
        """The wire's object; `ask` only where there is one."""
        return {name: value for name, value in vars(self).items() if name != "ask" or value}

    @classmethod
    def from_json(cls, body: dict[str, Any]) -> Rejection:
        """The wire's object -> Rejection. Raises KeyError or TypeError; unknown members are ignored."""
        return cls(body["reason"], float(body["score"]), body.get("ask"))


@dataclass(frozen=True)
class Model:
    """Who answered: `served_by` is "embedded", "sagemaker", or "fallback" (embedded while the endpoint fails)."""

    name: str
    version: str
    served_by: str


@dataclass(frozen=True)
class ModelCard:
    """One model that answers here, by `name` where ?model= asks for it; the `deployed` one answers where nothing does.

    `bytes` is its file's size, `metrics` shares from 0 to 1 of what it reads rightly. What an endpoint does not tell of
    its model is null or empty.
    """

    name: str
    version: str
    served_by: str
    deployed: bool
    labels: list[str]
    threshold: float
    network: str | None
    parameters: int | None
    bytes: int | None
    date: str | None
    sources: list[str]
    metrics: dict[str, float]


@dataclass(frozen=True)
class ModelList:
    """GET /models: the deployed model first, then the others by name."""

    models: list[ModelCard]

    @classmethod
    def from_json(cls, body: dict[str, Any]) -> ModelList:
        """The wire's object -> ModelList. Raises KeyError or TypeError; unknown members are ignored."""
        names = ModelCard.__annotations__
        return cls([ModelCard(**{name: card[name] for name in names}) for card in body["models"]])


@dataclass(frozen=True)
class Health:
    """GET /health: `status` is "ok"."""

    status: str = "ok"


@dataclass(frozen=True)
class Readiness:
    """GET /ready: `status` is "ready", and this model answers."""

    model: Model
    status: str = "ready"


@dataclass(frozen=True)
class Prediction:
    """The answer to one picture.

    `label` is None when rejected; `probabilities` holds every label, `confidence` the highest of them; `image` is the
    base64 PNG that the model saw, `explanation` one of the same size where 255 mattered most to the answer, and `ink`
    one of what was taken for ink in its place, 112 pixels a side at most, each if asked for; `timing_ms` holds
    milliseconds by stage.
    """

    label: str | None
    confidence: float
    probabilities: dict[str, float]
    rejection: Rejection | None
    model: Model
    request_id: str
    timing_ms: dict[str, float]
    image: str | None = None
    explanation: str | None = None
    ink: str | None = None

    def to_json(self) -> dict[str, Any]:
        """The wire's object; each of EXTRAS only where there is one."""
        body = {name: value for name, value in vars(self).items() if value is not None or name not in EXTRAS}
        return body | {"rejection": self.rejection and self.rejection.to_json(), "model": vars(self.model)}

    @classmethod
    def from_json(cls, body: dict[str, Any]) -> Prediction:
        """The wire's object -> Prediction. Raises KeyError or TypeError; unknown members are ignored."""
        rejection = body["rejection"]
        return cls(
            label=body["label"],
            confidence=float(body["confidence"]),
            probabilities={label: float(p) for label, p in body["probabilities"].items()},
            rejection=rejection and Rejection.from_json(rejection),
            model=Model(body["model"]["name"], body["model"]["version"], body["model"]["served_by"]),
            request_id=body["request_id"],
            timing_ms=dict(body["timing_ms"]),
            image=body.get("image"),
            explanation=body.get("explanation"),
            ink=body.get("ink"),
        )


@dataclass(frozen=True)
class ProblemDetails:
    """The body of an error answer (RFC 9457); `detail` is a sentence for the person who asked."""

    type: str
    title: str
    status: int
    detail: str
    request_id: str


@dataclass(frozen=True)
class BatchResult:
    """One picture's outcome in a batch: exactly one of the two is set."""

    prediction: Prediction | None = None
    problem: ProblemDetails | None = None

    def to_json(self) -> dict[str, Any]:
        """{"prediction": ...} or {"problem": ...}."""
        if self.prediction:
            return {"prediction": self.prediction.to_json()}
        return {"problem": self.problem and asdict(self.problem)}

    @classmethod
    def from_json(cls, body: dict[str, Any]) -> BatchResult:
        """The wire's object -> BatchResult. Raises KeyError or TypeError on anything else."""
        if "prediction" in body:
            return cls(prediction=Prediction.from_json(body["prediction"]))
        return cls(problem=ProblemDetails(**{name: body["problem"][name] for name in ProblemDetails.__annotations__}))


@dataclass(frozen=True)
class BatchPrediction:
    """The answer to a batch: one result per picture, in the order they came."""

    results: list[BatchResult]
    request_id: str
    timing_ms: dict[str, float]

    def to_json(self) -> dict[str, Any]:
        """The wire's object."""
        results = [result.to_json() for result in self.results]
        return {"results": results, "request_id": self.request_id, "timing_ms": self.timing_ms}

    @classmethod
    def from_json(cls, body: dict[str, Any]) -> BatchPrediction:
        """The wire's object -> BatchPrediction. Raises KeyError or TypeError on anything else."""
        return cls([BatchResult.from_json(r) for r in body["results"]], body["request_id"], dict(body["timing_ms"]))


@dataclass(frozen=True)
class Digit:
    """One digit of a number, or a mark; `box` is [left, top, width, height] in the picture's own pixels."""

    label: str
    confidence: float
    probabilities: dict[str, float]
    box: list[int]


@dataclass(frozen=True)
class Alternative:
    """What a line may be instead."""

    number: str
    confidence: float


def _line(line: NumberLine | Number) -> dict[str, Any]:
    """A line's members as the wire has them; asdict, which copies all below them, took 0.3 ms for four digits."""
    return vars(line) | {
        "digits": [vars(digit) for digit in line.digits],
        "rejection": line.rejection and line.rejection.to_json(),
        "alternatives": [vars(each) for each in line.alternatives],
    }


@dataclass(frozen=True)
class NumberLine:
    """One line: `number` is None when rejected, `confidence` how sure the whole is right; up to 3 `alternatives`."""

    number: str | None
    confidence: float
    digits: list[Digit]
    rejection: Rejection | None
    alternatives: list[Alternative]

    def to_json(self) -> dict[str, Any]:
        """The wire's object."""
        return _line(self)

    @classmethod
    def from_json(cls, body: dict[str, Any]) -> NumberLine:
        """The wire's object -> NumberLine. Raises KeyError or TypeError; unknown members are ignored."""
        rejection = body["rejection"]
        return cls(
            number=body["number"],
            confidence=float(body["confidence"]),
            digits=[Digit(**{name: digit[name] for name in Digit.__annotations__}) for digit in body["digits"]],
            rejection=rejection and Rejection.from_json(rejection),
            alternatives=[Alternative(each["number"], float(each["confidence"])) for each in body["alternatives"]],
        )


@dataclass(frozen=True)
class Number:
    """The answer of POST /numbers. A sheet of several lines has them in `lines`, top to bottom; `number` joins them.

    Then `confidence` is the product of theirs, one rejected line rejects the sheet, and `alternatives` are the lines'.
    """

    number: str | None
    confidence: float
    digits: list[Digit]
    rejection: Rejection | None
    alternatives: list[Alternative]
    model: Model
    request_id: str
    timing_ms: dict[str, float]
    lines: list[NumberLine] | None = None

    @property
    def label(self) -> str | None:
        """What a Prediction calls its answer, for whoever counts both."""
        return self.number

    def to_json(self) -> dict[str, Any]:
        """The wire's object; `lines` only where there are several."""
        body = _line(self) | {"model": vars(self.model)}
        if not self.lines:
            return {name: value for name, value in body.items() if name != "lines"}
        return body | {"lines": [line.to_json() for line in self.lines]}

    @classmethod
    def from_json(cls, body: dict[str, Any]) -> Number:
        """The wire's object -> Number. Raises KeyError or TypeError; unknown members are ignored."""
        model = Model(body["model"]["name"], body["model"]["version"], body["model"]["served_by"])
        lines = [NumberLine.from_json(line) for line in body["lines"]] if body.get("lines") else None
        whole = NumberLine.from_json(body)
        return cls(**vars(whole), model=model, request_id=body["request_id"], timing_ms=body["timing_ms"], lines=lines)


@dataclass(frozen=True)
class NumberResult:
    """One picture's outcome in a batch of numbers: exactly one of the two is set."""

    number: Number | None = None
    problem: ProblemDetails | None = None

    def to_json(self) -> dict[str, Any]:
        """{"number": ...} or {"problem": ...}."""
        return {"number": self.number.to_json()} if self.number else {"problem": self.problem and asdict(self.problem)}


@dataclass(frozen=True)
class NumberBatch:
    """The answer of POST /numbers/batch: one result per picture, in the order they came."""

    results: list[NumberResult]
    request_id: str
    timing_ms: dict[str, float]

    def to_json(self) -> dict[str, Any]:
        """The wire's object."""
        results = [result.to_json() for result in self.results]
        return {"results": results, "request_id": self.request_id, "timing_ms": self.timing_ms}


@dataclass(frozen=True)
class Judged:
    """What of a prediction is kept with the feedback on it."""

    label: str | None
    confidence: float
    model: Model


@dataclass(frozen=True)
class Feedback:
    """A drawing that a person gives, with its right label; without `consent` nothing is kept."""

    image: str  # base64 or data: URL
    label: str
    consent: bool
    prediction: Judged | None = None


@dataclass(frozen=True)
class FeedbackReceipt:
    """The answer to feedback: the id with which the person can fetch or delete it."""

    id: str


@dataclass(frozen=True)
class Use:
    """Which version a given drawing was used for, and when: it "learnt" from it, or was "judged" by it."""

    version: str
    date: str  # ISO 8601
    how: str


@dataclass(frozen=True)
class Learning:
    """GET /feedback: what a version learnt from what was given. `learnt` is 0, and all else empty, before the first.

    Of `judged_on` drawings that were held out it `reads` a share of 0 to 1, and the version `instead_of` whose place it
    took had `read` another.
    """

    version: str = ""
    date: str = ""  # ISO 8601
    learnt: int = 0  # corrections
    instead_of: str = ""
    reads: float = 0.0
    read: float = 0.0
    judged_on: int = 0


@dataclass(frozen=True)
class KeptFeedback:
    """GET /feedback/<id>: all that is kept. `image` is a base64 PNG without the original file's metadata.

    After a crash either half may be missing: then `image` is empty, or `label` and `created`. `used` is null until a
    version was made with it.
    """

    id: str
    label: str
    created: str  # ISO 8601, UTC
    prediction: Judged | None
    image: str
    used: Use | None
