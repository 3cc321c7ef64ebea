"""The cost of larger pictures: the castle in several sizes, with the costless network."""

from functools import partial
from typing import Any

from benchmarks.bench.closed_loop import Round
from benchmarks.bench.fleet_rounds import decode_ms, fleet_round
from benchmarks.bench.networks_measured import COSTLESS
from benchmarks.bench.part import Part, Step, as_dicts, castle_of
from benchmarks.bench.row import Row, at_least
from benchmarks.fleet import Fleet
from helpers import Crop
from pictures.decoding import DecodingOptions

# Of this size decoding must be so many times as fast as in full.
LARGE, LEAST_GAIN = (3840, 2400), 4
CLIENTS = (1, 8)


class SizesPart(Part):
    """Latency and throughput by the picture's size, and what scaled decoding gains."""

    name = "sizes"

    def steps(self) -> list[Step]:
        """Return one step for each size."""
        self._found: dict[str, dict[str, Any]] = {}
        self._rounds: list[Round] = []
        each = [
            Step(f"pictures of {width} x {height}", partial(self._run, width, height))
            for width, height in self.pace.sizes
        ]
        return [Step("starting the costless network", self._start), *each]

    def _start(self) -> None:
        # As for the networks that come with the service.
        self._fleet = self.start(Fleet, self.network(COSTLESS).settings | {"crop_mode": "center"})

    def _run(self, width: int, height: int) -> None:
        picture = castle_of((width, height))
        rounds = [fleet_round(self._fleet, picture, clients, self.pace) for clients in CLIENTS]
        self._rounds += rounds
        self._found[f"{width} x {height}"] = {
            "upload_kb": len(picture) / 1000,
            "decode_ms": decode_ms(picture, DecodingOptions.of(self._fleet.settings)),
            "full_decode_ms": decode_ms(
                picture, DecodingOptions.of(self._fleet.settings)._replace(crop=Crop("squash"))
            ),
            "rounds": as_dicts(rounds),
        }

    def rounds(self) -> list[Round]:
        """Return all rounds."""
        return self._rounds

    def rows(self) -> list[Row]:
        """Return what scaled decoding gains."""
        large = self._found["{} x {}".format(*LARGE)]
        what = "decoding {} x {} in full / as the service does".format(*LARGE)
        return [at_least(self.name, what, large["full_decode_ms"] / large["decode_ms"], LEAST_GAIN)]

    def details(self) -> dict[str, Any]:
        """Return the measurements of each size."""
        return self._found
