"""Throughput as workers are added, with a network that sleeps instead of computing."""

import os
from functools import partial
from itertools import pairwise
from typing import Any

from benchmarks.bench.closed_loop import Round, send_so_many
from benchmarks.bench.part import Part, Step, as_dicts
from benchmarks.bench.row import Row, at_least
from benchmarks.bench.sleeping_worker import SLEEP_VARIABLE
from benchmarks.fleet import Fleet

# So that a worker that finishes a picture finds the next one waiting.
CLIENTS_PER_WORKER = 2


class SleepingFleet(Fleet):
    """The real web server with sleeping workers."""

    WORKER = ("-m", "benchmarks.bench.sleeping_worker")


class ScalingPart(Part):
    """Compares the throughput of many workers with a linear increase."""

    name = "scaling"

    def steps(self) -> list[Step]:
        """Return one round for each number of workers."""
        self._rounds: dict[int, Round] = {}
        numbers = self.pace.workers
        more = [(number, number - before) for before, number in pairwise((numbers[0], *numbers))]
        return [
            Step("starting a sleeping worker", self._start),
            *(Step(f"{number} workers", partial(self._run, number, added)) for number, added in more),
        ]

    def _start(self) -> None:
        os.environ[SLEEP_VARIABLE] = str(self.pace.sleep_s)
        self._fleet = self.start(SleepingFleet, {}, self.pace.workers[0])

    def _run(self, workers: int, added: int) -> None:
        self._fleet.add_workers(added)
        url = self._fleet.urls()[0]
        clients = CLIENTS_PER_WORKER * workers
        self._rounds[workers] = send_so_many(url, self.castle, clients, workers * self.pace.sleeps)

    def rounds(self) -> list[Round]:
        """Return all rounds."""
        return list(self._rounds.values())

    def rows(self) -> list[Row]:
        """Return the smallest share of linear throughput."""
        worst, workers = min((share, workers) for workers, share in self._shares().items())
        what = f"images/s of {self.pace.workers[-1]} workers or fewer / linear (the least, at {workers})"
        return [at_least(self.name, what, worst, 0.95)]

    def _shares(self) -> dict[int, float]:
        """Return the share of linear throughput that each number of workers reached."""
        first = self.pace.workers[0]
        one = self._rounds[first].images_per_s / first
        return {workers: each.images_per_s / workers / one for workers, each in self._rounds.items()}

    def details(self) -> dict[str, Any]:
        """Return throughput and share of linear for each number of workers."""
        rounds = as_dicts(self.rounds())
        return {
            "sleep_s": self.pace.sleep_s,
            "share_of_linear": self._shares(),
            "rounds": rounds,
            "images_per_s": {workers: each.images_per_s for workers, each in self._rounds.items()},
        }
