"""The real worker around a network that is slow, and that one picture kills; started by tests as a process."""

import os
import signal
import sys
import threading
from collections.abc import Sequence

import run_model_server
from classifier import Classifier, load_classifier
from job_protocol import Prediction

DELAY_S = float(os.environ.get("TEST_DELAY_S", "0"))
# A picture all of this byte kills who looks at it.
POISON = b"\xff"


class FrailClassifier(Classifier):
    """Takes its time for a batch, and dies of poison."""

    def predict(self, images: Sequence[bytes]) -> list[tuple[Prediction, ...]]:
        threading.Event().wait(DELAY_S)
        if any(image.count(POISON) == len(image) for image in images):
            os.kill(os.getpid(), signal.SIGKILL)
        return super().predict(images)


if __name__ == "__main__":
    vars(run_model_server)["load_classifier"] = lambda settings: FrailClassifier(**vars(load_classifier(settings)))
    sys.exit(run_model_server.main())
