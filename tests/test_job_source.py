"""The worker's side of the queue, against a real Redis."""

import json
import threading
from collections.abc import Iterator
from dataclasses import replace

import pytest
import redis

from embedded_redis import embedded_redis
from job_protocol import Answer, Job, Keys, Prediction, WorkerInfo
from job_source import Heartbeat, JobSource
from redis_connection import RedisClock, connect
from settings import Settings
from tests.conftest import INFO, PIXELS, Client, MakeSettings
from tests.services import wait_until


@pytest.fixture
def source(settings: Settings) -> JobSource:
    return JobSource(settings, "w1", "m")


def job(settings: Settings, job_id: str, timeout_s: float = 30) -> Job:
    return Job(job_id, PIXELS, RedisClock(connect(settings)).now() + timeout_s)


def test_an_empty_queue_gives_an_empty_batch(source: JobSource) -> None:
    assert source.take(4) == []


def test_a_batch_is_the_oldest_jobs_and_no_more_than_asked_for(
    settings: Settings, source: JobSource, keys: Keys, client: Client
) -> None:
    for number in range(5):
        client.rpush(keys.queue, job(settings, str(number)).to_json())
    assert [taken.id for taken in source.take(3)] == ["0", "1", "2"]
    assert [taken.id for taken in source.take(3)] == ["3", "4"]


def test_two_workers_never_take_the_same_job(settings: Settings, keys: Keys, client: Client) -> None:
    ids = {f"{number}" for number in range(60)}
    client.rpush(keys.queue, *(job(settings, job_id).to_json() for job_id in ids))
    taken: list[str] = []

    def work(name: str) -> None:
        source = JobSource(settings, name, "m")
        while jobs := source.take(4):
            taken.extend(job.id for job in jobs)

    threads = [threading.Thread(target=work, args=(name,)) for name in ("w1", "w2")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(taken) == sorted(ids)


def test_a_partial_batch_waits_for_more_where_that_is_set(
    make_settings: MakeSettings, keys: Keys, client: Client
) -> None:
    settings = make_settings(batch_wait_ms=1000)
    client.rpush(keys.queue, job(settings, "1").to_json())
    late = threading.Timer(0.2, lambda: client.rpush(keys.queue, job(settings, "2").to_json()))
    late.start()
    assert [taken.id for taken in JobSource(settings, "w1", "m").take(2)] == ["1", "2"]
    late.join()


def test_a_job_is_claimed_until_its_deadline(settings: Settings, source: JobSource, keys: Keys, client: Client) -> None:
    client.rpush(keys.queue, job(settings, "1", timeout_s=30).to_json())
    source.claim(source.take(1))
    assert client.get(keys.claim("1")) == "w1"
    assert 25_000 < client.pttl(keys.claim("1")) < 35_000


def test_a_job_that_was_tried_before_comes_alone(
    settings: Settings, source: JobSource, keys: Keys, client: Client
) -> None:
    again = [replace(job(settings, name), attempt=2) for name in ("poison", "harmless")]
    client.rpush(keys.queue, *(one.to_json() for one in again), job(settings, "1").to_json())
    assert [[taken.id for taken in source.take(4)] for _ in range(3)] == [["poison"], ["harmless"], ["1"]]


def test_jobs_that_were_tried_before_go_back_when_they_come_with_others(
    settings: Settings, source: JobSource, keys: Keys, client: Client
) -> None:
    again = [replace(job(settings, name), attempt=2) for name in ("2", "3")]
    client.rpush(keys.queue, job(settings, "1").to_json(), *(one.to_json() for one in again))
    client.rpush(keys.queue, job(settings, "4").to_json())
    assert [taken.id for taken in source.take(4)] == ["1", "4"]
    assert [taken.id for taken in source.take(4)] == ["2"]


def test_an_expired_job_is_dropped(settings: Settings, source: JobSource, keys: Keys, client: Client) -> None:
    client.rpush(keys.queue, job(settings, "1", timeout_s=-1).to_json(), job(settings, "2").to_json())
    assert [claimed.id for claimed in source.claim(source.take(2))] == ["2"]
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
    changes: dict[str, object], settings: Settings, source: JobSource, keys: Keys, client: Client
) -> None:
    fields = json.loads(job(settings, "bad").to_json()) | changes
    client.rpush(keys.queue, json.dumps(fields), job(settings, "good").to_json())
    assert [taken.id for taken in source.take(2)] == ["good"]
    answer = Answer.from_json(client.get(keys.result("bad")))
    assert "malformed" in str(answer.error)


@pytest.mark.parametrize("junk", ["", "junk", "[]", "17", "{}", '{"id": 5}', "[" * 100_000, "\x00\xff"])
def test_junk_without_an_id_is_dropped(
    junk: str, settings: Settings, source: JobSource, keys: Keys, client: Client
) -> None:
    client.rpush(keys.queue, junk, job(settings, "good").to_json())
    assert [taken.id for taken in source.take(2)] == ["good"]


def test_an_answer_is_stored_published_and_its_claim_lifted(
    settings: Settings, source: JobSource, keys: Keys, client: Client
) -> None:
    client.set(keys.claim("1"), "w1")
    answer = Answer("1", "w1", "m", (Prediction("castle", 0.9),), inference_s=0.1, batch_size=1)
    with client.pubsub() as pubsub:
        pubsub.subscribe(keys.result("1"))
        source.publish([answer])
        wait_until(lambda: (message := pubsub.get_message(timeout=1)) and message["type"] == "message")
    assert Answer.from_json(client.get(keys.result("1"))) == answer
    assert 0 < client.ttl(keys.result("1")) <= settings.result_ttl_s
    assert not client.exists(keys.claim("1"))


def test_jobs_in_hand_are_done_even_if_redis_goes_away_before_more_are_taken(
    settings: Settings, source: JobSource, keys: Keys, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    client.rpush(keys.queue, job(settings, "1").to_json())
    call = source._line.call
    monkeypatch.setattr(source._line, "call", lambda *sent: away() if sent[0][0] == "LPOP" else call(*sent))
    assert [taken.id for taken in source.take(4)] == ["1"]


def test_jobs_in_hand_are_done_even_if_they_cannot_be_claimed(
    settings: Settings, source: JobSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source._line, "send", away)
    assert [claimed.id for claimed in source.claim([job(settings, "1")])] == ["1"]


def test_a_job_is_left_in_the_queue_when_the_time_is_not_known(
    settings: Settings, source: JobSource, keys: Keys, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    client.rpush(keys.queue, job(settings, "1").to_json())
    monkeypatch.setattr(source._clock, "now", away)
    with pytest.raises(redis.ConnectionError):
        source.take(1)
    assert client.llen(keys.queue) == 1


def away(*_: object) -> None:
    raise redis.ConnectionError("away")


def test_a_batch_of_one_asks_for_no_more(settings: Settings, source: JobSource, keys: Keys, client: Client) -> None:
    client.rpush(keys.queue, job(settings, "1").to_json())
    before = client.info("commandstats").get("cmdstat_lpop", {"calls": 0})["calls"]
    assert len(source.take(1)) == 1
    assert client.info("commandstats").get("cmdstat_lpop", {"calls": 0})["calls"] == before


class TestWithoutMemoryInRedis:
    """Of a Redis that is the test's own."""

    @pytest.fixture
    def redis_url(self) -> Iterator[str]:
        with embedded_redis() as url:
            yield url

    def test_an_answer_is_still_published_and_its_claim_lifted(
        self, source: JobSource, keys: Keys, client: Client
    ) -> None:
        client.set(keys.claim("1"), "w1")
        with client.pubsub() as pubsub:
            pubsub.subscribe(keys.result("1"))
            client.config_set("maxmemory", "1")
            source.publish([Answer("1", "w1", "m")])
            wait_until(lambda: (message := pubsub.get_message(timeout=1)) and message["type"] == "message")
        assert not client.exists(keys.claim("1"), keys.result("1"))

    def test_the_heart_still_beats(self, settings: Settings, keys: Keys, client: Client) -> None:
        with Heartbeat(settings, INFO, lanes=1):
            wait_until(lambda: client.exists(keys.worker("w1")))
            client.config_set("maxmemory", "1")
            client.pexpire(keys.worker("w1"), 60_000)
            wait_until(lambda: 0 < client.pttl(keys.worker("w1")) <= settings.heartbeat_ttl_s * 1000)


def test_a_heartbeat_tells_what_the_worker_is_and_has_done(settings: Settings, keys: Keys, client: Client) -> None:
    with Heartbeat(settings, INFO, lanes=2) as heartbeat:
        heartbeat.progress(0, images=3)
        heartbeat.progress(1, images=4)
        wait_until(lambda: (text := client.get(keys.worker("w1"))) and WorkerInfo.from_json(text).images_done == 7)
        assert 0 < client.pttl(keys.worker("w1")) <= settings.heartbeat_ttl_s * 1000


def test_a_worker_one_of_whose_lanes_makes_no_progress_counts_as_dead(
    make_settings: MakeSettings, keys: Keys, client: Client
) -> None:
    settings = make_settings(stall_timeout_s=0.1, heartbeat_ttl_s=2)
    with Heartbeat(settings, INFO, lanes=2) as heartbeat:
        wait_until(lambda: client.exists(keys.worker("w1")))
        wait_until(lambda: progress(heartbeat, 0) and not client.exists(keys.worker("w1")))
        wait_until(lambda: progress(heartbeat, 0, 1) and client.exists(keys.worker("w1")))


def progress(heartbeat: Heartbeat, *lanes: int) -> bool:
    for lane in lanes:
        heartbeat.progress(lane)
    return True


def test_the_names_of_dead_workers_do_not_pile_up(settings: Settings, keys: Keys, client: Client) -> None:
    client.zadd(keys.workers, {"long gone": client.time()[0] - 3600})
    with Heartbeat(settings, INFO, lanes=2):
        wait_until(lambda: client.zrange(keys.workers, 0, -1) == ["w1"])
    assert 0 < client.ttl(keys.workers) <= 60
