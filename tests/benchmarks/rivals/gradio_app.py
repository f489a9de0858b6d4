"""Gradio: a picture in, a label out, with the same weights in LiteRT: `python gradio_app.py MODEL.tflite PORT`."""

import sys
import threading

import gradio as gr
from simple import Model

model = Model(sys.argv[1])
lock = threading.Lock()  # Gradio calls from several threads, LiteRT takes one


def predict(image):
    with lock:
        return {str(model.digit(image)): 1.0}


demo = gr.Interface(
    predict, gr.Image(type="pil", image_mode="L"), gr.Label(), api_name="predict", flagging_mode="never"
)
demo.queue(default_concurrency_limit=8).launch(server_name="127.0.0.1", server_port=int(sys.argv[2]), quiet=True)
