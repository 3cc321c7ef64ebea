"""The service compared with the original's protocol, with the same network on both sides."""

from dataclasses import asdict
from functools import partial
from typing import Any

from benchmarks.bench.closed_loop import Round, send_so_many
from benchmarks.bench.fleet_rounds import fleet_round, median_images_per_s, median_latency_ms, redis_cost
from benchmarks.bench.networks_measured import COSTLESS
from benchmarks.bench.part import Part, Step, as_dicts
from benchmarks.bench.row import Row, at_least, at_most
from benchmarks.fleet import Fleet

CLIENTS = 32


class OriginalFleet(Fleet):
    """The emulation of the original's web server and worker."""

    WEB_SERVER = ("-m", "benchmarks.bench.original_web_server")
    WORKER = ("-m", "benchmarks.bench.original_worker")


class OriginalPart(Part):
    """Throughput and latency of both, with the costless network."""

    name = "original"
    title = "costless network"

    def steps(self) -> list[Step]:
        """Return rounds of the service and of the original in turn."""
        self._rounds: dict[str, list[Round]] = {"service": [], "original": []}
        turns = [
            Step(f"{self.title}, {side}, {clients} clients", partial(run, side))
            for clients, run in ((1, self._run_one), (CLIENTS, self._run_many))
            for side in self._rounds
        ]
        return [
            Step(f"starting the original, {self.title}", self._start),
            *(turns * self.pace.few_rounds),
            Step("counting the original's commands", self._count),
        ]

    def network_name(self) -> str:
        """Return the network that both sides serve."""
        return COSTLESS

    def _start(self) -> None:
        values = self.network(self.network_name()).settings
        self._fleets = {"service": self.start(Fleet, values), "original": self.start(OriginalFleet, values)}
        for fleet in self._fleets.values():
            # TensorFlow compiles its graph for the first picture.
            send_so_many(fleet.urls()[0], self.castle, 1, 1)

    def _run_one(self, side: str) -> None:
        self._rounds[side].append(fleet_round(self._fleets[side], self.castle, 1, self.pace))

    def _run_many(self, side: str) -> None:
        url = self._fleets[side].urls()[0]
        # And for the first batch of this size.
        send_so_many(url, self.castle, CLIENTS, CLIENTS)
        self._rounds[side].append(send_so_many(url, self.castle, CLIENTS, self.pace.compared_requests))

    def _count(self) -> None:
        self._redis_cost = redis_cost(self._fleets["original"], self.castle, self.pace.counted_requests_of_original)

    def rounds(self) -> list[Round]:
        """Return the service's rounds."""
        return self._rounds["service"]

    def rows(self) -> list[Row]:
        """Return the ratios of throughput and latency."""
        service, original = self._rounds["service"], self._rounds["original"]
        faster = median_images_per_s(service, CLIENTS) / median_images_per_s(original, CLIENTS)
        share = median_latency_ms(service) / median_latency_ms(original)
        return [
            at_least(self.name, f"{self.title}, images/s at 32 clients / original's", faster, 2.5),
            at_most(self.name, f"{self.title}, latency at 1 client / original's", share, 1 / 7),
        ]

    def details(self) -> dict[str, Any]:
        """Return the rounds of both sides, and the original's cost in Redis."""
        rounds = {side: as_dicts(rounds) for side, rounds in self._rounds.items()}
        return {"rounds": rounds, "redis_cost": asdict(self._redis_cost)}


class OriginalResNet50Part(OriginalPart):
    """The same with ResNet50, where the network takes most of the time."""

    name = "original-resnet50"
    title = "ResNet50"

    def network_name(self) -> str:
        """Return the network that is measured as ResNet50."""
        return self.pace.network
