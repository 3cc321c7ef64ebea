"""The number and length of the benchmark's rounds."""

from dataclasses import dataclass

from benchmarks.bench.networks_measured import COSTLESS, RESNET50


@dataclass(frozen=True)
class Pace:
    """The number and length of rounds.

    Attributes:
        network: measured as ResNet50; a test replaces it by the costless one.
        rounds: of each side. The sides take turns, since other programs disturb the machine unevenly.
        few_rounds: the same, for more clients and for the original.
        seconds: the measured window of one round.
        warm_up_s: how long requests are sent before that window.
        more_clients: numbers of clients besides 1, 8 and 32, for the plot.
        counted_requests: the number of requests whose cost in Redis is counted.
        counted_requests_of_original: the same for the original, where each takes half a second.
        compared_requests: the number of requests that the service and the original get from 32 clients. The original
            answers up to 32 at once and then none for seconds, so the time of all of them is measured.
        starts: of a worker.
        workers: the numbers of workers that are measured in turn.
        sleep_s: how long the sleeping network takes for a picture.
        sleeps: the number of pictures per worker.
        sizes: width and height of the pictures whose decoding is measured.
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
    sizes: tuple[tuple[int, int], ...] = ((64, 48), (640, 480), (1920, 1080), (3840, 2400), (8000, 6250))


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
    sizes=((3840, 2400),),
)
