"""Emulates the original worker, a loop: read the list, predict, trim the list, sleep a quarter of a second."""

import json
import time
from typing import Any, cast

import numpy as np
import redis

from benchmarks.bench.original_protocol import BATCH, SLEEP_S, Pixels, decode_job
from logger import configure_logging, log
from settings import Settings, load_settings

TOP_CLASSES = 5


def main() -> None:
    """Serve until the process is terminated."""
    settings = load_settings()
    configure_logging("original", settings.log_format, settings.log_level)
    import keras

    model = keras.models.load_model(settings.model, compile=False)
    log("worker_started")
    serve(settings, redis.Redis.from_url(settings.redis_url.get_secret_value()), model)


def serve(settings: Settings, client: redis.Redis, model: Any) -> None:
    """Process what is in the list; two workers would process the same jobs."""
    while True:
        queued = cast(list[bytes], client.lrange(settings.image_queue, 0, BATCH - 1))
        jobs = [decode_job(text) for text in queued]
        if jobs:
            probabilities = model.predict(np.vstack([pixels for _, pixels in jobs]), verbose=0)
            for (job_id, _), each in zip(jobs, probabilities, strict=True):
                client.set(job_id, json.dumps(_top(each)))
            client.ltrim(settings.image_queue, len(jobs), -1)
        time.sleep(SLEEP_S)


def _top(probabilities: Pixels) -> list[dict[str, object]]:
    best = np.argsort(probabilities)[::-1][:TOP_CLASSES]
    return [{"label": f"class_{index}", "probability": float(probabilities[index])} for index in best]


if __name__ == "__main__":
    main()
