"""The real worker around a network that sleeps instead of computing, so that sixteen of them fit on two cores."""

import os
import sys
import time
from collections.abc import Sequence

import run_model_server
from job_protocol import Prediction

SLEEP_VARIABLE = "BENCHMARK_SLEEP_S"


class SleepingClassifier:
    """Stands in for a Classifier; takes its time for each picture."""

    model = "sleeping"
    engine = "none"
    batch_size = 1
    lanes = 1
    note = ""
    fingerprint = ""

    def predict(self, images: Sequence[bytes]) -> list[tuple[Prediction, ...]]:
        """Sleep, then say the same of all pictures."""
        time.sleep(float(os.environ[SLEEP_VARIABLE]) * len(images))
        return [(Prediction("asleep", 1.0),)] * len(images)


if __name__ == "__main__":
    vars(run_model_server)["load_classifier"] = lambda _settings: SleepingClassifier()
    sys.exit(run_model_server.main())
