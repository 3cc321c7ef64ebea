"""How long the benchmark takes for each of its measurements."""

from dataclasses import dataclass

from benchmarks.bench.networks_measured import COSTLESS, RESNET50


@dataclass(frozen=True)
class Pace:
    """How often and how long.

    Attributes:
        network: the one that is measured as ResNet50, which a test replaces by one that costs nothing.
        rounds: how often each side is measured, in turn, as other programs disturb one and the same machine unevenly.
        few_rounds: the same, for more clients and for the original.
        seconds: how long one round is.
        warm_up_s: how long before each round requests are sent that do not count.
        more_clients: numbers of clients that are measured besides 1, 8 and 32, for the plot.
        counted_requests: after how many requests Redis is asked what they have cost.
        counted_requests_of_original: the same; each of these takes half a second.
        compared_requests: how many the service and the original get from 32 clients. The original answers up to 32 at
            once and then nothing for seconds, so it is their time that is measured.
        starts: how often a worker is started.
        workers: how many workers there are in turn.
        sleep_s: how long one of them sleeps for a picture, and how often.
        sleeps: how many pictures each one gets.
    """

    network: str = RESNET50
    rounds: int = 4
    few_rounds: int = 2
    seconds: float = 5.0
    warm_up_s: float = 0.7
    more_clients: tuple[int, ...] = (2, 4, 16, 64)
    counted_requests: int = 200
    counted_requests_of_original: int = 10
    compared_requests: int = 160
    starts: int = 3
    workers: tuple[int, ...] = (1, 2, 4, 8, 16)
    sleep_s: float = 0.5
    sleeps: int = 20


FULL = Pace()
QUICK = Pace(rounds=2, few_rounds=1, seconds=2, more_clients=(), compared_requests=96, starts=1, sleeps=8)
SMOKE = Pace(
    network=COSTLESS,
    rounds=1,
    few_rounds=1,
    seconds=0.5,
    warm_up_s=0.1,
    more_clients=(),
    counted_requests=5,
    counted_requests_of_original=2,
    compared_requests=32,
    starts=1,
    workers=(1, 2),
    sleep_s=0.1,
    sleeps=2,
)
