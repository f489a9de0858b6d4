"""The networks by name: `build_model("convnet", 10)` -> keras.Model; nothing else.

Each takes (n, 28, 28) float32, ink 255, and gives (n, labels + 1) logits: the last one says "none of the labels".
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import keras
from keras import layers

from backend.contract import SIDE

if TYPE_CHECKING:
    from collections.abc import Callable

    from keras import KerasTensor


def softmax(x: KerasTensor) -> KerasTensor:
    """Linear: what the picture's pixels alone can tell."""
    return layers.Flatten()(x)


def mlp(x: KerasTensor) -> KerasTensor:
    """The simple network of the tutorials: one hidden layer."""
    return layers.Dropout(0.2)(layers.Dense(128, activation="relu")(layers.Flatten()(x)))


def lenet5(x: KerasTensor) -> KerasTensor:
    """LeNet-5 (LeCun et al. 1998) with ReLU and max pooling in place of the tanh and averages of its day."""
    x = layers.MaxPooling2D()(layers.Conv2D(6, 5, padding="same", activation="relu")(x))
    x = layers.MaxPooling2D()(layers.Conv2D(16, 5, activation="relu")(x))
    return layers.Dense(84, activation="relu")(layers.Dense(120, activation="relu")(layers.Flatten()(x)))


def convnet(x: KerasTensor) -> KerasTensor:
    """Six convolutions, three of them with stride 2; a global depthwise convolution keeps what lies where.

    The last step is MobileFaceNets' (Chen et al. 2018): averaging would treat the corner of a 7 like its foot. Filters
    come in sixteens: 72 in place of 64 take 1.3 times as long to learn, because oneDNN works in blocks.
    """
    for channels, size, stride in ((32, 5, 2), (48, 3, 1), (64, 3, 2), (64, 3, 1), (128, 3, 2), (128, 3, 1)):
        x = layers.Conv2D(channels, size, strides=stride, padding="same", use_bias=False)(x)
        x = layers.ReLU()(layers.BatchNormalization(momentum=0.95)(x))
    x = layers.BatchNormalization(momentum=0.95)(layers.DepthwiseConv2D(4, use_bias=False)(x))
    return layers.Dropout(0.2)(layers.Flatten()(x))


BODIES: dict[str, Callable[[KerasTensor], KerasTensor]] = {
    "softmax": softmax,
    "mlp": mlp,
    "lenet5": lenet5,
    "convnet": convnet,
}


def build_model(name: str, labels: int) -> keras.Model:
    """An untrained network of BODIES. Raises KeyError for another name."""
    image = keras.Input((SIDE, SIDE), name="image")
    x = layers.Reshape((SIDE, SIDE, 1))(layers.Rescaling(1 / 255)(image))
    return keras.Model(image, layers.Dense(labels + 1, name="logits")(BODIES[name](x)), name="network")
