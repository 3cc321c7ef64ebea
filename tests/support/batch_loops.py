"""The batch loops of one worker, with a real Redis and a network that a test holds."""

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any, cast

from inference.classifier import Classifier
from jobs.clock import RedisClock
from jobs.connection import connect
from jobs.consumer import JobConsumer
from jobs.protocol import Job, Keys, Prediction
from settings import Settings
from tests.conftest import Client
from worker.batch_loop import BatchLoop
from worker.shared_lock import SharedLock

LANES = 4
# Settings for pictures whose one pixel is their name.
ONE_PIXEL = {"image_width": 1, "image_height": 1}


class HeldNetwork:
    """Keeps every picture until the test lets go of it, and remembers which were computed together.

    A picture's first byte is its name.

    Args:
        batch_size: how many pictures it takes at once.
        poison: pictures on which it fails.
        streams: how many of its batches have cores of their own.
    """

    model, precision, fingerprint = "m", "float32", "f"

    def __init__(self, batch_size: int = 1, poison: frozenset[int] = frozenset(), streams: int = 1) -> None:
        self.batch_size = batch_size
        self.engine = SimpleNamespace(name="e", concurrency=streams, streams=streams)
        self.inside: set[int] = set()
        self.together: list[set[int]] = []
        self._poison = poison
        self._changed = threading.Condition()
        self._released: set[int] = set()

    def predict(self, images: Sequence[bytes]) -> list[tuple[Prediction, ...]]:
        names = {image[0] for image in images}
        with self._changed:
            self.inside |= names
            self.together.append(set(self.inside))
            assert self._changed.wait_for(lambda: names <= self._released, timeout=30)
            self.inside -= names
        if names & self._poison:
            raise ValueError("the network fails")
        return [(Prediction(f"label of {image[0]}", 1.0),) for image in images]

    def release(self, *names: int) -> None:
        with self._changed:
            self._released.update(names)
            self._changed.notify_all()


@contextmanager
def lanes(
    settings: Settings, network: HeldNetwork | Classifier, count: int = LANES, **parts: Any
) -> Iterator[SharedLock]:
    """Run the batch loops of a worker, and yield their lock."""
    stop, lock = threading.Event(), SharedLock(count)
    loops = [
        BatchLoop(
            settings,
            "w1",
            cast(Classifier, network),
            parts.get("consumer") or JobConsumer(settings, "w1", "m"),
            parts.get("progress") or (lambda **_: None),
            lock,
            parts.get("observers") or [],
        )
        for _ in range(count)
    ]
    with ThreadPoolExecutor(count) as pool:
        running = [pool.submit(loop.run, stop) for loop in loops]
        try:
            yield lock
        finally:
            stop.set()
            if isinstance(network, HeldNetwork):
                network.release(*range(256))
    for loop in running:
        loop.result()


def push(settings: Settings, client: Client, name: int, attempt: int = 1, timeout_s: float = 30) -> None:
    """Queue a picture of one pixel, as a web server does."""
    deadline = RedisClock(connect(settings)).now() + timeout_s
    client.rpush(Keys(settings).queue, Job(f"{name}", bytes([name] * 3), deadline, attempt).to_json())
