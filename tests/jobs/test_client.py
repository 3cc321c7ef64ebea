"""The web server's end of the queue, with a real Redis and a fake worker."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from benchmarks.services import wait_until
from errors import DeadlineExceeded, JobFailed
from jobs.client import JobClient
from jobs.consumer import JobConsumer
from jobs.monitor import QueueMonitor
from jobs.protocol import Job, JobResult, Keys
from jobs.recovery import Recovery
from settings import Settings
from tests.conftest import INFO, PIXELS, Client, MakeSettings, heartbeat
from tests.support.fake_worker import classify_one, process_jobs, request_deadline, result_of, submitted_job


@pytest.mark.usefixtures("live_worker")
def test_each_of_many_concurrent_jobs_gets_its_own_result(settings: Settings) -> None:
    jobs = JobClient(settings)
    ids = [f"{number:032x}" for number in range(100)]
    with ThreadPoolExecutor(50) as pool:
        results = pool.map(lambda job_id: classify_one(jobs, PIXELS, job_id, request_deadline(settings)), ids)
        process_jobs(settings, len(ids))
        labels = [result.predictions[0].label for result in results]
    assert labels == [f"label of {job_id}" for job_id in ids]


@pytest.mark.usefixtures("live_worker")
def test_results_arrive_by_notification_without_polling(
    make_settings: MakeSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = make_settings(poll_interval_s=20)
    polls: list[Job] = []
    monkeypatch.setattr(Recovery, "locate", lambda _self, jobs: polls.extend(jobs))
    with submitted_job(settings) as future:
        process_jobs(settings, 1)
        future.result()
    assert polls == []


@pytest.mark.usefixtures("live_worker")
def test_a_result_whose_notification_was_lost_is_found_by_polling(make_settings: MakeSettings, client: Client) -> None:
    settings = make_settings(poll_interval_s=0.2)
    keys = Keys(settings)
    with submitted_job(settings) as future:
        wait_until(lambda: client.llen(keys.queue))
        client.set(keys.result("a" * 32), result_of(Job("a" * 32, b"", 0)).to_json())
        assert future.result(timeout=10).id == "a" * 32


@pytest.mark.usefixtures("live_worker")
def test_an_answered_request_leaves_nothing_in_redis(settings: Settings, client: Client) -> None:
    with submitted_job(settings) as future:
        process_jobs(settings, 1)
        future.result()
    keys = Keys(settings)
    wait_until(lambda: set(client.keys(f"{settings.key_prefix}*")) <= {keys.workers, keys.worker("w1")})
    wait_until(lambda: client.pubsub_numsub(keys.result("a" * 32))[0][1] == 0)


@pytest.mark.usefixtures("live_worker")
def test_a_workers_error_is_raised_for_the_request(settings: Settings) -> None:
    with submitted_job(settings) as future:
        consumer = JobConsumer(settings, "w1", "m")
        while not (batch := consumer.take(1)):
            pass
        consumer.publish([JobResult(batch[0].id, "w1", "m", error="It broke.")])
        with pytest.raises(JobFailed, match=r"It broke\."):
            future.result()


@pytest.mark.usefixtures("live_worker")
def test_a_request_without_a_result_fails_at_its_deadline(make_settings: MakeSettings) -> None:
    settings = make_settings(request_timeout_s=0.3, poll_interval_s=0.1)
    with pytest.raises(DeadlineExceeded, match="seconds"):
        classify_one(JobClient(settings), PIXELS, "a" * 32, request_deadline(settings))


@pytest.mark.usefixtures("live_worker")
def test_only_living_workers_are_listed(settings: Settings, client: Client) -> None:
    keys = Keys(settings)
    client.zadd(keys.workers, {"w0": client.time()[0] - 60})
    client.set(keys.worker("w0"), INFO.to_json())
    assert [worker.name for worker in QueueMonitor(settings).workers()] == ["w1"]


def test_a_stopped_worker_disappears_at_once(settings: Settings) -> None:
    with heartbeat(settings):
        assert QueueMonitor(settings).workers()
    assert QueueMonitor(settings).workers() == []


def test_the_key_prefix_separates_two_services_in_one_redis(make_settings: MakeSettings) -> None:
    mine, other = make_settings(key_prefix="mine:"), make_settings(key_prefix="other:")
    with heartbeat(mine), submitted_job(mine) as future:
        assert JobConsumer(other, "w1", "m").take(1) == []
        process_jobs(mine, 1)
        assert future.result().id == "a" * 32


UNREADABLE = [b"", b"junk", b"\xff", b"[]", b"{}", b'{"id": "a", "worker": "w", "model": "m"}']


def unreadable_results(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.message for record in caplog.records if record.message == "result_unreadable"]


@pytest.mark.usefixtures("live_worker")
@pytest.mark.parametrize("junk", UNREADABLE)
def test_a_message_that_cannot_be_read_counts_as_none(
    junk: bytes, make_settings: MakeSettings, client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    settings = make_settings(poll_interval_s=60)
    keys = Keys(settings)
    with submitted_job(settings) as future:
        wait_until(lambda: client.llen(keys.queue))
        for _ in range(3):
            client.publish(keys.result("a" * 32), junk)
        process_jobs(settings, 1)
        assert future.result(timeout=10).id == "a" * 32
    assert len(unreadable_results(caplog)) == 1


@pytest.mark.usefixtures("live_worker")
@pytest.mark.parametrize("junk", UNREADABLE)
def test_a_stored_result_that_cannot_be_read_counts_as_none_and_is_looked_for_again(
    junk: bytes, make_settings: MakeSettings, client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    settings = make_settings(poll_interval_s=0.05)
    keys = Keys(settings)
    with submitted_job(settings) as future:
        client.set(keys.result("a" * 32), junk)
        wait_until(lambda: unreadable_results(caplog))
        client.set(keys.result("a" * 32), result_of(Job("a" * 32, b"", 0)).to_json())
        assert future.result(timeout=10).id == "a" * 32
    assert len(unreadable_results(caplog)) == 1


@pytest.mark.usefixtures("live_worker")
def test_unreadable_results_end_at_the_deadline_and_cause_no_more_looks_than_none(
    make_settings: MakeSettings, client: Client, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    settings = make_settings(request_timeout_s=1, poll_interval_s=0.2)
    key = Keys(settings).result("a" * 32)
    looks: list[Job] = []
    locate = Recovery.locate

    def publish_and_locate(recovery: Recovery, jobs: Sequence[Job]) -> object:
        looks.extend(jobs)
        for _ in range(100):
            client.publish(key, "junk")
        return locate(recovery, jobs)

    monkeypatch.setattr(Recovery, "locate", publish_and_locate)
    client.set(key, "junk")
    with submitted_job(settings) as future, pytest.raises(DeadlineExceeded):
        future.result()
    assert 1 <= len(looks) <= 5
    assert len(unreadable_results(caplog)) == 1
