"""The simple way from a picture's bytes to the model's answer: Pillow decodes, NumPy crops, Lanczos scales, LiteRT.

What an expert writes who has read how MNIST was made: black ink on white is taken for granted. It is the floor that
everything is held against, and what the rivals that do not call keras.predict do.
"""

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from PIL import Image


def normalise(image):
    """Pillow image -> (1, 28, 28) float32."""
    ink = 255 - np.asarray(image.convert("L"))
    ys, xs = np.where(ink > 64)
    ink = ink[ys.min() : ys.max() + 1, xs.min() : xs.max() + 1]
    h, w = ink.shape
    size = (max(1, round(20 * w / max(h, w))), max(1, round(20 * h / max(h, w))))
    small = np.asarray(Image.fromarray(ink).resize(size, Image.Resampling.LANCZOS), np.float32)
    y, x = (small.sum(axis=k) @ np.arange(small.shape[1 - k]) / small.sum() for k in (1, 0))
    h, w = small.shape
    top, left = min(max(round(13.5 - y), 0), 28 - h), min(max(round(13.5 - x), 0), 28 - w)
    sheet = np.zeros((1, 28, 28), np.float32)
    sheet[0, top : top + h, left : left + w] = small
    return sheet


class Model:
    """LiteRT, one thread."""

    def __init__(self, path):
        self.interpreter = Interpreter(path, num_threads=1)
        self.interpreter.allocate_tensors()
        self.input = self.interpreter.get_input_details()[0]["index"]
        probabilities = next(out for out in self.interpreter.get_output_details() if out["shape"][-1] == 10)
        self.output = probabilities["index"]

    def digit(self, image):
        """Pillow image -> 0 to 9."""
        self.interpreter.set_tensor(self.input, normalise(image))
        self.interpreter.invoke()
        return int(self.interpreter.get_tensor(self.output).argmax())
