"""The worker's end of the queue, with a real Redis: claims, results, and jobs that are dropped."""

import json
from collections.abc import Iterator
from dataclasses import replace

import pytest

from benchmarks.services import wait_until
from errors import ServiceUnavailable
from jobs.consumer import JobConsumer
from jobs.monitor import QueueMonitor
from jobs.observers import Drop, JobConsumerObserver
from jobs.protocol import JobResult, Keys, Prediction
from settings import Settings
from tests.conftest import Client, MakeSettings, heartbeat
from tests.support.fake_worker import new_job, submitted_job, unreachable
from tools.embedded_redis import embedded_redis


def test_the_time_in_the_queue_is_logged_when_it_is_known(
    settings: Settings, consumer: JobConsumer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    job = new_job(settings, "1")
    now = job.deadline - 30
    consumer.claim([replace(job, queued_at=queued_at) for queued_at in (now - 10, now + 10, None)])
    waited, ahead, unknown = (record.fields.get("queue_ms") for record in caplog.records)  # type: ignore[attr-defined]
    assert waited == pytest.approx(10_000, abs=2000)
    assert ahead == 0
    assert unknown is None


def test_a_job_is_claimed_until_its_deadline(
    settings: Settings, consumer: JobConsumer, keys: Keys, client: Client
) -> None:
    client.rpush(keys.queue, new_job(settings, "1", timeout_s=30).to_json())
    consumer.claim(consumer.take(1))
    assert client.get(keys.claim("1")) == "w1"
    assert 25_000 < client.pttl(keys.claim("1")) < 35_000


def test_an_expired_job_is_dropped(settings: Settings, consumer: JobConsumer, keys: Keys, client: Client) -> None:
    client.rpush(keys.queue, new_job(settings, "1", timeout_s=-1).to_json(), new_job(settings, "2").to_json())
    assert [claimed.id for claimed in consumer.claim(consumer.take(2))] == ["2"]
    assert not client.exists(keys.claim("1"))


def test_dropped_jobs_are_reported(settings: Settings, keys: Keys, client: Client) -> None:
    drops: list[Drop] = []

    class Observer(JobConsumerObserver):
        def dropped(self, reason: Drop) -> None:
            drops.append(reason)

    consumer = JobConsumer(settings, "w1", "m", Observer())
    client.rpush(keys.queue, "junk", new_job(settings, "1", timeout_s=-1).to_json(), new_job(settings, "2").to_json())
    consumer.claim(consumer.take(3))
    assert drops == [Drop.MALFORMED, Drop.EXPIRED]


@pytest.mark.parametrize(
    "changes",
    [
        {"image": "not base64!"},
        {"image": None},
        {"deadline": "soon"},
        {"attempt": None},
        {"attempt": []},
        {"attempt": 1e30},
        {"attempt": 0},
    ],
)
def test_a_malformed_job_with_an_id_is_answered_with_an_error(
    changes: dict[str, object], settings: Settings, consumer: JobConsumer, keys: Keys, client: Client
) -> None:
    fields = json.loads(new_job(settings, "bad").to_json()) | changes
    client.rpush(keys.queue, json.dumps(fields), new_job(settings, "good").to_json())
    assert [taken.id for taken in consumer.take(2)] == ["good"]
    result = JobResult.from_json(client.get(keys.result("bad")))
    assert "malformed" in str(result.error)


@pytest.mark.usefixtures("live_worker")
def test_a_picture_of_another_size_than_the_workers_is_worth_another_attempt(
    settings: Settings, make_settings: MakeSettings, keys: Keys, client: Client
) -> None:
    with submitted_job(settings) as future:
        wait_until(lambda: client.llen(keys.queue))
        assert JobConsumer(make_settings(image_width=160), "w1", "m").take(1) == []
        with pytest.raises(ServiceUnavailable, match="IMAGE_WIDTH") as refused:
            future.result()
    assert refused.value.retry_after_s == 1


@pytest.mark.parametrize("junk", ["", "junk", "[]", "17", "{}", '{"id": 5}', "[" * 100_000, "\x00\xff"])
def test_junk_without_an_id_is_dropped(
    junk: str, settings: Settings, consumer: JobConsumer, keys: Keys, client: Client
) -> None:
    client.rpush(keys.queue, junk, new_job(settings, "good").to_json())
    assert [taken.id for taken in consumer.take(2)] == ["good"]


def test_a_result_is_stored_and_published_and_its_claim_deleted(
    settings: Settings, consumer: JobConsumer, keys: Keys, client: Client
) -> None:
    client.set(keys.claim("1"), "w1")
    result = JobResult("1", "w1", "m", (Prediction("castle", 0.9),), inference_s=0.1, batch_size=1)
    with client.pubsub() as pubsub:
        pubsub.subscribe(keys.result("1"))
        consumer.publish([result])
        wait_until(lambda: (message := pubsub.get_message(timeout=1)) and message["type"] == "message")
    assert JobResult.from_json(client.get(keys.result("1"))) == result
    assert 0 < client.ttl(keys.result("1")) <= settings.result_ttl_s
    assert not client.exists(keys.claim("1"))


def test_jobs_are_processed_even_if_claiming_them_fails(
    settings: Settings, consumer: JobConsumer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consumer._connection, "send", unreachable)
    assert [claimed.id for claimed in consumer.claim([new_job(settings, "1")])] == ["1"]


class TestRedisOutOfMemory:
    """With a Redis server of their own."""

    @pytest.fixture
    def redis_url(self) -> Iterator[str]:
        with embedded_redis() as url:
            yield url

    def test_a_result_is_still_published_once_and_its_claim_deleted(
        self, consumer: JobConsumer, keys: Keys, client: Client
    ) -> None:
        client.set(keys.claim("1"), "w1")
        with client.pubsub() as pubsub:
            pubsub.subscribe(keys.result("1"))
            client.config_set("maxmemory", "1")
            consumer.publish([JobResult("1", "w1", "m")])
            wait_until(lambda: (message := pubsub.get_message(timeout=1)) and message["type"] == "message")
            assert client.publish(keys.result("1"), "the next message") == 1
            assert pubsub.get_message(timeout=10)["data"] == "the next message"
        assert not client.exists(keys.claim("1"), keys.result("1"))

    def test_workers_still_count_as_alive(self, settings: Settings, keys: Keys, client: Client) -> None:
        with heartbeat(settings):
            client.config_set("maxmemory", "1")
            before = client.zscore(keys.workers, "w1")
            wait_until(lambda: client.zscore(keys.workers, "w1") > before)
            assert [worker.name for worker in QueueMonitor(settings).workers()] == ["w1"]
