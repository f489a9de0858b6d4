"""A network that ships -> the same, taught what people corrected, and kept to what it said of everything else.

Each batch holds replayed pictures of the old data, for which the target is what the network said before (learning
without forgetting, Li and Hoiem 2016), and corrections, varied, for which it is what people say. Resumable.
"""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from training.train import jitter

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

STEPS = 400
REPLAYED, CORRECTED = 96, 32  # pictures of a step
RATE = 1e-4  # Adam's, falling to nothing along a cosine; 5e-4 changed more than corrections need (LOG.md, 2026-11-28)
SAVE_EVERY = 50  # steps


class Lesson(NamedTuple):
    """What is to be learnt: (n, 28, 28) uint8 and (n,) classes, the last of which is "none of the labels"."""

    x: NDArray[np.uint8]
    y: NDArray[np.int64]


def tune(network: keras.Model, lesson: Lesson, replay: NDArray[np.uint8], folder: Path) -> None:
    """Teach `network` in place; what is done of it stands in `folder`, and the same call goes on from there."""
    keras.utils.set_random_seed(5)
    before = network.predict(replay.astype(np.float32), 1000, verbose=0)
    optimizer = keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(RATE, STEPS))
    optimizer.build(network.trainable_variables)
    done = tf.Variable(0, dtype=tf.int64)
    state = tf.train.Checkpoint(done=done, **_named([*network.weights, *optimizer.variables]))
    kept = tf.train.CheckpointManager(state, str(folder), max_to_keep=1)
    state.restore(kept.latest_checkpoint)
    learn, started, first = _learner(network, optimizer), time.monotonic(), int(done)
    for step in range(first, STEPS):
        rng = np.random.default_rng([5, step])
        old, new = rng.integers(len(replay), size=REPLAYED), rng.integers(len(lesson.y), size=CORRECTED)
        learn(replay[old].astype(np.float32), before[old], lesson.x[new].astype(np.float32), lesson.y[new])
        done.assign(step + 1)
        if (step + 1) % SAVE_EVERY == 0:
            kept.save()
            left = (time.monotonic() - started) / (step + 1 - first) * (STEPS - step - 1)
            print(f"\rlearning: {step + 1} of {STEPS} steps, {left:.0f} s left ", end="", file=sys.stderr, flush=True)


def _named(variables: list[keras.Variable]) -> dict[str, tf.Variable]:
    """Each by its place: a layer's own name counts up with every network that a process makes."""
    return {f"variable_{number}": variable.value for number, variable in enumerate(variables)}


def _learner(network: keras.Model, optimizer: keras.Optimizer) -> tf.types.experimental.GenericFunction:
    """One step, compiled. Normalisation stays as it ships, and nothing is dropped."""
    classes = network.output_shape[-1]

    @tf.function(reduce_retracing=True)
    def learn(old: tf.Tensor, said: tf.Tensor, new: tf.Tensor, y: tf.Tensor) -> None:
        with tf.GradientTape() as tape:
            logits = network(tf.concat([old, vary(new)], 0), training=False)
            forgotten = tf.nn.softmax_cross_entropy_with_logits(tf.nn.softmax(said), logits[:REPLAYED])
            missed = tf.nn.softmax_cross_entropy_with_logits(
                0.98 * tf.one_hot(y, classes) + 0.02 / classes, logits[REPLAYED:]
            )
            loss = tf.reduce_mean(forgotten) + tf.reduce_mean(missed)
        gradients = tape.gradient(loss, network.trainable_variables)
        optimizer.apply(gradients, network.trainable_variables)

    return learn


def vary(x: tf.Tensor) -> tf.Tensor:
    """(n, 28, 28) -> the same as the hand might draw it again: jittered, two in three with a thicker or thinner pen."""
    thick = tf.nn.max_pool2d(x[..., None], 3, 1, "SAME")[..., 0]
    thin = -tf.nn.max_pool2d(-x[..., None], 3, 1, "SAME")[..., 0]
    share = tf.random.uniform([tf.shape(x)[0], 1, 1], -0.9, 0.9)
    share = tf.where(tf.abs(share) < 0.3, 0.0, share)
    pen = x + tf.nn.relu(share) * (thick - x) + tf.nn.relu(-share) * (thin - x) * 0.6
    return jitter(pen)
