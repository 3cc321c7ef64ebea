"""The service against the original's protocol, with the same network on both sides."""

from dataclasses import asdict
from functools import partial
from typing import Any

from benchmarks.bench.closed_loop import Round, send_so_many
from benchmarks.bench.fleet_rounds import fleet_round, redis_cost, usual_images_per_s, usual_latency_ms
from benchmarks.bench.networks_measured import COSTLESS
from benchmarks.bench.part import Part, Step, as_dicts
from benchmarks.bench.row import Row, at_least, at_most
from benchmarks.fleet import Fleet

CLIENTS = 32


class OriginalFleet(Fleet):
    """The original's web server and worker, as emulated here."""

    WEB_SERVER = ("-m", "benchmarks.bench.original_web_server")
    WORKER = ("-m", "benchmarks.bench.original_worker")


class OriginalPart(Part):
    """Both sides take turns, with a network that costs nothing."""

    name = "original"
    title = "costless network"

    def steps(self) -> list[Step]:
        """The service and the original take turns."""
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
        """Return what both sides serve."""
        return COSTLESS

    def _start(self) -> None:
        values = self.network(self.network_name()).settings
        self._fleets = {"service": self.start(Fleet, values), "original": self.start(OriginalFleet, values)}
        for fleet in self._fleets.values():
            # With the first picture TensorFlow does what it does only once.
            send_so_many(f"{fleet.urls()[0]}/predict", self.castle, 1, 1)

    def _run_one(self, side: str) -> None:
        self._rounds[side].append(fleet_round(self._fleets[side], self.castle, 1, self.pace))

    def _run_many(self, side: str) -> None:
        url = f"{self._fleets[side].urls()[0]}/predict"
        # And with the first batch of this size.
        send_so_many(url, self.castle, CLIENTS, CLIENTS)
        self._rounds[side].append(send_so_many(url, self.castle, CLIENTS, self.pace.compared_requests))

    def _count(self) -> None:
        self._redis_cost = redis_cost(self._fleets["original"], self.castle, self.pace.counted_requests_of_original)

    def rounds(self) -> list[Round]:
        """Return all of them."""
        return self._rounds["service"]

    def rows(self) -> list[Row]:
        """Throughput and latency."""
        service, original = self._rounds["service"], self._rounds["original"]
        faster = usual_images_per_s(service, CLIENTS) / usual_images_per_s(original, CLIENTS)
        share = usual_latency_ms(service) / usual_latency_ms(original)
        return [
            at_least(self.name, f"{self.title}, images/s at 32 clients / original's", faster, 2.5),
            at_most(self.name, f"{self.title}, latency at 1 client / original's", share, 1 / 7),
        ]

    def details(self) -> dict[str, Any]:
        """All rounds of both sides, and what the original costs Redis."""
        rounds = {side: as_dicts(rounds) for side, rounds in self._rounds.items()}
        return {"rounds": rounds, "redis_cost": asdict(self._redis_cost)}


class OriginalResNet50Part(OriginalPart):
    """The same with ResNet50, where the network takes most of the time on both sides."""

    name = "original-resnet50"
    title = "ResNet50"

    def network_name(self) -> str:
        """Return what is measured as ResNet50."""
        return self.pace.network
