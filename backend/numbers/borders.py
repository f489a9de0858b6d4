"""Where digits part whose ink touches: a small network says for each pixel how likely it lies between two digits.

A U-Net (Ronneberger et al. 2015) of two levels, with pixels folded into channels in place of pooling (Shi et al. 2016)
and dilated convolutions (Yu and Koltun 2016). NumPy runs it: where an endpoint has the model, Lambda's package has
nothing else that could. `python -m training.borders` learns what is in borders.npz.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Maps = NDArray[np.float32]  # (h, w, channels)

WEIGHTS = Path(__file__).with_name("borders.npz")
DILATIONS = (1, 2, 4)  # of the lower level's convolutions
ROOM = 4  # pixels of paper around the ink
AT_ONCE = 48  # pixels: larger products would be shared out among all cores, which wait for each other at full load


class Layer(NamedTuple):
    """A convolution: kernel (k, k, channels in, out) and bias (out,)."""

    kernel: NDArray[np.float32]
    bias: NDArray[np.float32]


@cache
def layers() -> list[Layer]:
    """What ships."""
    return read(WEIGHTS)


def read(file: Path) -> list[Layer]:
    """borders.npz's content, in the order in which `find` uses it."""
    with np.load(file) as arrays:
        known = {name: arrays[name].astype(np.float32) for name in arrays.files}
    return [Layer(known[f"kernel{k}"], known[f"bias{k}"]) for k in range(len(known) // 2)]


def find(ink: NDArray[np.uint8], learnt: list[Layer] | None = None) -> NDArray[np.float32]:
    """(h, w) ink, 0 for paper, digits about as tall as cuts.py's ROWS -> (h, w) probabilities, 0 to 1."""
    first, second, *rest = learnt or layers()
    h, w = ink.shape
    room = [(ROOM, ROOM + -(side + 2 * ROOM) % 4) for side in (h, w)]  # folded twice
    x = np.pad(ink, room).astype(np.float32)[..., None] / np.float32(255)
    upper = _rectified(second, _rectified(first, _fold(x)))
    lower = _rectified(rest[0], _fold(upper))
    for layer, dilation in zip(rest[1:-2], DILATIONS, strict=True):
        lower = _rectified(layer, lower, dilation)
    joined = np.concatenate([upper, _unfold(lower)], axis=2)
    logits = _unfold(_convolved(rest[-1], _rectified(rest[-2], joined)))
    found: NDArray[np.float32] = np.reciprocal(1 + np.exp(-logits[ROOM : ROOM + h, ROOM : ROOM + w, 0]))
    return found


def _rectified(layer: Layer, x: Maps, dilation: int = 1) -> Maps:
    found: Maps = np.maximum(_convolved(layer, x, dilation), 0)
    return found


def _convolved(layer: Layer, x: Maps, dilation: int = 1) -> Maps:
    """As large as before, with paper around: a product of matrices for each AT_ONCE pixels and what is around them."""
    (h, w, channels), (side, out) = x.shape, (len(layer.kernel), len(layer.bias))
    around = dilation * (side // 2)
    padded = np.zeros((h + 2 * around, w + 2 * around, channels), np.float32)  # np.pad takes a fifth of all time
    padded[around : around + h, around : around + w] = x
    down, across, along = padded.strides
    strides = down, across, dilation * down, dilation * across, along
    seen = np.lib.stride_tricks.as_strided(padded, (h, w, side, side, channels), strides, writeable=False)
    pixels = np.zeros((-(-h * w // AT_ONCE) * AT_ONCE, side * side * channels), np.float32)
    pixels[: h * w].reshape(seen.shape)[:] = seen
    found: Maps = pixels.reshape(-1, AT_ONCE, pixels.shape[1]) @ layer.kernel.reshape(-1, out) + layer.bias
    return found.reshape(-1, out)[: h * w].reshape(h, w, out)


def _fold(x: Maps) -> Maps:
    """Two by two pixels -> one with four times the channels."""
    h, w, channels = x.shape
    return x.reshape(h // 2, 2, w // 2, 2, channels).swapaxes(1, 2).reshape(h // 2, w // 2, 4 * channels)


def _unfold(x: Maps) -> Maps:
    """The reverse."""
    h, w, channels = x.shape
    return x.reshape(h, w, 2, 2, channels // 4).swapaxes(1, 2).reshape(2 * h, 2 * w, channels // 4)
