"""What a batch loop does when the network fails, and when Redis is away."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import redis

from benchmarks.services import wait_until
from inference.classifier import Classifier
from inference.engine import Pixels, Probabilities
from inference.precision import Precision
from jobs.consumer import JobConsumer
from jobs.protocol import Job, JobResult, Keys, Prediction
from settings import Settings
from tests.conftest import Client, MakeSettings
from tests.support.batch_loops import ONE_PIXEL, HeldNetwork, lanes, push
from tests.support.pretended_engine import PretendedEngine
from tools.embedded_redis import free_port
from worker import batch_loop


class DividingEngine(PretendedEngine):
    """Computes x / x, so it has no answer to a black picture."""

    def __call__(self, pixels: Pixels) -> Probabilities:
        means = pixels.mean(axis=(1, 2), dtype=np.float32)[:, :1]
        with np.errstate(invalid="ignore"):
            outputs: Probabilities = means / means
        return outputs


class Observer:
    """Remembers the ids of the batches that the network has classified, and of the jobs on which it has failed."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def inferred(self, batch: Sequence[Job], seconds: float) -> None:
        assert 0 < seconds < 10
        self.seen.append("inferred " + " ".join(job.id for job in batch))

    def failed(self, job: Job, seconds: float) -> None:
        assert 0 < seconds < 10
        self.seen.append(f"failed {job.id}")


def test_a_picture_on_which_the_network_fails_gets_an_error_and_the_other_of_its_batch_its_classes(
    settings: Settings, client: Client, keys: Keys
) -> None:
    network, observer = HeldNetwork(batch_size=2, poison=frozenset({2})), Observer()
    network.release(1, 2)
    for name in (1, 2):
        push(settings, client, name)
    with lanes(settings, network, count=1, observers=[observer]):
        wait_until(lambda: client.exists(keys.result("2")))
    other, failed = (JobResult.from_json(client.get(keys.result(name))) for name in "12")
    assert [(one.label, other.batch_size) for one in other.predictions] == [("label of 1", 1)]
    assert failed == JobResult("2", "w1", "m", error="The network failed on this picture.")
    assert observer.seen == ["inferred 1", "failed 2"]


def test_a_picture_to_which_the_network_gives_no_number_gets_an_error_and_the_other_of_its_batch_its_classes(
    settings: Settings, client: Client, keys: Keys
) -> None:
    classifier = Classifier(
        model="m",
        precision=Precision.FLOAT32,
        note="",
        fingerprint="f",
        labels=["one"],
        top_classes=1,
        batch_size=2,
        engine=DividingEngine(lambda size: 0),
    )
    for brightness in (0, 1):
        push(settings, client, brightness)
    with lanes(settings, classifier, count=1):
        wait_until(lambda: client.exists(keys.result("1")))
    failed, other = (JobResult.from_json(client.get(keys.result(name))) for name in "01")
    assert failed == JobResult("0", "w1", "m", error="The network failed on this picture.")
    assert other.predictions == (Prediction("one", 1, 0),)


def test_a_loop_makes_progress_before_each_picture_of_a_batch_that_is_repeated_one_by_one(
    settings: Settings, client: Client, keys: Keys
) -> None:
    """Otherwise a worker could count as stuck that is only slow."""
    network = HeldNetwork(batch_size=2, poison=frozenset({2}))
    predictions_at_progress: set[int] = set()
    network.release(1, 2)
    for name in (1, 2):
        push(settings, client, name)
    with lanes(settings, network, count=1, progress=lambda **_: predictions_at_progress.add(len(network.together))):
        wait_until(lambda: client.exists(keys.result("2")))
    assert network.together == [{1, 2}, {1}, {2}]
    assert predictions_at_progress >= {0, 1, 2}


def test_a_loop_whose_connection_was_closed_takes_jobs_on_a_new_one(
    settings: Settings, client: Client, keys: Keys, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(batch_loop, "RECONNECT_WAIT_S", 0.01)
    network = HeldNetwork()
    network.release(1)
    with lanes(settings, network, count=1):
        wait_until(
            lambda: client.client_kill_filter(_type="normal", skipme=True) and "redis_unavailable" in caplog.text
        )
        push(settings, client, 1)
        wait_until(lambda: client.exists(keys.result("1")), timeout_s=10)


def test_a_loop_without_redis_waits_before_it_tries_again_and_stops_at_once(
    make_settings: MakeSettings, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(batch_loop, "RECONNECT_WAIT_S", 60)
    away = make_settings(**ONE_PIXEL, redis_url=f"redis://127.0.0.1:{free_port()}/0")
    with lanes(away, HeldNetwork(), count=1):
        wait_until(lambda: "redis_unavailable" in caplog.text)
    assert caplog.text.count("redis_unavailable") == 1


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


class Unpublishable:
    """Makes a consumer fail to publish the results of one job, and counts how often that was tried."""

    def __init__(self, consumer: JobConsumer, job_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
        self.tries = 0
        self._job_id = job_id
        self._publish = consumer.publish
        monkeypatch.setattr(consumer, "publish", self)

    def __call__(self, results: Sequence[JobResult]) -> None:
        if results[0].id == self._job_id:
            self.tries += 1
            raise redis.ConnectionError("unreachable")
        self._publish(results)


def test_a_result_that_cannot_be_published_is_given_up_when_nobody_waits_for_it_any_more(
    make_settings: MakeSettings, client: Client, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch_loop, "RECONNECT_WAIT_S", 0.01)
    settings = make_settings(**ONE_PIXEL, request_timeout_s=1)
    consumer, network = JobConsumer(settings, "w1", "m"), HeldNetwork()
    unpublishable = Unpublishable(consumer, "1", monkeypatch)
    network.release(1, 2)
    push(settings, client, 1)
    push(settings, client, 2)
    with lanes(settings, network, count=1, consumer=consumer):
        wait_until(lambda: client.exists(keys.result("2")), timeout_s=10)
    assert unpublishable.tries > 1


def test_a_loop_that_cannot_publish_stops_at_once(
    settings: Settings, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch_loop, "RECONNECT_WAIT_S", 60)
    consumer, network = JobConsumer(settings, "w1", "m"), HeldNetwork()
    unpublishable = Unpublishable(consumer, "1", monkeypatch)
    network.release(1)
    push(settings, client, 1)
    with lanes(settings, network, count=1, consumer=consumer):
        wait_until(lambda: unpublishable.tries)
    assert unpublishable.tries == 1
