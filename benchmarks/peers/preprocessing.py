"""Decodes a picture, and writes the answer; the same for all peers."""

import heapq
import io
from typing import Any

import numpy as np
from PIL import Image

SIDE = 224  # of what the network sees, in pixels
CROP = 0.875  # the share of the picture's shorter side that the network sees
TOP = 5  # classes in an answer

Array = np.ndarray[Any, np.dtype[Any]]


class NotAPicture(ValueError):
    """Pillow cannot read it."""


def decode(upload: bytes) -> Array:
    """Return the middle of a picture as (224, 224, 3) uint8 pixels.

    Raises:
        NotAPicture: Pillow cannot read it.
    """
    try:
        image = Image.open(io.BytesIO(upload)).convert("RGB")
    except Exception as error:  # Pillow's decoders raise almost anything
        raise NotAPicture("This is not a picture that can be read.") from error
    half = min(image.size) * CROP / 2
    x, y = image.width / 2, image.height / 2
    box = (x - half, y - half, x + half, y + half)
    return np.asarray(image.resize((SIDE, SIDE), Image.Resampling.BICUBIC, box))


def answer(probabilities: Array) -> dict[str, list[dict[str, Any]]]:
    """Return the likeliest classes of one picture, the likeliest first."""
    likeliest = heapq.nlargest(TOP, range(len(probabilities)), key=probabilities.__getitem__)
    return {"predictions": [{"label": f"class_{i}", "probability": float(probabilities[i])} for i in likeliest]}
