"""The real worker with a slow engine that crashes on one picture; tests start it as a process."""

import os
import signal
import sys
import threading
from dataclasses import replace

from inference.classifier import Classifier, load_classifier
from inference.engine import Engine, Pixels, Probabilities
from settings import Settings
from worker.service import run_worker

DELAY_S = float(os.environ.get("TEST_DELAY_S", "0"))
# A picture in which all pixels have this value kills the worker; by default a white one. No picture has -1.
POISON = int(os.environ.get("TEST_POISON", "255"))


class FaultyEngine:
    """Waits DELAY_S before each batch, and kills the process on poison."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.name, self.shape = engine.name, engine.shape
        self.concurrency, self.streams = engine.concurrency, engine.streams

    def __call__(self, pixels: Pixels) -> Probabilities:
        threading.Event().wait(DELAY_S)
        if any((picture == POISON).all() for picture in pixels):
            os.kill(os.getpid(), signal.SIGKILL)
        return self._engine(pixels)

    def release_memory(self) -> None:
        self._engine.release_memory()


def load(settings: Settings) -> Classifier:
    classifier = load_classifier(settings)
    return replace(classifier, engine=FaultyEngine(classifier.engine))


if __name__ == "__main__":
    sys.exit(run_worker(load))
