"""The worker's end of the queue, with a real Redis."""

import json
import threading
from collections.abc import Iterator
from dataclasses import replace

import pytest
import redis

from benchmarks.services import wait_until
from jobs.clock import RedisClock
from jobs.connection import connect
from jobs.consumer import JobConsumer
from jobs.heartbeat import Heartbeat
from jobs.protocol import Job, JobResult, Keys, Prediction
from settings import Settings
from tests.conftest import INFO, PIXELS, Client, MakeSettings
from tools.embedded_redis import embedded_redis


@pytest.fixture
def consumer(settings: Settings) -> JobConsumer:
    return JobConsumer(settings, "w1", "m")


def job(settings: Settings, job_id: str, timeout_s: float = 30) -> Job:
    return Job(job_id, PIXELS, RedisClock(connect(settings)).now() + timeout_s)


def test_an_empty_queue_gives_an_empty_batch(consumer: JobConsumer) -> None:
    assert consumer.take(4) == []


def test_a_batch_has_the_oldest_jobs_and_at_most_the_requested_number(
    settings: Settings, consumer: JobConsumer, keys: Keys, client: Client
) -> None:
    for number in range(5):
        client.rpush(keys.queue, job(settings, str(number)).to_json())
    assert [taken.id for taken in consumer.take(3)] == ["0", "1", "2"]
    assert [taken.id for taken in consumer.take(3)] == ["3", "4"]


def test_two_workers_never_take_the_same_job(settings: Settings, keys: Keys, client: Client) -> None:
    ids = {f"{number}" for number in range(60)}
    client.rpush(keys.queue, *(job(settings, job_id).to_json() for job_id in ids))
    taken: list[str] = []

    def work(name: str) -> None:
        consumer = JobConsumer(settings, name, "m")
        while batch := consumer.take(4):
            taken.extend(job.id for job in batch)

    threads = [threading.Thread(target=work, args=(name,)) for name in ("w1", "w2")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(taken) == sorted(ids)


def test_a_partial_batch_waits_for_more_jobs_when_batch_wait_ms_is_set(
    make_settings: MakeSettings, keys: Keys, client: Client
) -> None:
    settings = make_settings(batch_wait_ms=1000)
    client.rpush(keys.queue, job(settings, "1").to_json())
    late = threading.Timer(0.2, lambda: client.rpush(keys.queue, job(settings, "2").to_json()))
    late.start()
    assert [taken.id for taken in JobConsumer(settings, "w1", "m").take(2)] == ["1", "2"]
    late.join()


def test_a_job_is_claimed_until_its_deadline(
    settings: Settings, consumer: JobConsumer, keys: Keys, client: Client
) -> None:
    client.rpush(keys.queue, job(settings, "1", timeout_s=30).to_json())
    consumer.claim(consumer.take(1))
    assert client.get(keys.claim("1")) == "w1"
    assert 25_000 < client.pttl(keys.claim("1")) < 35_000


def test_a_retried_job_is_a_batch_of_its_own(
    settings: Settings, consumer: JobConsumer, keys: Keys, client: Client
) -> None:
    retried = [replace(job(settings, name), attempt=2) for name in ("poison", "harmless")]
    client.rpush(keys.queue, *(one.to_json() for one in retried), job(settings, "1").to_json())
    assert [[taken.id for taken in consumer.take(4)] for _ in range(3)] == [["poison"], ["harmless"], ["1"]]


def test_retried_jobs_are_put_back_when_popped_with_others(
    settings: Settings, consumer: JobConsumer, keys: Keys, client: Client
) -> None:
    retried = [replace(job(settings, name), attempt=2) for name in ("2", "3")]
    client.rpush(keys.queue, job(settings, "1").to_json(), *(one.to_json() for one in retried))
    client.rpush(keys.queue, job(settings, "4").to_json())
    assert [taken.id for taken in consumer.take(4)] == ["1", "4"]
    assert [taken.id for taken in consumer.take(4)] == ["2"]


def test_an_expired_job_is_dropped(settings: Settings, consumer: JobConsumer, keys: Keys, client: Client) -> None:
    client.rpush(keys.queue, job(settings, "1", timeout_s=-1).to_json(), job(settings, "2").to_json())
    assert [claimed.id for claimed in consumer.claim(consumer.take(2))] == ["2"]
    assert not client.exists(keys.claim("1"))


@pytest.mark.parametrize(
    "changes",
    [
        {"image": "AAAA"},
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
    fields = json.loads(job(settings, "bad").to_json()) | changes
    client.rpush(keys.queue, json.dumps(fields), job(settings, "good").to_json())
    assert [taken.id for taken in consumer.take(2)] == ["good"]
    result = JobResult.from_json(client.get(keys.result("bad")))
    assert "malformed" in str(result.error)


@pytest.mark.parametrize("junk", ["", "junk", "[]", "17", "{}", '{"id": 5}', "[" * 100_000, "\x00\xff"])
def test_junk_without_an_id_is_dropped(
    junk: str, settings: Settings, consumer: JobConsumer, keys: Keys, client: Client
) -> None:
    client.rpush(keys.queue, junk, job(settings, "good").to_json())
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


def test_popped_jobs_are_kept_when_redis_fails_while_the_batch_is_filled(
    settings: Settings, consumer: JobConsumer, keys: Keys, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    client.rpush(keys.queue, job(settings, "1").to_json())
    call = consumer._connection.call
    monkeypatch.setattr(
        consumer._connection, "call", lambda *sent: unreachable() if sent[0][0] == "LPOP" else call(*sent)
    )
    assert [taken.id for taken in consumer.take(4)] == ["1"]


def test_jobs_are_processed_even_if_claiming_them_fails(
    settings: Settings, consumer: JobConsumer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consumer._connection, "send", unreachable)
    assert [claimed.id for claimed in consumer.claim([job(settings, "1")])] == ["1"]


def test_no_job_is_popped_while_redis_time_is_unknown(
    settings: Settings, consumer: JobConsumer, keys: Keys, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    client.rpush(keys.queue, job(settings, "1").to_json())
    monkeypatch.setattr(consumer._clock, "now", unreachable)
    with pytest.raises(redis.ConnectionError):
        consumer.take(1)
    assert client.llen(keys.queue) == 1


def unreachable(*_: object) -> None:
    raise redis.ConnectionError("unreachable")


def test_a_batch_of_one_needs_no_second_pop(
    settings: Settings, consumer: JobConsumer, keys: Keys, client: Client
) -> None:
    client.rpush(keys.queue, job(settings, "1").to_json())
    before = client.info("commandstats").get("cmdstat_lpop", {"calls": 0})["calls"]
    assert len(consumer.take(1)) == 1
    assert client.info("commandstats").get("cmdstat_lpop", {"calls": 0})["calls"] == before


class TestRedisOutOfMemory:
    """With a Redis server of their own."""

    @pytest.fixture
    def redis_url(self) -> Iterator[str]:
        with embedded_redis() as url:
            yield url

    def test_a_result_is_still_published_and_its_claim_deleted(
        self, consumer: JobConsumer, keys: Keys, client: Client
    ) -> None:
        client.set(keys.claim("1"), "w1")
        with client.pubsub() as pubsub:
            pubsub.subscribe(keys.result("1"))
            client.config_set("maxmemory", "1")
            consumer.publish([JobResult("1", "w1", "m")])
            wait_until(lambda: (message := pubsub.get_message(timeout=1)) and message["type"] == "message")
        assert not client.exists(keys.claim("1"), keys.result("1"))

    def test_heartbeats_are_still_sent(self, settings: Settings, keys: Keys, client: Client) -> None:
        with Heartbeat(settings, INFO, loops=1):
            wait_until(lambda: client.exists(keys.worker("w1")))
            client.config_set("maxmemory", "1")
            client.pexpire(keys.worker("w1"), 60_000)
            wait_until(lambda: 0 < client.pttl(keys.worker("w1")) <= settings.heartbeat_ttl_s * 1000)
