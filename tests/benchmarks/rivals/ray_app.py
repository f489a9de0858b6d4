"""Ray Serve with the same weights in LiteRT: `python ray_app.py MODEL.tflite PORT`."""

import io
import sys

import ray
from PIL import Image
from ray import serve
from simple import Model
from starlette.responses import JSONResponse


@serve.deployment
class Digits:
    def __init__(self, path):
        self.model = Model(path)

    async def __call__(self, request):
        digit = self.model.digit(Image.open(io.BytesIO(await request.body())))
        return JSONResponse({"digit": digit})  # which has a length; a bare dictionary comes in chunks


ray.init(num_cpus=2, object_store_memory=100_000_000, include_dashboard=False, log_to_driver=False)
serve.start(http_options={"host": "127.0.0.1", "port": int(sys.argv[2])})
serve.run(Digits.bind(sys.argv[1]), route_prefix="/predict", blocking=True)
