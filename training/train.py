"""Train a network of training.models on a dataset of training.data; the best weights stand in the run's folder.

`python -m training.train` trains what ships. Interrupted, the same command goes on where it stopped. In a SageMaker
training job it reads SM_CHANNEL_TRAINING and writes SM_MODEL_DIR, unchanged.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from zlib import crc32

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # before TensorFlow: its start-up lines are no news
# Off by default without AVX512: 689 pictures a second with it on an EPYC 7003, 505 without.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

import keras
import numpy as np
import tensorflow as tf

from backend.contract import SIDE
from training.data.datasets import NAMES, Dataset, load
from training.data.makers import NOT_A_DIGIT
from training.data.readers import FOLDS, NEVER_HELD_OUT, TEST
from training.data.sources import DataError
from training.models import BODIES, build_model

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

BATCH = 128
PEAK_RATE = 6e-3  # of Muon; measured against 3e-3 in LOG.md
SMOOTHING = 0.02
VALIDATION = 0.02  # of the pictures
LOG = "log.jsonl"  # in a run's folder, a line a round
TAUGHT = 0.5  # how much of a target is what the teachers say; the rest is the label


@dataclass(frozen=True)
class Plan:
    """One training: what is learnt, by which network, for how long; `fold` is held out, none at -1.

    `teachers`: folders of finished runs, whose mean answer is half of each target (Hinton et al. 2015).
    """

    dataset: str
    model: str
    epochs: float
    seed: int
    fold: int
    quick: bool
    bfloat16: bool = False
    teachers: Sequence[str] = ()


def split(dataset: Dataset, plan: Plan) -> tuple[Dataset, Dataset]:
    """Training and validation pictures; the folds held out are in neither: they judge, so they may not choose."""
    held = {TEST, plan.fold} - {NEVER_HELD_OUT}
    known = ~np.isin(dataset.fold, list(held))
    shuffled = np.random.default_rng(plan.seed).permutation(np.flatnonzero(known))
    validation = np.zeros(len(known), bool)
    validation[shuffled[: max(1, round(VALIDATION * len(shuffled)))]] = True
    return dataset.where(known & ~validation), dataset.where(validation)


def targets(dataset: Dataset) -> NDArray[np.int32]:
    """(n,) class indices; every other label is the last class."""
    return np.where(dataset.y == NOT_A_DIGIT, len(dataset.labels), dataset.y).astype(np.int32)


def logits_of(model: keras.Model, dataset: Dataset) -> NDArray[np.float32]:
    """(n, labels + 1): what the network says about each picture of the dataset."""
    return np.asarray(model.predict(dataset.x, 1000, verbose=0))


def teachers_of(plan: Plan) -> list[keras.Model]:
    """The plan's teachers. Raises ValueError where one is not finished, or knows the people that are held out."""
    for folder in map(Path, plan.teachers):
        if not _finished(folder):
            raise ValueError(f"{folder} is no finished run. Train it first, or leave it out.")
        if plan.fold not in (NEVER_HELD_OUT, plan_of(folder).fold):
            raise ValueError(f"{folder} has learnt from the people of fold {plan.fold}, who are to judge.")
    return [keras.models.load_model(Path(folder) / "best.keras", compile=False) for folder in plan.teachers]


def plan_of(folder: Path) -> Plan:
    """The plan of a run. Raises FileNotFoundError where the folder holds none, ValueError for another version's."""
    try:
        return Plan(**json.loads((folder / "plan.json").read_text()))
    except TypeError:
        raise ValueError(f"{folder} is a run of another version. Delete it, and train it again.") from None


def shares(dataset: Dataset, teachers: Sequence[keras.Model]) -> NDArray[np.float32]:
    """(n, classes): how much of each class a picture is, by its label and what the teachers say of it on average."""
    wanted = np.eye(len(dataset.labels) + 1, dtype=np.float32)[targets(dataset)]
    if not teachers:
        return wanted
    said = np.zeros_like(wanted)
    for number, network in enumerate(teachers, 1):
        said += np.asarray(keras.ops.softmax(logits_of(network, dataset))) / len(teachers)
        print(f"teachers asked: {number} of {len(teachers)}", flush=True)
    return (1 - TAUGHT) * wanted + TAUGHT * said


def kept_shares(dataset: Dataset, teachers: Sequence[keras.Model], folder: Path) -> NDArray[np.float32]:
    """`shares`; what teachers said stays in a file, for five of them take a quarter of an hour.

    The file's name tells of which pictures and labels it is, so that a training goes on with no others' targets.
    """
    if not teachers:
        return shares(dataset, teachers)
    path = folder / f"shares-{crc32(dataset.y, crc32(dataset.x)):08x}.npy"
    if not path.exists():
        half = path.with_suffix(".part")
        with half.open("wb") as file:
            np.save(file, shares(dataset, teachers))
        half.replace(path)
    return np.asarray(np.load(path))


def batches(dataset: Dataset, wanted: NDArray[np.float32], seed: int) -> tf.data.Dataset:
    """Endless shuffled batches of (BATCH, 28, 28) float32, jittered, and their targets, rows of `wanted` (`shares`)."""
    x, y = tf.constant(dataset.x), tf.constant(wanted)

    def pick(rows: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return jitter(tf.cast(tf.gather(x, rows), tf.float32)), tf.gather(y, rows)

    rows = tf.data.Dataset.range(len(dataset.y)).shuffle(len(dataset.y), seed=seed).repeat()
    plain = tf.data.Options()
    plain.autotune.enabled = False  # there is nothing to tune, and its thread holds the end of a run for up to a minute
    return rows.batch(BATCH).map(pick).prefetch(4).with_options(plain)


def jitter(x: tf.Tensor) -> tf.Tensor:
    """(n, 28, 28) -> the same, most turned by about 3.5 degrees, scaled by 5 % and shifted by up to 1.2 pixels.

    Three in ten stay as they are: the resampling blurs, and what comes in later is sharp.
    """
    n = tf.shape(x)[0]
    some = tf.cast(tf.random.uniform([n]) > 0.3, tf.float32)
    turn, scale, stretch = (some * tf.random.normal([n], 0.0, sd) for sd in (0.06, 0.05, 0.04))
    cos, sin, width, height = tf.cos(turn), tf.sin(turn), tf.exp(scale + stretch), tf.exp(scale - stretch)
    rows = [cos * width, -sin * height, sin * width, cos * height]
    dx, dy = (some * tf.random.uniform([n], -1.2, 1.2) for _ in range(2))
    middle = (SIDE - 1) / 2
    left, top = middle - middle * (rows[0] + rows[1]) + dx, middle - middle * (rows[2] + rows[3]) + dy
    none = tf.zeros([n])
    moved = tf.raw_ops.ImageProjectiveTransformV3(
        images=x[..., None],
        transforms=tf.stack([rows[0], rows[1], left, rows[2], rows[3], top, none, none], axis=1),
        output_shape=[SIDE, SIDE],
        fill_value=0.0,
        interpolation="BILINEAR",
        fill_mode="CONSTANT",
    )
    return tf.squeeze(moved, -1)


class Muon(keras.optimizers.Muon):  # type: ignore[misc]
    """Muon (Jordan et al. 2024) for convolutions too, each a matrix (height x width x channels, filters); else AdamW.

    Keras' own takes matrices alone. A fold of 300,000 pictures ends at a loss of 0.341 where AdamW's ends at 0.366.
    """

    def _should_use_adamw(self, variable: keras.Variable) -> bool:
        return len(variable.shape) not in (2, 4) or "logits" in variable.path or "depthwise" in variable.path

    def _muon_update_step(
        self, gradient: tf.Tensor, variable: keras.Variable, lr: tf.Tensor, m: keras.Variable
    ) -> None:
        self.assign(m, self.momentum * m + gradient)
        ahead = tf.reshape(gradient + self.momentum * m, [-1, variable.shape[-1]])
        update = self.lr_adjust(lr * self.zeropower_via_newtonschulz5(ahead, self.ns_steps))
        self.assign_sub(variable, tf.reshape(update, variable.shape))


class FusedBatchNormalization(keras.layers.BatchNormalization):  # type: ignore[misc]
    """Batch normalisation by one operation of TensorFlow's in place of Keras' dozen: a tenth more pictures a second."""

    def call(self, inputs: tf.Tensor, training: bool | None = None, mask: tf.Tensor | None = None) -> tf.Tensor:  # noqa: ARG002 - Keras gives it
        """See keras.layers.BatchNormalization."""
        if not training:
            return super().call(inputs, training=False)
        y, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
            x=inputs, scale=self.gamma, offset=self.beta, mean=[], variance=[], epsilon=self.epsilon, is_training=True
        )
        for moving, now in ((self.moving_mean, mean), (self.moving_variance, variance)):
            moving.assign(self.momentum * moving + (1 - self.momentum) * now)
        return y


def for_training(network: keras.Model, *, bfloat16: bool) -> keras.Model:
    """The same layers, made to learn fast: fused, and in bfloat16 (all but the logits; the weights stay float32).

    Half as many pictures again in a second on a processor that has AVX512-BF16; slow on one that has not.
    """

    def copy(layer: keras.Layer) -> keras.Layer:
        normalises = isinstance(layer, keras.layers.BatchNormalization)
        kind = FusedBatchNormalization if normalises else type(layer)
        short = bfloat16 and layer.name != "logits"
        return kind.from_config(layer.get_config() | ({"dtype": "mixed_bfloat16"} if short else {}))

    return keras.models.clone_model(network, clone_function=copy)


def compile_model(model: keras.Model, steps: int) -> None:
    """Muon on one warm-up and a cosine down to nothing, which makes averaging the weights needless (LOG.md)."""
    rate = keras.optimizers.schedules.CosineDecay(
        PEAK_RATE / 30, steps - steps // 20, alpha=1e-3, warmup_target=PEAK_RATE, warmup_steps=steps // 20
    )
    model.compile(
        Muon(rate, weight_decay=1e-3, adam_weight_decay=1e-3),
        keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=SMOOTHING),
        metrics=["accuracy"],
    )


class KeepBest(keras.callbacks.Callback):  # type: ignore[misc]
    """After each round: give `network` the weights learnt, validate it, keep the best so far in `path`; write LOG."""

    def __init__(self, network: keras.Model, x: NDArray[np.float32], y: NDArray[np.int32], path: Path) -> None:
        super().__init__()
        self.network, self.x, self.y, self.path = network, x, y, path
        self.log = path.with_name(LOG)
        self.best = max((done["accuracy"] for done in _rounds(path.parent)), default=0.0)
        self.started = time.monotonic()

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """See the class; keras shows progress and ETA itself."""
        self.network.set_weights(self.model.get_weights())
        accuracy = float(np.mean(self.network.predict(self.x, BATCH * 8, verbose=0).argmax(axis=1) == self.y))
        if accuracy >= self.best:
            self.best = accuracy
            self.network.save(self.path)
        line = {"round": epoch + 1, "of": self.params["epochs"], "accuracy": accuracy, "loss": (logs or {}).get("loss")}
        with self.log.open("a") as file:
            file.write(json.dumps(line | {"seconds": round(time.monotonic() - self.started)}) + "\n")
        print(f" - validation {accuracy:.4f}, best {self.best:.4f}", flush=True)


def _rounds(folder: Path) -> list[dict[str, float]]:
    """What LOG says of the rounds of a run so far."""
    path = folder / LOG
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def _finished(folder: Path) -> bool:
    return any(done["round"] == done.get("of") for done in _rounds(folder))


def train(plan: Plan, folder: Path) -> Path:
    """Run a plan, or what is left of it. Returns the best model's file. Raises KeyError, DataError or ValueError."""
    folder.mkdir(parents=True, exist_ok=True)
    _same_plan(plan, folder / "plan.json")
    best = folder / "best.keras"
    if _finished(folder):
        return best
    keras.utils.set_random_seed(plan.seed)
    teachers = teachers_of(plan)  # before the pictures, which take most of an hour: one may be missing
    learnt, held = split(load(plan.dataset, quick=plan.quick), plan)
    steps = max(1, int(plan.epochs * len(learnt.y) / BATCH))
    rounds = max(1, min(20, round(steps / 500)))
    network = build_model(plan.model, len(learnt.labels))
    model = for_training(network, bfloat16=plan.bfloat16)
    model.set_weights(network.get_weights())
    compile_model(model, steps)
    print(f"{len(learnt.y):,} pictures to learn, {len(held.y):,} to validate, {model.count_params():,} parameters")
    model.fit(
        batches(learnt, kept_shares(learnt, teachers, folder), plan.seed),
        epochs=rounds,
        steps_per_epoch=steps // rounds,
        callbacks=[
            KeepBest(network, held.x.astype(np.float32), targets(held), best),
            keras.callbacks.BackupAndRestore(folder / "backup", delete_checkpoint=True),
        ],
        shuffle=False,  # the dataset shuffles itself
        verbose=1 if sys.stdout.isatty() else 2,
    )
    for path in folder.glob("shares-*"):
        path.unlink()
    return best


def _same_plan(plan: Plan, path: Path) -> None:
    wanted = json.dumps(asdict(plan))
    if path.exists() and path.read_text() != wanted:
        raise ValueError(f"{path.parent} holds another run ({path.read_text()}). Choose another --run, or delete it.")
    path.write_text(wanted)


def main(arguments: list[str] | None = None) -> None:
    """The command line; exits with 1 and a sentence where something is missing."""
    parser = argparse.ArgumentParser(prog="python -m training.train", description=str(__doc__).splitlines()[0])
    parser.add_argument("--dataset", choices=NAMES, default="digits")
    parser.add_argument("--model", choices=BODIES, default="convnet")
    parser.add_argument("--epochs", type=float, default=8.5, help="times that each picture is seen")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--fold", type=int, choices=range(FOLDS), default=NEVER_HELD_OUT, help="writers to hold out")
    parser.add_argument("--bfloat16", action="store_true", help="faster where the processor has AVX512-BF16")
    parser.add_argument("--quick", action="store_true", help="3 %% of the pictures: a test, not a model")
    parser.add_argument("--teachers", nargs="+", default=(), help="finished runs: half of each target is theirs")
    parser.add_argument("--run", type=Path, help="the run's folder; default SM_MODEL_DIR, or runs/<dataset>")
    options = parser.parse_args(arguments)
    if "SM_CHANNEL_TRAINING" in os.environ:
        os.environ.setdefault("DATA_DIR", os.environ["SM_CHANNEL_TRAINING"])
    fields = {name: getattr(options, name) for name in Plan.__dataclass_fields__}
    folder = options.run or Path(os.environ.get("SM_MODEL_DIR", f"runs/{options.dataset}"))
    try:
        print(f"best weights: {train(Plan(**fields), folder)}")
    except (DataError, FileNotFoundError, ValueError) as error:
        sys.exit(f"training stopped: {error}")


if __name__ == "__main__":
    main()
