"""Recovery: without a notification the web server polls for the job's state, and requeues a lost job."""

import json
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, cast

import pytest
import redis

from benchmarks.services import wait_until
from errors import ClientGone, JobFailed
from jobs import waiting_job
from jobs.client import JobClient
from jobs.consumer import JobConsumer
from jobs.observers import Delivery, JobClientObserver, JobState
from jobs.protocol import Job, Keys
from jobs.recovery import Recovery
from settings import Settings
from tests.conftest import PIXELS, Client, MakeSettings
from tests.support.fake_worker import classify_one, process_jobs, request_deadline, result_of, submitted_job

pytestmark = pytest.mark.usefixtures("live_worker")
ID = "a" * 32
# Enough polls for a wrong requeue to show.
MANY_POLLS = 5


@pytest.fixture
def settings(make_settings: MakeSettings) -> Settings:
    return make_settings(poll_interval_s=0.05)


@pytest.fixture(autouse=True)
def surely_gone_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting_job, "SURE_AFTER_S", 0)


@pytest.fixture
def polls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The state that each poll has found."""
    seen: list[str] = []
    locate = Recovery.locate

    def record(recovery: Recovery, jobs: Sequence[Job]) -> list[tuple[JobState, bytes]]:
        found = locate(recovery, jobs)
        seen.extend(state for state, _ in found)
        return found

    monkeypatch.setattr(Recovery, "locate", record)
    return seen


class RecordingObserver(JobClientObserver):
    def __init__(self) -> None:
        self.reports: list[Delivery | JobState] = []

    def delivered(self, via: Delivery) -> None:
        self.reports.append(via)

    def requeued(self, state: JobState) -> None:
        self.reports.append(state)


def queued_jobs(client: Client, keys: Keys) -> list[dict[str, Any]]:
    return [json.loads(job) for job in client.lrange(keys.queue, 0, -1)]


def take(client: Client, keys: Keys, worker: str | bytes = "") -> dict[str, Any]:
    """Pop the job, and claim it if a worker is named."""
    wait_until(lambda: client.llen(keys.queue))
    with client.pipeline(transaction=True) as pipeline:
        if worker:
            pipeline.set(keys.claim(ID), worker)
        pipeline.lpop(keys.queue)
        job: dict[str, Any] = json.loads(pipeline.execute()[-1])
    return job


def test_a_job_carries_the_deadline_of_its_request(settings: Settings, client: Client, keys: Keys) -> None:
    with submitted_job(settings) as future:
        wait_until(lambda: client.llen(keys.queue))
        (job,) = queued_jobs(client, keys)
        assert job["deadline"] == pytest.approx(client.time()[0] + settings.request_timeout_s, abs=5)
        process_jobs(settings, 1)
        future.result()


@pytest.mark.parametrize("worker", ["dead", b"not \xff text"])
def test_the_job_of_a_dead_worker_is_requeued_unclaimed_before_all_others(
    worker: str | bytes, settings: Settings, client: Client, keys: Keys
) -> None:
    with submitted_job(settings) as future:
        lost = take(client, keys, worker)
        client.rpush(keys.queue, Job("b" * 32, PIXELS, lost["deadline"]).to_json())
        wait_until(lambda: client.llen(keys.queue) == 2)
        assert [(job["id"], job["attempt"]) for job in queued_jobs(client, keys)] == [(ID, 2), ("b" * 32, 1)]
        assert not client.exists(keys.claim(ID))
        process_jobs(settings, 2)
        assert future.result().id == ID


@pytest.mark.parametrize("behind", [False, True], ids=["the queue is empty", "the oldest job is younger"])
def test_a_lost_job_is_requeued_and_that_does_not_count_as_an_attempt(
    behind: bool, settings: Settings, client: Client, keys: Keys
) -> None:
    with submitted_job(settings) as future:
        lost = take(client, keys)
        if behind:
            younger = Job("b" * 32, PIXELS, lost["deadline"], queued_at=lost["queued_at"] + 5)
            client.rpush(keys.queue, younger.to_json())
        wait_until(lambda: client.llen(keys.queue) == 1 + behind)
        assert queued_jobs(client, keys)[0] == lost
        process_jobs(settings, 1 + behind)
        assert future.result().id == ID


def test_a_job_claimed_by_a_living_worker_is_not_requeued(
    settings: Settings, client: Client, keys: Keys, polls: list[str]
) -> None:
    with submitted_job(settings) as future:
        take(client, keys, worker="w1")
        wait_until(lambda: polls[-MANY_POLLS:] == ["waiting"] * MANY_POLLS)
        assert client.llen(keys.queue) == 0
        client.set(keys.result(ID), result_of(Job(ID, b"", 0)).to_json())
        assert future.result().id == ID


def test_a_job_queued_behind_an_older_one_is_not_requeued(
    settings: Settings, client: Client, keys: Keys, polls: list[str]
) -> None:
    now = client.time()[0]
    # Its request arrived later, but its picture was decoded and queued earlier.
    client.rpush(keys.queue, Job("b" * 32, PIXELS, now + settings.request_timeout_s + 5, queued_at=now).to_json())
    with submitted_job(settings) as future:
        wait_until(lambda: len(polls) >= MANY_POLLS)
        assert [job["id"] for job in queued_jobs(client, keys)] == ["b" * 32, ID]
        process_jobs(settings, 2)
        assert future.result().id == ID


def test_a_job_that_waits_for_its_batch_to_fill_is_not_requeued_however_often_its_web_server_looks(
    make_settings: MakeSettings, client: Client, keys: Keys, polls: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting_job, "SURE_AFTER_S", 20)
    settings = make_settings(poll_interval_s=0.05, batch_wait_ms=300)
    consumer = JobConsumer(settings, "w1", "m")
    with submitted_job(settings) as future:
        while not (jobs := consumer.take(8)):
            pass
        wait_until(lambda: polls.count("lost") >= MANY_POLLS)
        assert [job.id for job in jobs] == [ID]
        assert client.llen(keys.queue) == 0
        consumer.publish([result_of(job) for job in jobs])
        assert future.result().id == ID


@pytest.mark.parametrize(
    ("seen", "pushes"),
    [(["lost", "waiting", "lost"], 0), (["lost"] * 3, 1), (["lost"] * 4, 2), (["lost", "unknown", "lost"], 0)],
)
def test_a_job_is_requeued_only_after_two_consecutive_polls_found_it_lost(
    seen: list[str], pushes: int, settings: Settings, client: Client, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    states = iter(
        [*((JobState(state), b"") for state in seen), (JobState.ANSWERED, result_of(Job(ID, b"", 0)).to_json())]
    )
    monkeypatch.setattr(Recovery, "locate", lambda *_: [next(states)])
    with submitted_job(settings) as future:
        assert future.result().id == ID
    assert client.llen(keys.queue) == 1 + pushes


def test_a_job_fails_when_every_worker_that_took_it_has_died(
    make_settings: MakeSettings, client: Client, keys: Keys
) -> None:
    settings = make_settings(poll_interval_s=0.05, max_attempts=2)
    with submitted_job(settings) as future:
        assert [take(client, keys, worker="dead")["attempt"] for _ in range(2)] == [1, 2]
        with pytest.raises(JobFailed, match="Each of the 2 workers"):
            future.result()


def test_failed_polls_and_pushes_are_retried_and_only_what_took_place_is_reported(
    settings: Settings, client: Client, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed: list[str] = []

    def fails_at_first(name: str, real: Any) -> Any:
        def call(*arguments: Any, **options: Any) -> Any:
            if failed.count(name) < MANY_POLLS:
                failed.append(name)
                raise redis.ConnectionError("unreachable")
            return real(*arguments, **options)

        return call

    observer = RecordingObserver()
    jobs = JobClient(settings, observer)
    recovery = jobs._recovery
    monkeypatch.setattr(recovery, "_locate_script", fails_at_first("poll", recovery._locate_script))
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(classify_one, jobs, PIXELS, ID, request_deadline(settings))
        wait_until(lambda: failed.count("poll") == MANY_POLLS)
        assert client.llen(keys.queue) == 1
        monkeypatch.setattr(recovery._redis, "pipeline", fails_at_first("push", recovery._redis.pipeline))
        take(client, keys, worker="dead")
        wait_until(lambda: client.llen(keys.queue) == 1)
        assert failed.count("push") == MANY_POLLS
        assert queued_jobs(client, keys)[0]["attempt"] == 2
        # While it is in the queue, so that it cannot seem lost.
        JobConsumer(settings, "w1", "m").publish([result_of(Job(ID, b"", 0))])
        assert future.result().id == ID
    *requeued, delivered = observer.reports
    assert requeued == [JobState.ORPHANED]
    assert delivered in (Delivery.NOTIFIED, Delivery.POLLED)


def test_the_job_of_a_client_that_hung_up_is_withdrawn(settings: Settings, client: Client, keys: Keys) -> None:
    with pytest.raises(ClientGone):
        classify_one(JobClient(settings), PIXELS, ID, time.monotonic() + 30, client_gone=lambda: True)
    assert client.llen(keys.queue) == 0


def test_a_lost_job_is_requeued_in_the_time_of_another_master(settings: Settings, client: Client, keys: Keys) -> None:
    ahead_s = 100
    jobs = JobClient(settings)
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(classify_one, jobs, PIXELS, ID, request_deadline(settings))
        wait_until(lambda: client.llen(keys.queue))
        # As when the offset has been read again, from a server whose clock is ahead.
        jobs._clock._offset_s = cast(float, jobs._clock._offset_s) + ahead_s
        lost = take(client, keys)
        wait_until(lambda: client.llen(keys.queue))
        (job,) = queued_jobs(client, keys)
        for name in ("deadline", "queued_at"):
            assert job[name] - lost[name] == pytest.approx(ahead_s, abs=1)
        process_jobs(settings, 1)
        assert future.result().id == ID
