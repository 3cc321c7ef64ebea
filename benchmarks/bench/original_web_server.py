"""Emulates the original web server, which polls Redis for the result every quarter of a second."""

import io
import json
import time
import uuid

import numpy as np
import redis
from flask import Flask, Response, jsonify, request
from PIL import Image

from benchmarks.bench.original_protocol import SHAPE, SLEEP_S, Pixels, encode_job
from settings import Settings, load_settings

# Means of blue, green and red in the network's training data.
CAFFE_MEANS = np.array([103.939, 116.779, 123.68], np.float32)


def create_app(settings: Settings, client: redis.Redis) -> Flask:
    """Build the app."""
    app = Flask(__name__)

    @app.get("/livez")
    def livez() -> Response:
        return jsonify(alive=True)

    @app.post("/predict")
    def predict() -> Response:
        pixels = _prepare(request.files["image"].read())
        job_id = str(uuid.uuid4())
        client.rpush(settings.image_queue, encode_job(job_id, pixels))
        while (answer := client.get(job_id)) is None:
            time.sleep(SLEEP_S)
        client.delete(job_id)
        return jsonify(success=True, predictions=json.loads(answer))

    return app


def _prepare(upload: bytes) -> Pixels:
    image = Image.open(io.BytesIO(upload)).convert("RGB").resize(SHAPE[1:3])
    prepared: Pixels = np.asarray(image, np.float32)[..., ::-1] - CAFFE_MEANS
    return prepared.reshape(SHAPE)


def main() -> None:
    """Serve with Flask's development server, one thread per request."""
    settings = load_settings()
    client = redis.Redis.from_url(settings.redis_url.get_secret_value())
    create_app(settings, client).run(settings.host, settings.port, threaded=True)


if __name__ == "__main__":
    main()
