"""Admission: the queue refuses jobs when it is full, when no worker is alive and when Redis is unreachable."""

import math

import pytest

from errors import DeadlineExceeded, ServiceUnavailable
from jobs import admission
from jobs.client import JobClient
from jobs.clock import RedisClock
from jobs.monitor import QueueMonitor
from jobs.protocol import Keys
from settings import Settings
from tests.conftest import PIXELS, Client, MakeSettings
from tests.support.fake_worker import classify_one, process_jobs, request_deadline, submitted_job, unreachable
from tools.embedded_redis import free_port


@pytest.mark.usefixtures("live_worker")
def test_a_full_queue_refuses_jobs(make_settings: MakeSettings, client: Client) -> None:
    settings = make_settings(queue_capacity=2)
    client.rpush(Keys(settings).queue, "x", "y")
    with pytest.raises(ServiceUnavailable, match="full") as refused:
        classify_one(JobClient(settings), PIXELS, "a" * 32, request_deadline(settings))
    assert refused.value.retry_after_s == 1
    assert client.llen(Keys(settings).queue) == 2


@pytest.mark.usefixtures("live_worker")
def test_a_queue_accepts_as_many_jobs_as_its_capacity(make_settings: MakeSettings, client: Client, keys: Keys) -> None:
    settings = make_settings(queue_capacity=2, request_timeout_s=0.1)
    client.rpush(keys.queue, "x")
    with pytest.raises(DeadlineExceeded):
        classify_one(JobClient(settings), PIXELS, "a" * 32, request_deadline(settings))
    assert client.llen(keys.queue) == 2


@pytest.mark.usefixtures("live_worker")
def test_jobs_are_accepted_while_a_web_server_does_not_know_yet_that_redis_clock_was_set_back(
    make_settings: MakeSettings, client: Client, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = make_settings(request_timeout_s=0.1)
    monkeypatch.setattr(RedisClock, "now", lambda _: client.time()[0] + 1800)
    with pytest.raises(DeadlineExceeded):
        classify_one(JobClient(settings), PIXELS, "a" * 32, request_deadline(settings))
    assert client.llen(keys.queue) == 1


@pytest.mark.usefixtures("live_worker")
def test_refusals_are_cached_and_checks_of_an_open_queue_cost_nothing(
    make_settings: MakeSettings, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(admission, "REFUSAL_TTL_S", 3600)
    settings = make_settings(queue_capacity=1)
    client.rpush(Keys(settings).queue, "x")
    jobs = JobClient(settings)
    jobs.check_admission()
    with pytest.raises(ServiceUnavailable, match="full"):
        classify_one(jobs, PIXELS, "a" * 32, request_deadline(settings))
    with pytest.raises(ServiceUnavailable, match="full"):
        jobs.check_admission()
    client.delete(Keys(settings).queue)
    with pytest.raises(ServiceUnavailable, match="full"):
        jobs.check_admission()
    client.rpush(Keys(settings).queue, "x")
    jobs._admission._refused_at = -math.inf  # the cached refusal has expired
    with pytest.raises(ServiceUnavailable, match="full"):
        jobs.check_admission()
    client.delete(Keys(settings).queue)
    jobs._admission._refused_at = -math.inf
    jobs.check_admission()
    assert client.llen(Keys(settings).queue) == 0
    monkeypatch.setattr(jobs._admission._redis, "eval", None)  # the queue is open, so Redis is not asked
    jobs.check_admission()


@pytest.mark.parametrize(("seen_s_ago", "length"), [(5, 1), (15, 0)])
def test_jobs_are_queued_for_a_grace_period_after_the_last_heartbeat(
    seen_s_ago: int, length: int, make_settings: MakeSettings, client: Client, keys: Keys
) -> None:
    settings = make_settings(worker_grace_s=10, request_timeout_s=0.1)
    client.zadd(keys.workers, {"was here": client.time()[0] - seen_s_ago})
    with pytest.raises(ServiceUnavailable if seen_s_ago > 10 else DeadlineExceeded):
        classify_one(JobClient(settings), PIXELS, "a" * 32, request_deadline(settings))
    assert client.llen(keys.queue) == length


@pytest.mark.usefixtures("live_worker")
def test_a_queue_that_was_full_accepts_jobs_again(make_settings: MakeSettings, client: Client) -> None:
    settings = make_settings(queue_capacity=2)
    client.rpush(Keys(settings).queue, "x", "y")
    client.delete(Keys(settings).queue)
    with submitted_job(settings) as future:
        process_jobs(settings, 1)
        assert future.result().id == "a" * 32


def test_without_a_worker_jobs_are_refused(settings: Settings, client: Client) -> None:
    with pytest.raises(ServiceUnavailable, match="No worker") as refused:
        classify_one(JobClient(settings), PIXELS, "a" * 32, request_deadline(settings))
    assert refused.value.retry_after_s == 5
    assert client.llen(Keys(settings).queue) == 0


def test_a_check_that_redis_cannot_answer_leaves_the_decision_to_the_push(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(admission, "REFUSAL_TTL_S", 0)
    jobs = JobClient(settings)
    with pytest.raises(ServiceUnavailable, match="No worker"):
        classify_one(jobs, PIXELS, "a" * 32, request_deadline(settings))
    monkeypatch.setattr(jobs._admission._redis, "eval", unreachable)
    jobs.check_admission()


def test_without_redis_requests_fail_at_once_and_are_named_in_the_log(
    make_settings: MakeSettings, caplog: pytest.LogCaptureFixture
) -> None:
    settings = make_settings(redis_url=f"redis://127.0.0.1:{free_port()}/0")
    jobs = JobClient(settings)
    with pytest.raises(ServiceUnavailable, match="out of reach"):
        classify_one(jobs, PIXELS, "a" * 32, request_deadline(settings))
    assert [record.fields["id"] for record in caplog.records] == ["a" * 32]  # type: ignore[attr-defined]
    with pytest.raises(ServiceUnavailable, match="out of reach"):
        QueueMonitor(settings).workers()
