"""The time from a worker's start until it is ready, when its network has already been exported."""

import statistics
import time
from typing import Any

from benchmarks.bench.closed_loop import Round
from benchmarks.bench.part import Part, Step
from benchmarks.bench.row import Row, at_most
from benchmarks.fleet import Fleet
from benchmarks.processes import has_loaded
from benchmarks.services import wait_until


class StartPart(Part):
    """Starts workers one after the other, while nothing else runs."""

    name = "start"

    def steps(self) -> list[Step]:
        """Return the starts; the first worker exports the network and does not count."""
        self._seconds: list[float] = []
        self._tensorflow: list[bool] = []
        return [
            Step("a first worker", self._start),
            *[Step("a worker's start", self._start_worker)] * self.pace.starts,
        ]

    def _start(self) -> None:
        self._fleet = self.start(Fleet, self.network(self.pace.network).settings)

    def _start_worker(self) -> None:
        self._fleet.kill(self._fleet.workers[0])
        began = time.perf_counter()
        self._fleet.start_worker()
        worker = self._fleet.workers[0]
        wait_until(worker.has_started)
        self._seconds.append(time.perf_counter() - began)
        self._tensorflow.append(has_loaded(worker.process.popen.pid, "/libtensorflow_"))

    def rounds(self) -> list[Round]:
        """Return none."""
        return []

    def rows(self) -> list[Row]:
        """Return the time, and whether TensorFlow was loaded."""
        return [
            at_most(self.name, "a worker's start, from exec to ready", statistics.median(self._seconds), 5, "s"),
            at_most(self.name, "workers with TensorFlow in their memory (/proc/PID/maps)", sum(self._tensorflow), 0),
        ]

    def details(self) -> dict[str, Any]:
        """Return each start."""
        return {"seconds": self._seconds, "with_tensorflow": self._tensorflow}
