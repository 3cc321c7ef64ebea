"""The protocol between web servers and workers: messages as JSON, and one clock."""

import json
import math
import time
from collections.abc import Callable
from dataclasses import replace

import fakeredis
import pytest
import redis

from jobs.clock import RedisClock
from jobs.connection import connect
from jobs.protocol import LATEST_DEADLINE, MOST_ATTEMPTS, Job, JobResult, Keys, Prediction, WorkerInfo
from settings import Settings
from tests.conftest import INFO, PIXELS, Client, MakeSettings


def test_a_job_survives_a_round_trip() -> None:
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    job = Job("1", b"rgb", 1e9, attempt=2, queued_at=1e9 - 30, traceparent=trace)
    assert Job.from_fields(json.loads(job.to_json()), image_bytes=3) == job


def test_a_result_survives_a_round_trip() -> None:
    result = JobResult("1", "w1", "m", (Prediction("castle", 0.93), Prediction("palace", 0.04)), None, 0.05, 8)
    assert JobResult.from_json(result.to_json()) == result


def test_a_heartbeat_survives_a_round_trip() -> None:
    assert WorkerInfo.from_json(INFO.to_json()) == INFO


def test_fields_that_a_newer_version_has_added_are_ignored() -> None:
    result = JobResult("1", "w1", "m", (Prediction("castle", 0.93),))
    newer = result.to_json().replace(b'"label"', b'"wordnet":"n02980441","label"').replace(b'"id"', b'"new":1,"id"')
    assert JobResult.from_json(newer) == result
    assert WorkerInfo.from_json(INFO.to_json().replace(b'"pid"', b'"new":1,"pid"')) == INFO


def test_a_heartbeat_of_an_earlier_version_has_no_uptime() -> None:
    fields = json.loads(replace(INFO, uptime_s=60).to_json())
    del fields["uptime_s"]
    assert WorkerInfo.from_json(json.dumps(fields)) == INFO


def test_a_prediction_of_an_earlier_version_has_no_index() -> None:
    text = b'{"id":"1","worker":"w1","model":"m","predictions":[{"label":"castle","probability":0.93}]}'
    assert JobResult.from_json(text).predictions == (Prediction("castle", 0.93, None),)


@pytest.mark.parametrize("deadline", [0, -1, LATEST_DEADLINE, math.inf, math.nan, 1e300, "soon", None])
def test_an_invalid_deadline_is_refused(deadline: object) -> None:
    fields = {"id": "1", "image": "AAAA", "deadline": deadline, "attempt": 1}
    with pytest.raises(ValueError, match=r"deadline|type|float"):
        Job.from_fields(fields, image_bytes=3)


def test_a_job_may_have_as_many_attempts_as_the_settings_allow(make_settings: MakeSettings) -> None:
    def accepts(read: Callable[[int], object], attempts: int) -> bool:
        try:
            read(attempts)
        except ValueError:
            return False
        return True

    def job(attempt: int) -> Job:
        return Job.from_fields({"id": "1", "image": "AAAA", "deadline": 1e9, "attempt": attempt}, image_bytes=3)

    for read in (job, lambda attempts: make_settings(max_attempts=attempts)):
        assert [accepts(read, attempts) for attempts in (MOST_ATTEMPTS, MOST_ATTEMPTS + 1)] == [True, False]


def test_all_keys_begin_with_the_prefix() -> None:
    keys = Keys(Settings(_env_file=None, key_prefix="mine:", image_queue="q"))  # type: ignore[call-arg]
    names = [keys.queue, keys.workers, keys.claim("1"), keys.result("1"), keys.worker("w"), keys.cached("n", "p")]
    assert names == ["mine:q", "mine:workers", "mine:claim:1", "mine:result:1", "mine:worker:w", "mine:cache:n:p"]


def test_the_clock_asks_redis_once_and_continues_without_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jobs.clock.RETRY_S", 3600)
    server = fakeredis.FakeServer()
    client = fakeredis.FakeRedis(server=server)
    clock = RedisClock(client)
    first = clock.now()
    server.connected = False
    clock._refresh_at = 0
    assert 0 <= clock.now() - first < 10
    monkeypatch.setattr(client, "time", None)  # it has just failed, so it is not asked again yet
    assert 0 <= clock.now() - first < 10


def test_the_clock_asks_again_when_the_machine_has_slept(monkeypatch: pytest.MonkeyPatch) -> None:
    client = fakeredis.FakeRedis()
    clock = RedisClock(client)
    first, time_here = clock.now(), time.time
    monkeypatch.setattr(client, "time", lambda: (int(first) + 3600, 0))
    assert clock.now() - first < 10
    # Only this clock goes on meanwhile.
    monkeypatch.setattr(time, "time", lambda: time_here() + 3600)
    assert clock.now() - first > 3590


def test_a_clock_that_has_never_reached_redis_raises() -> None:
    server = fakeredis.FakeServer()
    server.connected = False
    with pytest.raises(redis.ConnectionError):
        RedisClock(fakeredis.FakeRedis(server=server)).now()


def test_a_job_is_json_of_four_fields_in_at_most_205_kilobytes(settings: Settings, client: Client) -> None:
    key = Keys(settings).queue
    client.rpush(key, Job("a" * 32, PIXELS, deadline=1.5).to_json())
    value = client.lindex(key, 0)
    assert len(value) <= 205_000
    fields = json.loads(value)
    assert set(fields) == {"id", "image", "deadline", "attempt"}
    assert len(fields["image"]) == 200_704
    # Redis's allocator rounds the value up to its next size class, 224 KiB.
    assert client.memory_usage(key, samples=0) <= 230_000


@pytest.mark.parametrize("skew_s", [-3600, 3600])
def test_a_deadline_means_the_same_on_machines_whose_clocks_differ(
    skew_s: int, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = RedisClock(connect(settings))
    now = clock.now()
    monkeypatch.setattr(time, "time", lambda: now + skew_s)
    monkeypatch.setattr(time, "monotonic", lambda: 12345.0 + skew_s)
    assert abs(RedisClock(connect(settings)).now() - now) < 1
