"""The cost of the service itself, measured with a network that takes almost no time."""

from dataclasses import asdict
from functools import partial
from statistics import median
from typing import Any

from benchmarks.bench.closed_loop import Round
from benchmarks.bench.fleet_rounds import (
    decode_ms,
    fleet_round,
    median_cpu_ms,
    median_latency_ms,
    one_request_ms,
    ping_ms,
    redis_cost,
)
from benchmarks.bench.networks_measured import COSTLESS
from benchmarks.bench.part import Part, Step, as_dicts
from benchmarks.bench.row import Row, at_most
from benchmarks.fleet import Fleet
from pictures.decoding import DecodingOptions


class CostlessPart(Part):
    """Processor time, minimum latency, and the cost of a request in Redis."""

    name = "costless"

    def steps(self) -> list[Step]:
        """Return rounds with one client and with many, in turn."""
        self._rounds: list[Round] = []
        self._decode_ms: list[float] = []
        turns = [
            Step(
                "decoding",
                lambda: self._decode_ms.append(decode_ms(self.castle, DecodingOptions.of(self._fleet.settings))),
            ),
            Step("costless network, 1 client", partial(self._run, 1)),
            Step("costless network, 32 clients", partial(self._run, 32)),
        ]
        return [
            Step("starting the costless network", self._start),
            *(turns * self.pace.rounds),
            Step("what Redis does and takes", self._count),
        ]

    def _start(self) -> None:
        self._fleet = self.start(Fleet, self.network(COSTLESS).settings)

    def _run(self, clients: int) -> None:
        self._rounds.append(fleet_round(self._fleet, self.castle, clients, self.pace))

    def _count(self) -> None:
        self._ping_ms = ping_ms(self._fleet)
        self._redis_cost = redis_cost(self._fleet, self.castle, self.pace.counted_requests)

    def rounds(self) -> list[Round]:
        """Return all rounds."""
        return self._rounds

    def rows(self) -> list[Row]:
        """Return processor time, latency and the cost in Redis."""
        cost = self._redis_cost
        added_ms = median_latency_ms(self._rounds) - median(self._decode_ms)
        all_commands = sum(cost.commands.values())
        return [
            at_most(
                self.name,
                "costless network, processor time of a request at 32 clients - decoding",
                median_cpu_ms(self._rounds, 32) - median(self._decode_ms),
                1.5,
                "ms",
            ),
            at_most(self.name, "costless network, latency at 1 client - decoding", added_ms, 3, "ms"),
            at_most(self.name, "sent to Redis for a picture (INFO, net input)", cost.bytes_in / 1000, 205, "KB"),
            at_most(self.name, f"commands that poll, of the {all_commands:.1f} of a request", cost.polls, 0),
        ]

    def details(self) -> dict[str, Any]:
        """Return all rounds, and the counts and times of Redis."""
        cost = asdict(self._redis_cost)
        return {
            "decode_ms": median(self._decode_ms),
            "one_request_ms": one_request_ms(self._rounds),
            "ping_ms": self._ping_ms,
            "redis_cost": cost,
            "rounds": as_dicts(self._rounds),
        }
