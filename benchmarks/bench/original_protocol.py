"""The message protocol of the tutorial on which this service is based, for comparison; an example of what not to do.

Pictures pass through Redis as float32, 803 kB of base64 each, and both sides poll. This is our own emulation, used only
by the benchmark.
"""

import base64
import json
from typing import Any

import numpy as np
import numpy.typing as npt

SLEEP_S = 0.25
BATCH = 32
SHAPE = (1, 224, 224, 3)

Pixels = npt.NDArray[np.float32]


def encode_job(job_id: str, pixels: Pixels) -> str:
    """Return a job as it is queued."""
    return json.dumps({"id": job_id, "image": base64.b64encode(pixels.tobytes()).decode()})


def decode_job(text: bytes) -> tuple[str, Pixels]:
    """Return the ID and pixels of a queued job."""
    job: dict[str, Any] = json.loads(text)
    return job["id"], np.frombuffer(base64.b64decode(job["image"]), np.float32).reshape(SHAPE)
