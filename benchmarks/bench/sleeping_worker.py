"""The real worker with a network that sleeps instead of computing, so that sixteen of them fit on two cores."""

import os
import sys
import time

import numpy as np

from helpers import ImageShape
from inference.classifier import Classifier
from inference.engine import Pixels, Probabilities
from inference.precision import Precision
from settings import Settings
from worker.service import run_worker

SLEEP_VARIABLE = "BENCHMARK_SLEEP_S"


class SleepingEngine:
    """Sleeps for each picture, and gives every one the same class."""

    name = "none"
    concurrency = streams = 1

    def __init__(self, shape: ImageShape) -> None:
        self.shape = shape

    def __call__(self, pixels: Pixels) -> Probabilities:
        """Sleep, then return the only class with probability 1."""
        time.sleep(float(os.environ[SLEEP_VARIABLE]) * len(pixels))
        return np.ones((len(pixels), 1), np.float32)

    def release_memory(self) -> None:
        """Do nothing."""


def load(settings: Settings) -> Classifier:
    """Return a classifier with the sleeping network."""
    engine = SleepingEngine(settings.image_shape)
    return Classifier(
        model="sleeping",
        precision=Precision.FLOAT32,
        note="",
        fingerprint="",
        top_classes=5,
        labels=["asleep"],
        batch_size=1,
        engine=engine,
    )


if __name__ == "__main__":
    sys.exit(run_worker(load))
