"""Learn where digits that touch part: `python -m training.borders` writes backend/numbers/borders.npz (20 minutes).

From composed numbers (training/data/borders.py), by the people of four folds; `training.numbers` measures on the
fifth's. `python -m training.lattice` then learns anew how much such cuts weigh.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from backend.numbers import borders as shipped
from training.data.borders import SIZE, sheet
from training.data.datasets import on_all_cores
from training.data.sources import DataError

SHEETS, VALIDATED, EPOCHS = 60_000, 2_000, 8
BATCH, RATE, WARM_UP = 32, 2e-3, 100
CHANNELS = (16, 24, 32, 16)
PAPER, BESIDE = 0.05, 0.2  # what a pixel weighs away from ink, and more within two pixels of it, where ink weighs 1
INK = 0.3  # of 1
STEP = 1 / 256  # of a weight: the file is a third smaller, and probabilities change by 0.0004 on average


def network() -> keras.Model:
    """(n, h, w, 1) ink -> logits of the border, h and w multiples of 4: what backend/numbers/borders.py computes."""

    def convolution(channels: int, side: int = 3, dilation: int = 1, activation: str | None = "relu") -> keras.Layer:
        return keras.layers.Conv2D(channels, side, padding="same", dilation_rate=dilation, activation=activation)

    fold, unfold = (lambda x: tf.nn.space_to_depth(x, 2)), (lambda x: tf.nn.depth_to_space(x, 2))
    ink = keras.Input((None, None, 1))
    upper = convolution(CHANNELS[1])(convolution(CHANNELS[0])(keras.layers.Lambda(fold)(ink)))
    lower = convolution(CHANNELS[2], 1)(keras.layers.Lambda(fold)(upper))
    for dilation in shipped.DILATIONS:
        lower = convolution(CHANNELS[2], dilation=dilation)(lower)
    joined = keras.layers.Concatenate()([upper, keras.layers.Lambda(unfold)(lower)])
    logits = convolution(4, activation=None)(convolution(CHANNELS[3])(joined))
    return keras.Model(ink, keras.layers.Lambda(unfold)(logits))


def loss(wanted: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    """Cross-entropy where ink is, and a little of it elsewhere; `wanted`: (n, h, w, 2), ink and border, 0 to 1."""
    ink, border = wanted[..., :1], wanted[..., 1:]
    weight = PAPER + BESIDE * tf.nn.max_pool2d(ink, 5, 1, "SAME") + tf.cast(ink > INK, tf.float32)
    each = weight * tf.nn.sigmoid_cross_entropy_with_logits(border, logits)
    return tf.reduce_sum(each, (1, 2, 3)) / tf.reduce_sum(weight, (1, 2, 3))


def pictures(first: int, n: int) -> tf.data.Dataset:
    """Sheets `first` to `first` + n - 1, one by one: (h, w, 1) ink and (h, w, 2) ink and border, 0 to 1."""
    both = np.empty((n, *SIZE, 2), np.uint8)
    for place, made in zip(both, on_all_cores(sheet, range(first, first + n), 50), strict=True):
        place[..., 0], place[..., 1] = made

    def scaled(made: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        made = tf.cast(made, tf.float32) / 255
        return made[..., :1], made

    return tf.data.Dataset.from_tensor_slices(both).map(scaled)


def learn(sheets: int, epochs: float) -> keras.Model:
    """A network taught with so many sheets."""
    keras.utils.set_random_seed(1)
    model, steps = network(), max(1, round(epochs * sheets / BATCH))
    rate = keras.optimizers.schedules.CosineDecay(RATE / 10, steps, warmup_steps=WARM_UP, warmup_target=RATE)
    model.compile(keras.optimizers.AdamW(rate, weight_decay=1e-3), loss)
    taught = pictures(VALIDATED, sheets).shuffle(sheets, seed=1).repeat().batch(BATCH).prefetch(4)
    judged = pictures(0, min(sheets, VALIDATED)).batch(BATCH)
    parts = min(10, steps)
    model.fit(taught, validation_data=judged, steps_per_epoch=steps // parts, epochs=parts, shuffle=False, verbose=2)
    return model


def save(model: keras.Model, file: Path) -> None:
    """What backend/numbers/borders.py reads, in steps of STEP."""
    convolutions = [layer.get_weights() for layer in model.layers if isinstance(layer, keras.layers.Conv2D)]
    named = {
        f"{name}{k}": (np.round(value / STEP) * STEP).astype(np.float16)
        for k, weights in enumerate(convolutions)
        for name, value in zip(("kernel", "bias"), weights, strict=True)
    }
    np.savez_compressed(file, **named)


def main(arguments: list[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m training.borders", description=str(__doc__).splitlines()[0])
    parser.add_argument("--sheets", type=int, default=SHEETS, help="composed numbers to learn from")
    parser.add_argument("--epochs", type=float, default=EPOCHS)
    parser.add_argument("--out", type=Path, default=shipped.WEIGHTS)
    options = parser.parse_args(arguments)
    try:
        model = learn(options.sheets, options.epochs)
    except DataError as error:
        sys.exit(f"nothing learnt: {error}")
    save(model, options.out)
    print(f"written: {options.out}")


if __name__ == "__main__":
    main()
