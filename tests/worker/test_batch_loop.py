"""The batch loops of one worker, with a real Redis and a network that a test holds."""

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, cast

import pytest
import redis

from benchmarks.services import wait_until
from inference.classifier import Classifier
from jobs.clock import RedisClock
from jobs.connection import connect
from jobs.consumer import JobConsumer
from jobs.protocol import Job, Keys, Prediction
from settings import Settings
from tests.conftest import Client, MakeSettings
from worker import batch_loop
from worker.batch_loop import BatchLoop
from worker.shared_lock import SharedLock

LANES = 4


class HeldNetwork:
    """Keeps every picture until the test lets go of it, and remembers which were computed together.

    A picture's first byte is its name.
    """

    model, precision, fingerprint, batch_size = "m", "float32", "f", 1

    def __init__(self) -> None:
        self.inside: set[int] = set()
        self.together: list[set[int]] = []
        self._changed = threading.Condition()
        self._released: set[int] = set()

    def predict(self, images: Sequence[bytes]) -> list[tuple[Prediction, ...]]:
        name = images[0][0]
        with self._changed:
            self.inside.add(name)
            self.together.append(set(self.inside))
            assert self._changed.wait_for(lambda: name in self._released, timeout=30)
            self.inside.remove(name)
        return [(Prediction("label", 1.0),)]

    def release(self, *names: int) -> None:
        with self._changed:
            self._released.update(names)
            self._changed.notify_all()


@pytest.fixture
def settings(make_settings: MakeSettings) -> Settings:
    return make_settings(image_width=1, image_height=1)


@contextmanager
def lanes(settings: Settings, network: HeldNetwork, count: int = LANES, **parts: Any) -> Iterator[list[BatchLoop]]:
    """Run the batch loops of a worker."""
    stop, lock = threading.Event(), SharedLock(count)
    loops = [
        BatchLoop(
            settings,
            "w1",
            cast(Classifier, network),
            parts.get("consumer") or JobConsumer(settings, "w1", "m"),
            parts.get("progress") or (lambda **_: None),
            lock,
            [],
        )
        for _ in range(count)
    ]
    with ThreadPoolExecutor(count) as pool:
        running = [pool.submit(loop.run, stop) for loop in loops]
        try:
            yield loops
        finally:
            stop.set()
            network.release(*range(256))
    for loop in running:
        loop.result()


def push(settings: Settings, client: Client, name: int, attempt: int = 1) -> None:
    deadline = RedisClock(connect(settings)).now() + settings.request_timeout_s
    client.rpush(Keys(settings).queue, Job(f"{name}", bytes([name] * 3), deadline, attempt).to_json())


@pytest.mark.parametrize("attempt", [2, 3])
def test_a_job_that_was_tried_before_is_computed_while_no_other_lane_computes(
    attempt: int, settings: Settings, client: Client, keys: Keys
) -> None:
    suspect, network = 9, HeldNetwork()
    with lanes(settings, network):
        push(settings, client, 1)
        push(settings, client, 2)
        wait_until(lambda: network.inside == {1, 2})
        push(settings, client, suspect, attempt)
        wait_until(lambda: client.llen(keys.queue) == 0)
        push(settings, client, 3)  # taken by the last lane, which has to wait behind the suspect
        wait_until(lambda: client.llen(keys.queue) == 0)
        network.release(1, 2)
        wait_until(lambda: network.inside == {suspect}, timeout_s=10)
        network.release(suspect)
        wait_until(lambda: network.inside == {3})
    assert [names for names in network.together if suspect in names] == [{suspect}]


def test_jobs_on_their_first_attempt_are_computed_together(settings: Settings, client: Client) -> None:
    network = HeldNetwork()
    with lanes(settings, network):
        for name in range(LANES):
            push(settings, client, name)
        wait_until(lambda: network.inside == set(range(LANES)), timeout_s=10)


def test_a_lane_that_cannot_publish_while_redis_is_away_makes_progress(
    settings: Settings, client: Client, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise the worker would count as stuck, and end with the results in hand."""
    monkeypatch.setattr(batch_loop, "RECONNECT_WAIT_S", 0.01)
    consumer, network = JobConsumer(settings, "w1", "m"), HeldNetwork()
    network.release(1)
    publish, failures, seen = consumer.publish, 5, []

    def fails_at_first(results: Any) -> None:
        seen.append(len(progress))
        if len(seen) <= failures:
            raise redis.ConnectionError("unreachable")
        publish(results)

    progress: list[object] = []
    monkeypatch.setattr(consumer, "publish", fails_at_first)
    push(settings, client, 1)
    with lanes(settings, network, count=1, consumer=consumer, progress=lambda **_: progress.append(_)):
        wait_until(lambda: client.exists(keys.result("1")))
    assert seen == sorted(set(seen))
    assert len(seen) == failures + 1
