"""How long the benchmark takes for each of its measurements."""

from dataclasses import dataclass

from benchmarks.bench.networks_measured import COSTLESS, RESNET50


@dataclass(frozen=True)
class Pace:
    """How often and how long.

    Attributes:
        network: the one that is measured as ResNet50, which a test replaces by one that costs nothing.
        rounds: how often each side is measured, in turn, as other programs disturb one and the same machine unevenly.
        rounds_against_original: the same, for the comparison with the original, whose figures lie far from ours.
        seconds: how long one round is.
        warm_up_s: how long before each round requests are sent that do not count.
        more_clients: numbers of clients that are measured besides 1, 8 and 32, for the plot.
        counted_requests: after how many requests Redis is asked what they have cost.
        counted_requests_of_original: the same; each of these takes half a second.
        starts: how often a worker is started.
        workers: how many workers there are in turn.
        sleep_s: how long one of them sleeps for a picture, and how often.
        sleeps: how many pictures each one gets.
    """

    network: str = RESNET50
    rounds: int = 4
    rounds_against_original: int = 2
    seconds: float = 5.0
    warm_up_s: float = 0.7
    more_clients: tuple[int, ...] = (2, 4, 16, 64)
    counted_requests: int = 200
    counted_requests_of_original: int = 10
    starts: int = 3
    workers: tuple[int, ...] = (1, 2, 4, 8, 16)
    sleep_s: float = 0.5
    sleeps: int = 20


FULL = Pace()
QUICK = Pace(rounds=2, rounds_against_original=1, seconds=2, more_clients=(), starts=1, sleeps=8)
SMOKE = Pace(
    network=COSTLESS,
    rounds=1,
    rounds_against_original=1,
    seconds=0.5,
    warm_up_s=0.1,
    more_clients=(),
    counted_requests=5,
    counted_requests_of_original=2,
    starts=1,
    workers=(1, 2),
    sleep_s=0.1,
    sleeps=2,
)
