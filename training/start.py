"""A network that starts where another ended: from a run's best weights, or from an artifact's, whose runs are gone.

An artifact's weights have the normalisation folded into them. Unfolded again, they can go on learning.
"""

from __future__ import annotations

import tarfile
import tempfile
from typing import TYPE_CHECKING

import keras
import numpy as np
import tensorflow as tf

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

SPREAD = 0.05  # of a filter's weights: any will do for what they say, but the step of Muon is measured against it


def start(network: keras.Model, source: Path, x: NDArray[np.float32]) -> None:
    """Give `network` the weights of a run's or an artifact's folder; `x` (n, 28, 28) are some pictures to learn.

    Raises FileNotFoundError or ValueError where there are none, or those of another network.
    """
    best = source / "best.keras"
    if best.exists():
        network.set_weights(keras.models.load_model(best, compile=False).get_weights())
    else:
        _unfold(network, _folded_weights(source / "model.tar.gz"), x)


def _folded_weights(path: Path) -> list[NDArray[np.float32]]:
    """Kernel and bias of each layer in turn."""
    with tempfile.TemporaryDirectory() as temporary, tarfile.open(path) as archive:
        archive.extractall(temporary, filter="data")
        saved = tf.saved_model.load(f"{temporary}/1")
        return [variable.numpy() for variable in saved.signatures["serving_default"].variables]


def _unfold(network: keras.Model, weights: list[NDArray[np.float32]], x: NDArray[np.float32]) -> None:
    """What training.export.folded joined is taken apart, with the means and variances that `x` gives now."""
    pairs = zip(weights[::2], weights[1::2], strict=True)
    scaling = next(layer for layer in network.layers if isinstance(layer, keras.layers.Rescaling)).scale
    for layer, norm in _layers(network):
        kernel, bias = next(pairs)
        kernel, scaling = kernel / scaling, 1.0  # the first layer's alone
        if norm is None:
            layer.set_weights([kernel, bias])
            continue
        filters = (0, 1) if isinstance(layer, keras.layers.DepthwiseConv2D) else tuple(range(kernel.ndim - 1))
        spread = kernel.std(axis=filters, keepdims=True)
        layer.set_weights([kernel * SPREAD / spread])
        out = keras.Model(network.inputs, layer.output).predict(x, 1000, verbose=0)
        mean, variance = out.mean(axis=(0, 1, 2)), out.var(axis=(0, 1, 2))
        gamma = np.sqrt(variance + norm.epsilon) * spread.ravel() / SPREAD
        norm.set_weights([gamma, bias + mean * spread.ravel() / SPREAD, mean, variance])


def _layers(network: keras.Model) -> list[tuple[keras.layers.Layer, keras.layers.Layer | None]]:
    """Each layer that holds weights, with the normalisation that follows it."""
    norms = {
        layer.input._keras_history.operation.name: layer
        for layer in network.layers
        if isinstance(layer, keras.layers.BatchNormalization)
    }
    found = [layer for layer in network.layers if layer.weights and layer not in norms.values()]
    return [(layer, norms.get(layer.name)) for layer in found]
