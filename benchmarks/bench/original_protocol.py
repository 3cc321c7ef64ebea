"""What not to do: the way in which the tutorial that this service began as passes its messages, to compare with.

Pictures go through Redis as float32, 803 kB of base64 each, and both sides ask again and again whether there is
something. Read, written anew and kept here only to be measured.
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
    """Return the job as it stands in the queue."""
    return json.dumps({"id": job_id, "image": base64.b64encode(pixels.tobytes()).decode()})


def decode_job(text: bytes) -> tuple[str, Pixels]:
    """Return what `encode_job` was given."""
    job: dict[str, Any] = json.loads(text)
    return job["id"], np.frombuffer(base64.b64decode(job["image"]), np.float32).reshape(SHAPE)
