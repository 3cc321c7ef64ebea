"""Which jobs a worker takes together, with a real Redis."""

import threading
from dataclasses import replace
from typing import Any

import pytest
import redis

from jobs.consumer import JobConsumer
from jobs.protocol import Keys
from settings import Settings
from tests.conftest import Client, MakeSettings
from tests.support.fake_worker import new_job, unreachable


def test_an_empty_queue_gives_an_empty_batch(consumer: JobConsumer) -> None:
    assert consumer.take(4) == []


def test_a_batch_has_the_oldest_jobs_and_at_most_the_requested_number(
    settings: Settings, consumer: JobConsumer, keys: Keys, client: Client
) -> None:
    for number in range(5):
        client.rpush(keys.queue, new_job(settings, str(number)).to_json())
    assert [taken.id for taken in consumer.take(3)] == ["0", "1", "2"]
    assert [taken.id for taken in consumer.take(3)] == ["3", "4"]


def test_a_batch_leaves_other_streams_their_share_of_what_waits(
    settings: Settings, consumer: JobConsumer, keys: Keys, client: Client
) -> None:
    client.rpush(keys.queue, *(new_job(settings, name).to_json() for name in "12345678"))
    assert [len(consumer.take(8, streams=2)) for _ in range(4)] == [4, 2, 1, 1]


def test_a_batch_that_may_wait_for_more_jobs_leaves_none_of_those_that_fit(
    make_settings: MakeSettings, keys: Keys, client: Client
) -> None:
    settings = make_settings(batch_wait_ms=1000)
    client.rpush(keys.queue, *(new_job(settings, name).to_json() for name in "1234"))
    assert len(JobConsumer(settings, "w1", "m").take(4, streams=2)) == 4


def test_two_workers_never_take_the_same_job(settings: Settings, keys: Keys, client: Client) -> None:
    ids = {f"{number}" for number in range(60)}
    client.rpush(keys.queue, *(new_job(settings, job_id).to_json() for job_id in ids))
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
    client.rpush(keys.queue, new_job(settings, "1").to_json())
    late = threading.Timer(0.2, lambda: client.rpush(keys.queue, new_job(settings, "2").to_json()))
    late.start()
    assert [taken.id for taken in JobConsumer(settings, "w1", "m").take(2)] == ["1", "2"]
    late.join()


@pytest.mark.parametrize("batch_wait_ms", [0.5, 20])
def test_a_partial_batch_waits_no_longer_than_batch_wait_ms_and_never_forever(
    batch_wait_ms: float, make_settings: MakeSettings, keys: Keys, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = make_settings(batch_wait_ms=batch_wait_ms)
    consumer = JobConsumer(settings, "w1", "m")
    client.rpush(keys.queue, new_job(settings, "1").to_json())
    waits = record_waits(consumer, monkeypatch)
    assert [taken.id for taken in consumer.take(2)] == ["1"]
    assert waits[1] == pytest.approx(max(0.001, batch_wait_ms / 1000))
    assert sum(waits[2:]) <= 0.002


def test_a_partial_batch_does_not_wait_by_default(
    settings: Settings, consumer: JobConsumer, keys: Keys, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    client.rpush(keys.queue, new_job(settings, "1").to_json())
    waits = record_waits(consumer, monkeypatch)
    assert [taken.id for taken in consumer.take(2)] == ["1"]
    assert len(waits) == 1


def test_a_full_batch_does_not_wait(
    make_settings: MakeSettings, keys: Keys, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = make_settings(batch_wait_ms=1000)
    consumer = JobConsumer(settings, "w1", "m")
    client.rpush(keys.queue, *(new_job(settings, name).to_json() for name in "123"))
    waits = record_waits(consumer, monkeypatch)
    assert [taken.id for taken in consumer.take(2)] == ["1", "2"]
    assert len(waits) == 1


def record_waits(consumer: JobConsumer, monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time-out of each BLPOP from now on, in seconds; on a clock that nothing else moves."""
    waits: list[float] = []
    call = consumer._connection.call

    def record(*commands: Any) -> Any:
        waits.extend(command[2] for command in commands if command[0] == "BLPOP")
        return call(*commands)

    monkeypatch.setattr("jobs.consumer.time.monotonic", lambda: 1000 + sum(waits))
    monkeypatch.setattr(consumer._connection, "call", record)
    return waits


def test_a_retried_job_is_a_batch_of_its_own(
    settings: Settings, consumer: JobConsumer, keys: Keys, client: Client
) -> None:
    retried = [replace(new_job(settings, name), attempt=2) for name in ("poison", "harmless")]
    client.rpush(keys.queue, *(one.to_json() for one in retried), new_job(settings, "1").to_json())
    assert [[taken.id for taken in consumer.take(4)] for _ in range(3)] == [["poison"], ["harmless"], ["1"]]


def test_retried_jobs_are_put_back_when_popped_with_others(
    settings: Settings, consumer: JobConsumer, keys: Keys, client: Client
) -> None:
    retried = [replace(new_job(settings, name), attempt=2) for name in ("2", "3")]
    client.rpush(keys.queue, new_job(settings, "1").to_json(), *(one.to_json() for one in retried))
    client.rpush(keys.queue, new_job(settings, "4").to_json())
    assert [taken.id for taken in consumer.take(4)] == ["1", "4"]
    assert [taken.id for taken in consumer.take(4)] == ["2"]


@pytest.mark.parametrize(
    ("refused", "kept"),
    [("LPOP", ["1"]), ("LPUSH", ["1", "3"]), ("MULTI", ["1", "3"])],
    ids=["filling the batch", "putting back a retried job", "answering a malformed job"],
)
def test_popped_jobs_are_kept_when_redis_fails_later(
    refused: str,
    kept: list[str],
    settings: Settings,
    consumer: JobConsumer,
    keys: Keys,
    client: Client,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    retried = replace(new_job(settings, "2"), attempt=2)
    client.rpush(keys.queue, *(one.to_json() for one in (new_job(settings, "1"), retried, new_job(settings, "3"))))
    client.rpush(keys.queue, '{"id": "malformed"}')
    call = consumer._connection.call
    monkeypatch.setattr(
        consumer._connection, "call", lambda *sent: unreachable() if sent[0][0] == refused else call(*sent)
    )
    assert [taken.id for taken in consumer.take(4)] == kept


def test_no_job_is_popped_while_redis_time_is_unknown(
    settings: Settings, consumer: JobConsumer, keys: Keys, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    client.rpush(keys.queue, new_job(settings, "1").to_json())
    monkeypatch.setattr(consumer._clock, "now", unreachable)
    with pytest.raises(redis.ConnectionError):
        consumer.take(1)
    assert client.llen(keys.queue) == 1


def test_a_batch_of_one_needs_no_second_pop(
    settings: Settings, consumer: JobConsumer, keys: Keys, client: Client
) -> None:
    client.rpush(keys.queue, new_job(settings, "1").to_json())
    before = client.info("commandstats").get("cmdstat_lpop", {"calls": 0})["calls"]
    assert len(consumer.take(1)) == 1
    assert client.info("commandstats").get("cmdstat_lpop", {"calls": 0})["calls"] == before
