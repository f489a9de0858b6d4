"""A trained network -> the artifact that ships: model.tflite, model.tar.gz and card.json, from the same weights.

`python -m training.export` calibrates on what the folds' models never saw, writes all three into the graph or the card,
and refuses to replace a model that measures better, unless told to with --force.
"""

from __future__ import annotations

import argparse
import datetime
import gzip
import io
import json
import shlex
import sys
import tarfile
import tempfile
from contextlib import redirect_stdout
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from backend.contract import SIDE
from backend.deploy.gate import refusals
from training.archive import unpack
from training.data.datasets import Dataset, load, sources_of
from training.data.makers import NOT_A_DIGIT
from training.data.readers import NEVER_HELD_OUT, TEST
from training.data.sources import DataError
from training.models import build_model
from training.train import Plan, logits_of, plan_of, split

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from keras import KerasTensor
    from numpy.typing import NDArray

ARTIFACT = Path(__file__).parent / "artifacts" / "digits"
REFUSED_DIGIT = 12  # what a digit refused costs, a non-digit taken costing 1: LOG.md, 2026-11-30, has the curve
# What the log odds of the score become in a confidence: one picture in 55 that people send is none, where the network
# learnt from nearly as many of these as of digits. Measured against 2 to 5, and none, in LOG.md.
SENT_MORE_DIGITS = 4.0
RULE = (
    f"the least cost over the pictures of people, alphabets and kinds held out, varied as in training: {REFUSED_DIGIT} "
    "times the share of digits refused plus the share of non-digits taken"
)


class Run(NamedTuple):
    """A folder that training.train filled: its plan, its best model, its dataset."""

    plan: Plan
    model: keras.Model
    dataset: Dataset


class Judged(NamedTuple):
    """Pictures that the model had not seen: logits (n, labels + 1), y (n,), kind (n,)."""

    logits: NDArray[np.float32]
    y: NDArray[np.int64]
    kind: NDArray[np.str_]


def calibrated(model: keras.Model, temperature: float) -> keras.Model:
    """(n, 28, 28) float32, ink 255 -> `probabilities` (n, labels), `score` (n,): what every caller gets.

    See `scores` and `confidences`; here, so that no caller can forget it.
    """
    image = keras.Input((SIDE, SIDE), name="image")
    logits = folded(model)(image)
    return keras.Model(
        image, {"probabilities": confidences(logits, temperature), "score": keras.ops.sigmoid(_ahead(logits))}
    )


def confidences(logits: KerasTensor, temperature: float) -> KerasTensor:
    """(n, labels + 1) logits -> (n, labels) probabilities that count the doubt whether it is one of the labels at all.

    The softmax at this temperature where it is, every label alike where it is not: a letter that is just taken was
    "99.9 %" by the softmax alone, which says which label it is if it is one.
    """
    likely = keras.ops.softmax(logits[:, :-1] * float(np.float16(1 / temperature)))  # a half float, see `folded`
    one_of_them = keras.ops.sigmoid(_ahead(logits) + SENT_MORE_DIGITS)[:, None]
    alike = keras.ops.mean(likely, axis=-1, keepdims=True)  # a tenth of ten: 1 / 10 itself is no half float
    return one_of_them * likely + (1 - one_of_them) * alike


def _ahead(logits: KerasTensor) -> KerasTensor:
    """(n, labels + 1) logits -> (n,): the log odds of the likeliest label against none."""
    return keras.ops.max(logits[:, :-1], axis=-1) - logits[:, -1]


def folded(network: keras.Model) -> keras.Model:
    """The same network, normalisation and scaling inside the weights beside them, each of these a half float.

    Rounded here, once, so that LiteRT's file (2 bytes a weight, float32 arithmetic) and the SavedModel say the same.
    """

    def copy(layer: keras.Layer) -> keras.Layer:
        if isinstance(layer, (keras.layers.BatchNormalization, keras.layers.Rescaling)):
            return keras.layers.Identity(name=layer.name)
        return type(layer).from_config(layer.get_config() | ({"use_bias": True} if layer.name in norms else {}))

    norms = _norms(network)
    plain = keras.models.clone_model(network, None, copy, lambda layer, *inputs, **_: layer(*inputs))
    scaling = next(layer for layer in network.layers if isinstance(layer, keras.layers.Rescaling))
    first = next(layer for layer in network.layers if layer.weights)
    for layer in network.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            continue
        weights = layer.get_weights()
        if layer is first:  # LiteRT's converter would do it after the rounding
            weights[0] = weights[0] * scaling.scale
        if layer.name in norms:
            gamma, beta, mean, variance = norms[layer.name].get_weights()
            scale = gamma / np.sqrt(variance + norms[layer.name].epsilon)
            kernel = weights[0] * scale.reshape((-1, 1) if isinstance(layer, keras.layers.DepthwiseConv2D) else -1)
            weights = [kernel, beta - mean * scale]
        plain.get_layer(layer.name).set_weights([weight.astype(np.float16) for weight in weights])
    return plain


def unfolded(folder: Path) -> keras.Model:
    """The network of an artifact, to be taught further: normalisation is there again, and does nothing but add.

    Its weights are those that ship, half floats and all, so that `folded` gives the same files again.
    """
    card = read_card(folder)
    network = build_model(card["network"], len(card["labels"]))
    shipped = iter(_weights(folder / "model.tar.gz"))
    norms = _norms(network)
    scaling = next(layer for layer in network.layers if isinstance(layer, keras.layers.Rescaling))
    for number, layer in enumerate(each for each in network.layers if each.weights and each not in norms.values()):
        kernel, bias = next(shipped), next(shipped)
        kernel = kernel if number else kernel / scaling.scale
        if layer.name not in norms:
            layer.set_weights([kernel, bias])
            continue
        layer.set_weights([kernel])
        norm, one, none = norms[layer.name], np.ones_like(bias), np.zeros_like(bias)
        norm.set_weights([one, bias, none, one - norm.epsilon])
    return network


def _weights(packed: Path) -> list[NDArray[np.float32]]:
    """A packed SavedModel's weights, layer by layer: kernel, bias, kernel, bias ..."""
    with tempfile.TemporaryDirectory() as temporary:
        unpack(packed, Path(temporary))
        model = tf.saved_model.load(f"{temporary}/1")
        return [variable.numpy() for variable in model.signatures["serving_default"].variables]


def _norms(network: keras.Model) -> dict[str, keras.layers.Layer]:
    """The name of a layer -> the normalisation behind it."""
    norms = [layer for layer in network.layers if isinstance(layer, keras.layers.BatchNormalization)]
    return {layer.input._keras_history.operation.name: layer for layer in norms}


class Endpoint(tf.Module):
    """What SageMaker serves: the calibrated model, and in every row what a caller must know of it.

    Input `image` (n, 28, 28) float32. Outputs: `probabilities` (n, labels), `score` (n,), `threshold` (n,), `labels`
    (n, labels), `name` (n,), `version` (n,).
    """

    def __init__(self, model: keras.Model, card: dict[str, Any]) -> None:
        super().__init__(name="endpoint")
        self.model = model
        self.threshold, self.labels = tf.constant(card["threshold"], tf.float32), tf.constant([card["labels"]])
        self.name_, self.version = tf.constant(card["name"]), tf.constant(card["version"])

    @tf.function(input_signature=[tf.TensorSpec([None, SIDE, SIDE], tf.float32, name="image")])
    def answer(self, image: tf.Tensor) -> dict[str, tf.Tensor]:
        """See the class."""
        # A malformed shape aborts the whole of TensorFlow Serving if it reaches a oneDNN convolution.
        image = tf.ensure_shape(image, [None, SIDE, SIDE])
        n = tf.shape(image)[0]
        return self.model(image, training=False) | {
            "threshold": tf.fill([n], self.threshold),
            "labels": tf.repeat(self.labels, n, axis=0),
            "name": tf.fill([n], self.name_),
            "version": tf.fill([n], self.version),
        }


def export(model: keras.Model, card: dict[str, Any], folder: Path, *, endpoint: bool = True) -> None:
    """Write the three files into `folder`, two without `endpoint`; each is complete or not there."""
    folder.mkdir(parents=True, exist_ok=True)
    answering = calibrated(model, card["temperature"])
    files = {"model.tar.gz": for_endpoint(answering, card)} if endpoint else {}
    files["model.tflite"] = to_lite(answering)
    card = card | {"sha256": {name: sha256(content).hexdigest() for name, content in files.items()}}
    files["card.json"] = card_text(card)
    for name, content in files.items():
        write(folder / name, content)


def for_endpoint(answering: keras.Model, card: dict[str, Any]) -> bytes:
    """SageMaker's file."""
    endpoint = Endpoint(answering, card)
    with tempfile.TemporaryDirectory() as temporary:
        tf.saved_model.save(endpoint, f"{temporary}/1", signatures={"serving_default": endpoint.answer})
        return pack(Path(temporary) / "1")


def to_lite(model: keras.Model) -> bytes:
    """LiteRT's file, two bytes a weight."""
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.target_spec.supported_types = [tf.float16]
    with redirect_stdout(io.StringIO()):  # Keras prints the graph's forty tensors
        return bytes(converter.convert())


def pack(saved_model: Path) -> bytes:
    """A SavedModel's folder -> the tar.gz that SageMaker wants, `1/saved_model.pb` and so on."""
    buffer = io.BytesIO()
    with gzip.GzipFile(fileobj=buffer, mode="wb", mtime=0) as zipped, tarfile.open(fileobj=zipped, mode="w") as archive:
        for path in sorted(saved_model.rglob("*")):
            archive.add(path, f"1/{path.relative_to(saved_model).as_posix()}", recursive=False, filter=_anonymous)
    return buffer.getvalue()


def _anonymous(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.mtime, member.uid, member.gid, member.uname, member.gname = 0, 0, 0, "", ""
    return member


def card_text(card: Mapping[str, Any]) -> bytes:
    """card.json."""
    return (json.dumps(card, indent=2, ensure_ascii=False) + "\n").encode()


def write(path: Path, content: bytes) -> None:
    """A file, whole or not at all."""
    half = path.with_suffix(".part")
    half.write_bytes(content)
    half.replace(path)


def read_run(folder: Path) -> Run:
    """Raises FileNotFoundError where training has not finished a round, DataError without the data."""
    plan = plan_of(folder)
    return Run(
        plan, keras.models.load_model(folder / "best.keras", compile=False), load(plan.dataset, quick=plan.quick)
    )


def judge(run: Run) -> Judged:
    """What a run's model says about the pictures that it was kept from: its fold, or its validation share."""
    if run.plan.fold == NEVER_HELD_OUT:
        return judge_validation(run)
    return _judged(run, run.dataset.where(run.dataset.fold == run.plan.fold))


def judge_validation(run: Run) -> Judged:
    """What a run's model says about its validation share: pictures that it did not learn, by people whom it knows."""
    return _judged(run, split(run.dataset, run.plan)[1])


def _judged(run: Run, unseen: Dataset) -> Judged:
    return Judged(logits_of(run.model, unseen), unseen.y, unseen.kind)


def together(judged: list[Judged]) -> Judged:
    """Several models' pictures in one."""
    return Judged(*(np.concatenate(column) for column in zip(*judged, strict=True)))


def calibrate(judged: Judged) -> tuple[float, float]:
    """Unseen pictures -> (temperature, threshold): the likeliest temperature (Guo et al. 2017), and RULE's threshold.

    Where the dataset has no non-digits, nothing is rejected: threshold 0.
    """
    real = judged.y != NOT_A_DIGIT
    temperature = likeliest_temperature(judged)
    if real.all():
        return temperature, 0.0
    return temperature, cheapest(scores(judged.logits[real]), scores(judged.logits[~real]))


def likeliest_temperature(judged: Judged) -> float:
    """The one at which the labels of the digits surprise least."""
    real = judged.y != NOT_A_DIGIT
    candidates = np.geomspace(0.3, 3, 200)
    return float(min(candidates, key=lambda t: _surprise(judged.logits[real], judged.y[real], t)))


def relative_temperature(run: Run, folds: list[Run]) -> float:
    """By what the folds' temperature is multiplied for the network that ships, each asked what it validated on.

    It learns longer than theirs, or from teachers. One learnt from teachers has a calibration error of 0.0049 on
    MNIST's test set at the folds' temperature, and of 0.0022 so (LOG.md, 2026-11-29).
    """
    theirs = together([judge_validation(fold) for fold in folds])
    return likeliest_temperature(judge_validation(run)) / likeliest_temperature(theirs)


def cheapest(digits: NDArray[np.float32], others: NDArray[np.float32]) -> float:
    """The threshold by RULE, from the scores of digits and non-digits; at most a tenth of the digits is refused."""
    refused = np.linspace(0, 0.1, 2001)
    thresholds = np.quantile(digits, refused)
    taken = 1 - np.searchsorted(np.sort(others), thresholds) / len(others)
    return float(thresholds[np.argmin(REFUSED_DIGIT * refused + taken)])


def recalibrate(
    card: Mapping[str, Any], y: NDArray[np.int64], before: NDArray[np.float32], after: NDArray[np.float32]
) -> dict[str, float]:
    """The temperature and threshold of a network that was taught on, from both networks' logits of the same pictures.

    It is then as sure of real pictures on average as the card's network was, and rejects as many non-digits: learning
    digits alone raised the scores of non-digits, so that the old threshold rejected 0.6 to 1.3 points less of them.
    """
    real, threshold = y != NOT_A_DIGIT, card["threshold"]
    sure = _sureness(before[real], card["temperature"])
    candidates = card["temperature"] * np.geomspace(0.8, 1.25, 401)
    temperature = min(candidates, key=lambda t: abs(_sureness(after[real], t) - sure))
    if threshold:
        threshold = np.quantile(scores(after[~real]), np.mean(scores(before[~real]) < threshold))
    return {"temperature": round(float(temperature), 4), "threshold": round(float(threshold), 6)}


def _sureness(logits: NDArray[np.float32], temperature: float) -> float:
    """The mean of the likeliest label's probability."""
    return float(np.mean(np.max(confidences(logits, temperature), axis=1)))


def _surprise(logits: NDArray[np.float32], y: NDArray[np.int64], temperature: float) -> float:
    """Mean negative log likelihood, nats; a probability too small for a float counts as the smallest."""
    said = np.asarray(confidences(logits, temperature))[np.arange(len(y)), y]
    return float(-np.mean(np.log(np.maximum(said, np.finfo(np.float32).tiny))))


def scores(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """(n, labels + 1) logits -> (n,) 0 to 1: the likeliest label's probability over its and none's together.

    All labels' together, 1 - softmax, rejects 1 point less of what is none at the same cost (LOG.md, 2026-11-24).
    """
    return np.asarray(keras.ops.sigmoid(_ahead(logits)))


def metrics(run: Run, judged: Judged, threshold: float) -> dict[str, float]:
    """Shares, 0 to 1: the official test set, unseen people's digits, and non-digits."""
    test = run.dataset.where(run.dataset.fold == TEST)
    read = judged.logits[:, :-1].argmax(axis=1)
    rejected = scores(judged.logits) < threshold
    found = {
        f"unseen {kind}": float(np.mean(rejected[judged.kind == kind]))
        if (judged.y[judged.kind == kind] == NOT_A_DIGIT).all()
        else float(np.mean((read == judged.y)[judged.kind == kind]))
        for kind in np.unique(judged.kind)
    }
    if len(test.y):
        found["test"] = float(np.mean(logits_of(run.model, test)[:, :-1].argmax(axis=1) == test.y))
    return {name: round(value, 5) for name, value in found.items()}


def _count(run: Run, judged: Judged, name: str) -> int:
    """How many pictures a metric is of."""
    if name == "test":
        return int(np.sum(run.dataset.fold == TEST))
    return int(np.sum(judged.kind == name.removeprefix("unseen ")))


def make_card(run: Run, judged: Judged, folder: Path, relative: float = 1.0) -> dict[str, Any]:
    """Everything that is worth knowing about the model, and all that a caller needs beside its weights.

    `relative`: see `relative_temperature`.
    """
    temperature, threshold = calibrate(judged)
    today = datetime.datetime.now(datetime.UTC).date()
    return {
        "name": run.plan.dataset,
        "version": next_version(today, [str(read_card(folder).get("version", ""))]),
        "date": today.isoformat(),
        "labels": list(run.dataset.labels),
        "threshold": round(threshold, 6),
        "threshold_rule": RULE if threshold else "nothing is rejected",
        "temperature": round(relative * temperature, 4),
        "network": run.plan.model,
        "parameters": run.model.count_params(),
        "sources": sources_of(run.plan.dataset),
        "data": {str(kind): int(n) for kind, n in zip(*np.unique(run.dataset.kind, return_counts=True), strict=True)},
        "trained_by": _command(run.plan),
        "exported_by": shlex.join(["python", "-m", "training.export", *sys.argv[1:]]),
        "metrics": (measured := metrics(run, judged, threshold)),
        "measured_on": {name: _count(run, judged, name) for name in measured},
    }


def _command(plan: Plan) -> str:
    """The command line of a plan that holds nobody out."""
    words = ["python", "-m", "training.train", "--dataset", plan.dataset, "--model", plan.model]
    words += ["--epochs", f"{plan.epochs:g}", "--seed", str(plan.seed), *["--bfloat16"] * plan.bfloat16]
    return shlex.join([*words, "--teachers", *plan.teachers] if plan.teachers else words)


def next_version(today: datetime.date, versions: Iterable[str]) -> str:
    """`year.month.n`, n counting up from the highest of the versions that there are."""
    month = f"{today.year}.{today.month}"
    parts = [version.rpartition(".") for version in versions]
    return f"{month}.{1 + max((int(n) for year_month, _, n in parts if year_month == month), default=0)}"


def read_card(folder: Path) -> dict[str, Any]:
    """The card in `folder`, or {}."""
    path = folder / "card.json"
    return dict(json.loads(path.read_text())) if path.exists() else {}


def _export_fold(run: Run, others: list[Judged], folder: Path) -> None:
    """A fold's model beside its run, for training.evaluate; calibrated on what the other folds' writers drew."""
    if others:
        export(run.model, make_card(run, together(others), folder / "artifact"), folder / "artifact")


def main(arguments: list[str] | None = None) -> None:
    """The command line; exits with 1 and the remedy where something is missing or worse."""
    parser = argparse.ArgumentParser(prog="python -m training.export", description=str(__doc__).splitlines()[0])
    parser.add_argument("--run", type=Path, default=Path("runs/digits"), help="the run whose model ships")
    parser.add_argument("--folds", type=Path, nargs="*", default=[], help="runs of the same plan, each with its --fold")
    parser.add_argument("--out", type=Path, default=ARTIFACT)
    parser.add_argument("--force", action="store_true", help="ship even what measures worse")
    options = parser.parse_args(arguments)
    try:
        run = read_run(options.run)
        folds = [read_run(folder) for folder in options.folds]
        judged = [judge(fold) for fold in folds or [run]]
        relative = relative_temperature(run, folds) if folds else 1.0
        card = make_card(run, together(judged), options.out, relative)
    except (FileNotFoundError, DataError, ValueError) as error:
        sys.exit(f"nothing exported: {error}. Train first: python -m training.train")
    refused = refusals(card, read_card(options.out))
    if refused and not options.force:
        sys.exit("\n".join(("nothing exported, the shipped model measures better. --force ships it anyway.", *refused)))
    export(run.model, card | ({"forced": refused} if refused else {}), options.out)
    for fold, folder in zip(folds, options.folds, strict=True):
        _export_fold(fold, [one for other, one in zip(folds, judged, strict=True) if other is not fold], folder)
    print(json.dumps(card, indent=2, ensure_ascii=False))


if __name__ == "__main__":
    main()
