"""What a picture costs each part of the service, as `python -m benchmarks.capacity_measure` has measured it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Costs:
    """The cost of one picture of the sample castle's size, 800 x 480; times are those of one processor core.

    Attributes:
        date: of the measurement.
        machine: on which it was made.
        web_ms: processor time in the web server, most of it for decoding, in ms.
        worker_ms: processor time in the worker without the network, in ms.
        redis_ms: processor time in Redis, in ms.
        redis_bytes_in: sent to Redis.
        redis_bytes_out: sent by Redis.
        redis_commands: executed by Redis, including those that scripts call.
        connections: to Redis, held by the web server while the request waits.
    """

    date: str
    machine: str
    web_ms: float
    worker_ms: float
    redis_ms: float
    redis_bytes_in: int
    redis_bytes_out: int
    redis_commands: float
    connections: float


MEASURED = Costs(
    date="2026-11-26",
    machine="2 cores of AMD EPYC, a virtual machine that others used at the same time",
    web_ms=12.62,
    worker_ms=2.34,
    redis_ms=0.78,
    redis_bytes_in=202_958,
    redis_bytes_out=201_715,
    redis_commands=16.4,
    connections=1.19,
)
# ResNet50 in bfloat16: 150 pictures/s on two cores of Sapphire Rapids, see docs/networks.md.
RESNET50_MS = 13.3
