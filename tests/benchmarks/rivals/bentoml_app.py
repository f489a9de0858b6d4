"""BentoML with the same weights in LiteRT: `MODEL=model.tflite python -m bentoml serve bentoml_app:Digits`."""

import os

import bentoml
from PIL.Image import Image
from simple import Model


@bentoml.service
class Digits:
    def __init__(self):
        self.model = Model(os.environ["MODEL"])

    @bentoml.api
    def predict(self, file: Image) -> dict:
        return {"digit": self.model.digit(file)}
