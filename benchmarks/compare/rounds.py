"""Rounds of all contenders in turn, since a machine is not equally fast all the time."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.bench.bare_network import BareNetwork
from benchmarks.bench.closed_loop import TIMEOUT_S, NoAnswer, measure_for
from benchmarks.bench.fleet_rounds import decode_ms
from benchmarks.bench.networks_measured import RESNET50, measured_network
from benchmarks.bench.part import Step
from benchmarks.compare.body_sender import BodySender
from benchmarks.compare.cases import CASTLE_NAME, Case
from benchmarks.compare.contender import Contender, NotStarted
from helpers import Crop
from pictures.decoding import DecodingOptions

WARM_UP_S = 1.0
STREAMS = (1, 2)


class Rounds:
    """All rounds; each contender runs alone, for the loads of a case, and is then stopped.

    Args:
        contenders: the services.
        cases: what each of them gets.
        pictures: by name.
        seconds: of a load, without its warm-up.
        cache: where networks are kept between runs.
        scratch: for logs.

    Attributes:
        served: of each load, with the contender's name and the processor time of a request in ms.
        bare: what the network and the decoding need alone, to be compared with what is served.
        failed: why contenders could not be measured.
    """

    def __init__(
        self,
        contenders: Sequence[type[Contender]],
        cases: Sequence[Case],
        pictures: dict[str, bytes],
        seconds: float,
        cache: Path,
        scratch: Path,
    ) -> None:
        self._contenders = contenders
        self._cases = cases
        self._pictures = pictures
        self._seconds = seconds
        self._cache = cache
        self._scratch = scratch
        self.served: list[dict[str, Any]] = []
        self.bare: list[dict[str, Any]] = []
        self.failed: list[str] = []

    def steps(self, rounds: int) -> list[Step]:
        """Return what is to be done, in turn."""
        return [step for _ in range(rounds) for case in self._cases for step in self._turn(case)]

    def _turn(self, case: Case) -> Iterator[Step]:
        if case.network == RESNET50:
            yield Step(f"{case.network} alone, {case.precision}", partial(self._measure_bare, case))
        for kind in self._contenders:
            yield Step(f"{kind.name}, {case.network}, {case.precision}", partial(self._measure, kind, case))

    def _measure_bare(self, case: Case) -> None:
        network = measured_network(case.network, self._cache)
        best = 0.0
        for streams in STREAMS:
            with BareNetwork(network.exported(), streams, case.precision) as bare:
                best = max(best, bare.measure(self._seconds)["images_per_s"])
        options = DecodingOptions.of(network.loaded_settings())._replace(crop=Crop("center"))
        castle_ms = decode_ms(self._pictures[CASTLE_NAME], options)
        self.bare.append({"precision": case.precision, "images_per_s": best, "decode_ms": castle_ms})

    def _measure(self, kind: type[Contender], case: Case) -> None:
        network = measured_network(case.network, self._cache)
        try:
            with kind(network, case.precision, self._pictures[CASTLE_NAME], self._scratch) as contender:
                for picture, clients in case.loads:
                    self._load(contender, case, picture, clients)
        except (NotStarted, TimeoutError) as error:
            self.failed.append(f"{kind.name}, {case.network}, {case.precision}: {error}")

    def _load(self, contender: Contender, case: Case, picture: str, clients: int) -> None:
        before_s = contender.cpu_seconds()
        sender = BodySender(contender.url, self._pictures[picture], TIMEOUT_S)
        where = {"contender": contender.name, "network": case.network, "precision": case.precision, "picture": picture}
        try:
            measured = measure_for(sender, clients, self._seconds, WARM_UP_S)
        except NoAnswer as error:
            self.failed.append(f"{contender.name}, {picture}: {error}")
            return
        cpu_ms = (contender.cpu_seconds() - before_s) / measured.answered * 1000
        self.served.append(where | asdict(measured) | {"cpu_ms": cpu_ms})
