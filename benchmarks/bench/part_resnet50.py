"""ResNet50 in the service compared with ResNet50 alone, on the same cores."""

import os
from functools import partial
from statistics import median
from typing import Any

from benchmarks.bench.bare_network import BareNetwork
from benchmarks.bench.closed_loop import Round
from benchmarks.bench.fleet_rounds import (
    decode_ms,
    fleet_round,
    median_images_per_s,
    median_latency_ms,
    one_request_ms,
)
from benchmarks.bench.part import Part, Step, as_dicts
from benchmarks.bench.row import Row, at_least, at_most
from benchmarks.fleet import Fleet
from benchmarks.processes import resident_mib
from benchmarks.services import wait_until
from pictures.decoding import DecodingOptions

CLIENTS = (1, 8, 32)
STREAMS = (1, 2)


class ResNet50Part(Part):
    """The throughput that the service keeps, and the latency and memory that it adds."""

    name = "resnet50"

    def steps(self) -> list[Step]:
        """Return rounds of the bare network and of the service in turn."""
        self._rounds: list[Round] = []
        self._bare: dict[int, list[dict[str, float]]] = {streams: [] for streams in STREAMS}
        self._decode_ms: list[float] = []
        turns = [
            *(Step(f"bare network, {streams} at once", partial(self._run_bare, streams)) for streams in STREAMS),
            Step(
                "decoding",
                lambda: self._decode_ms.append(decode_ms(self.castle, DecodingOptions.of(self._fleet.settings))),
            ),
            *self._served(CLIENTS),
        ]
        return [
            Step("starting ResNet50", self._start),
            *(turns * self.pace.rounds),
            *(self._served(self.pace.more_clients) * self.pace.few_rounds),
            Step("memory", self._measure_memory),
        ]

    def _served(self, numbers: tuple[int, ...]) -> list[Step]:
        return [Step(f"ResNet50, {clients} clients", partial(self._run_served, clients)) for clients in numbers]

    def _start(self) -> None:
        network = self.network(self.pace.network)
        self._fleet = self.start(Fleet, network.settings)
        # A worker that has exported the network keeps TensorFlow in memory, so a fresh one is measured.
        self._fleet.kill(self._fleet.workers[0])
        self._fleet.start_worker()
        wait_until(self._fleet.is_complete)
        self._processes = {
            streams: self.stack.enter_context(BareNetwork(network.exported(), streams)) for streams in STREAMS
        }

    def _run_bare(self, streams: int) -> None:
        self._bare[streams].append(self._processes[streams].measure(self.pace.seconds))

    def _run_served(self, clients: int) -> None:
        self._rounds.append(fleet_round(self._fleet, self.castle, clients, self.pace))

    def _measure_memory(self) -> None:
        self._bare_mib = {streams: resident_mib(process.pid) for streams, process in self._processes.items()}
        self._worker_mib = resident_mib(self._fleet.workers[0].process.popen.pid)

    def rounds(self) -> list[Round]:
        """Return all rounds."""
        return self._rounds

    def rows(self) -> list[Row]:
        """Return throughput, latency and memory."""
        # What nobody can avoid: the network, and decoding on all cores.
        alone_s = 1 / self._bare_images_per_s() + median(self._decode_ms) / 1000 / len(os.sched_getaffinity(0))
        added_ms = median_latency_ms(self._rounds) - median(self._decode_ms) - self._bare_latency_ms()
        return [
            *(
                at_least(
                    self.name,
                    f"ResNet50, images/s at {clients} clients / bare network and decoding",
                    median_images_per_s(self._rounds, clients) * alone_s,
                    0.92,
                )
                for clients in CLIENTS[1:]
            ),
            at_most(self.name, "ResNet50, latency at 1 client - decoding - bare network's best", added_ms, 3, "ms"),
            at_most(
                self.name, "worker's memory / bare script's memory", self._worker_mib / self._bare_mib[STREAMS[0]], 1.25
            ),
        ]

    def _bare_images_per_s(self) -> float:
        """Return the better throughput of one stream and of two."""
        return max(median(each["images_per_s"] for each in rounds) for rounds in self._bare.values())

    def _bare_latency_ms(self) -> float:
        return min(median(each["latency_ms"] for each in rounds) for rounds in self._bare.values())

    def details(self) -> dict[str, Any]:
        """Return all rounds, the memory, and where the time of a request goes."""
        return {
            "bare_images_per_s": self._bare_images_per_s(),
            "bare_latency_ms": self._bare_latency_ms(),
            "decode_ms": median(self._decode_ms),
            "one_request_ms": one_request_ms(self._rounds),
            "bare_rounds": self._bare,
            "rounds": as_dicts(self._rounds),
            "memory_mib": {"worker": self._worker_mib, "bare": self._bare_mib},
        }
