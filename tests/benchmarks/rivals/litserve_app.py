"""LitServe with the same weights in LiteRT: `python litserve_app.py MODEL.tflite PORT`."""

import base64
import io
import sys

import litserve as ls
from PIL import Image
from simple import Model


class Digits(ls.LitAPI):
    def setup(self, device):
        self.model = Model(sys.argv[1])

    def decode_request(self, request):
        return Image.open(io.BytesIO(base64.b64decode(request["image"])))

    def predict(self, image):
        return self.model.digit(image)

    def encode_response(self, digit):
        return {"digit": digit}


if __name__ == "__main__":
    server = ls.LitServer(Digits(), accelerator="cpu")
    server.run(host="127.0.0.1", port=int(sys.argv[2]), log_level="warning", generate_client_file=False)
