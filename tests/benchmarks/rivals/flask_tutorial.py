"""Flask and keras.predict on Flask's own server, as tutorials write it: `python flask_tutorial.py MODEL.keras PORT`."""

import sys

import keras
import numpy as np
from flask import Flask, jsonify, request
from PIL import Image

app = Flask(__name__)
model = keras.models.load_model(sys.argv[1], compile=False)


@app.post("/predict")
def predict():
    image = Image.open(request.files["file"]).convert("L").resize((28, 28))
    x = 255 - np.array(image, dtype="float32").reshape(1, 28, 28)
    return jsonify(digit=int(model.predict(x)[0, :10].argmax()))


app.run(port=int(sys.argv[2]))
