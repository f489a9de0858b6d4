"""Training's speed: our input pipeline in front of the network, against Keras fitting the same network to an array."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from tests.benchmarks.race import spread


def learning(*, quick: bool) -> dict[str, Any]:
    """Pictures a second of the bare fit, of training.train's batches, and of the pipeline alone, in turns."""
    import keras

    from training.data.datasets import Dataset
    from training.models import build_model
    from training.train import BATCH, batches, compile_model

    steps, rounds = (20, 1) if quick else (60, 5)
    rng = np.random.default_rng(0)
    n = steps * BATCH
    x, y = rng.integers(0, 256, (n, 28, 28), dtype=np.uint8), rng.integers(0, 10, n)
    labels = tuple("0123456789")
    wanted = keras.utils.to_categorical(y, 11)
    ours = batches(Dataset(x, y, np.zeros(n, np.int8), np.full(n, "pen"), np.arange(n), labels=labels), wanted, 1)
    bare = (x.astype(np.float32), wanted)
    model = build_model("convnet", 10)
    compile_model(model, steps * rounds * 2)
    model.fit(*bare, BATCH, steps_per_epoch=2, verbose=0)
    model.fit(ours, steps_per_epoch=2, verbose=0)
    rates: dict[str, list[float]] = {"bare fit": [], "training.train": [], "pipeline alone": []}
    for _ in range(rounds):
        rates["bare fit"].append(_rate(n, lambda: model.fit(*bare, BATCH, verbose=0)))
        rates["training.train"].append(_rate(n, lambda: model.fit(ours, steps_per_epoch=steps, verbose=0)))
        rates["pipeline alone"].append(_rate(n, lambda: [None for _ in ours.take(steps)]))
    result: dict[str, Any] = {name: spread(values) for name, values in rates.items()}
    ratio = result["training.train"]["median"] / result["bare fit"]["median"]
    return result | {"ours_over_bare": round(ratio, 3)}


def _rate(pictures: int, work: Any) -> float:
    started = time.perf_counter()
    work()
    return pictures / (time.perf_counter() - started)
