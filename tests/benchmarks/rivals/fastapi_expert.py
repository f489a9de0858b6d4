"""FastAPI and LiteRT, as an expert writes it, with a raw body: `python fastapi_expert.py MODEL.tflite PORT`."""

import io
import sys

import uvicorn
from fastapi import FastAPI, Request
from PIL import Image
from simple import Model

app = FastAPI()
model = Model(sys.argv[1])


@app.post("/predict")
async def predict(request: Request):
    return {"digit": model.digit(Image.open(io.BytesIO(await request.body())))}


uvicorn.run(app, port=int(sys.argv[2]), log_level="warning")
