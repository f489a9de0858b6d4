"""FastAPI and keras.predict, as tutorials write it: `python fastapi_tutorial.py MODEL.keras PORT`."""

import io
import sys

import keras
import numpy as np
import uvicorn
from fastapi import FastAPI, File, UploadFile
from PIL import Image

app = FastAPI()
model = keras.models.load_model(sys.argv[1], compile=False)


@app.post("/predict")
async def predict(file: UploadFile = File(...)):  # noqa: B008 - FastAPI's way
    image = Image.open(io.BytesIO(await file.read())).convert("L").resize((28, 28))
    x = 255 - np.array(image, dtype="float32").reshape(1, 28, 28)
    return {"digit": int(model.predict(x)[0, :10].argmax())}


uvicorn.run(app, port=int(sys.argv[2]))
