"""Asks the Gradio app through Gradio's own client: `python gradio_asks.py PORT PICTURE...`; a line of seconds each."""

import sys
import time

from gradio_client import Client, handle_file

client = Client(f"http://127.0.0.1:{sys.argv[1]}", verbose=False)
for picture in sys.argv[2:]:
    started = time.perf_counter()
    client.predict(handle_file(picture), api_name="/predict")
    print(time.perf_counter() - started, flush=True)
