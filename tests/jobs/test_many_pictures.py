"""A request with several pictures: each is a job of its own, and they are queued and withdrawn together."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from benchmarks.services import wait_until
from errors import ClientGone, DeadlineExceeded, JobFailed, ServiceUnavailable
from jobs import waiting_job
from jobs.client import JobClient
from jobs.consumer import JobConsumer
from jobs.observers import Delivery, JobClientObserver
from jobs.protocol import Job, JobResult, Keys
from jobs.recovery import Recovery
from jobs.waiting_job import Outcome
from settings import Settings
from tests.conftest import PIXELS, Client, MakeSettings
from tests.support.fake_worker import classify_one, process_jobs, request_deadline, result_of

pytestmark = pytest.mark.usefixtures("live_worker")
IDS = [f"{'a' * 32}-{number}" for number in range(3)]
Outcomes = dict[str, Outcome]


@pytest.fixture
def settings(make_settings: MakeSettings) -> Settings:
    return make_settings(poll_interval_s=0.05)


@contextmanager
def submitted(
    settings: Settings, ids: list[str] = IDS, client_gone: Callable[[], bool] = lambda: False
) -> Iterator[Future[Outcomes]]:
    """Submit pictures in one request from a thread, and yield the future of their outcomes."""
    jobs = JobClient(settings)
    with ThreadPoolExecutor(1) as pool:
        yield pool.submit(jobs.classify, dict.fromkeys(ids, PIXELS), request_deadline(settings), client_gone)


@pytest.fixture(autouse=True)
def surely_gone_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting_job, "SURE_AFTER_S", 0)


def take(settings: Settings, count: int) -> list[Job]:
    consumer = JobConsumer(settings, "w1", "m")
    jobs: list[Job] = []
    while len(jobs) < count:
        jobs += consumer.take(count - len(jobs))
    return jobs


def take_and_claim(client: Client, keys: Keys, *workers: str | None) -> None:
    """Take all jobs, and claim each for its worker in the same transaction, so that no look comes in between."""
    wait_until(lambda: client.llen(keys.queue) == len(IDS))
    with client.pipeline(transaction=True) as pipeline:
        for job_id, worker in zip(IDS, workers, strict=True):
            if worker:
                pipeline.set(keys.claim(job_id), worker)
        pipeline.delete(keys.queue)
        pipeline.execute()


def publish(settings: Settings, *ids: str) -> None:
    JobConsumer(settings, "w1", "m").publish([result_of(Job(job_id, b"", 0)) for job_id in ids])


def labels(outcomes: Outcomes) -> list[str]:
    return [outcome.predictions[0].label for outcome in outcomes.values() if isinstance(outcome, JobResult)]


def test_as_many_pictures_as_a_request_may_have_get_their_own_results_in_the_same_order(
    make_settings: MakeSettings,
) -> None:
    settings = make_settings()
    ids = [f"{'a' * 32}-{number}" for number in range(32)]
    with submitted(settings, ids) as future:
        jobs = take(settings, len(ids))
        publish(settings, *(job.id for job in reversed(jobs)))
        outcomes = future.result()
    assert [job.id for job in jobs] == list(outcomes) == ids
    assert labels(outcomes) == [f"label of {job_id}" for job_id in ids]


def test_all_pictures_are_queued_by_one_push_and_leave_nothing_behind(
    make_settings: MakeSettings, client: Client
) -> None:
    settings = make_settings()
    keys = Keys(settings)
    client.config_resetstat()
    with submitted(settings) as future:
        process_jobs(settings, len(IDS))
        future.result()
    assert client.info("commandstats")["cmdstat_rpush"]["calls"] == 1
    wait_until(lambda: set(client.keys(f"{settings.key_prefix}*")) <= {keys.workers, keys.worker("w1")})
    wait_until(lambda: sum(count for _, count in client.pubsub_numsub(*map(keys.result, IDS))) == 0)


def test_a_queue_without_room_for_all_pictures_takes_none_and_still_takes_fewer(
    make_settings: MakeSettings, client: Client
) -> None:
    settings = make_settings(queue_capacity=3, request_timeout_s=0.3)
    queue = Keys(settings).queue
    client.rpush(queue, "older")
    jobs = JobClient(settings)
    with pytest.raises(ServiceUnavailable, match="no room for so many pictures") as refused:
        jobs.classify(dict.fromkeys(IDS, PIXELS), request_deadline(settings))
    assert refused.value.retry_after_s == 1
    assert client.lrange(queue, 0, -1) == ["older"]
    jobs.check_admission()
    outcomes = jobs.classify(dict.fromkeys(IDS[:2], PIXELS), request_deadline(settings))
    assert [type(outcome) for outcome in outcomes.values()] == [DeadlineExceeded] * 2
    assert client.llen(queue) == 3


def test_a_lost_job_among_many_is_pushed_again_and_only_that(settings: Settings, client: Client, keys: Keys) -> None:
    with submitted(settings) as future:
        take_and_claim(client, keys, "w1", None, "w1")
        wait_until(lambda: client.llen(keys.queue))
        publish(settings, *IDS)
        assert labels(future.result()) == [f"label of {job_id}" for job_id in IDS]
    assert [job.id for job in take(settings, 1)] == [IDS[1]]
    assert client.llen(keys.queue) == 0


def test_a_job_that_all_its_workers_died_of_fails_alone(
    make_settings: MakeSettings, client: Client, keys: Keys
) -> None:
    settings = make_settings(poll_interval_s=0.05, max_attempts=1)
    with submitted(settings) as future:
        take_and_claim(client, keys, "w1", "dead", "w1")
        publish(settings, IDS[0], IDS[2])
        outcomes = future.result()
    assert [type(outcome) for outcome in outcomes.values()] == [JobResult, JobFailed, JobResult]


def test_at_the_deadline_those_are_answered_whose_results_have_come(make_settings: MakeSettings) -> None:
    settings = make_settings(request_timeout_s=3)
    with submitted(settings) as future:
        publish(settings, take(settings, 3)[1].id)
        outcomes = future.result()
    assert [type(outcome) for outcome in outcomes.values()] == [DeadlineExceeded, JobResult, DeadlineExceeded]


def test_a_result_whose_notification_was_lost_is_found_among_others(
    settings: Settings, client: Client, keys: Keys
) -> None:
    with submitted(settings) as future:
        first, unheard, last = take(settings, 3)
        client.set(keys.result(unheard.id), result_of(unheard).to_json())
        publish(settings, first.id, last.id)
        assert labels(future.result()) == [f"label of {job_id}" for job_id in IDS]


def test_a_result_that_comes_while_its_job_is_looked_for_does_not_count_as_polled(
    settings: Settings, client: Client, keys: Keys, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    locate = Recovery.locate
    deliveries: list[Delivery] = []
    monkeypatch.setattr(JobClientObserver, "delivered", lambda _self, via: deliveries.append(via))
    with submitted(settings) as future:
        on_time, unheard, last = map(result_of, take(settings, 3))

        def answer_and_locate(recovery: Recovery, jobs: Sequence[Job]) -> object:
            client.set(keys.result(unheard.id), unheard.to_json())
            JobConsumer(settings, "w1", "m").publish([on_time, last])
            return locate(recovery, jobs)

        monkeypatch.setattr(Recovery, "locate", answer_and_locate)
        assert labels(future.result()) == [f"label of {job_id}" for job_id in IDS]
    assert sorted(deliveries) == [Delivery.NOTIFIED, Delivery.NOTIFIED, Delivery.POLLED]
    polled = [vars(record)["fields"]["id"] for record in caplog.records if record.message == "result_polled"]
    assert polled == [unheard.id]


def test_all_jobs_of_a_client_that_hung_up_are_withdrawn_and_no_others(
    settings: Settings, client: Client, keys: Keys
) -> None:
    client.rpush(keys.queue, "other")
    with submitted(settings, client_gone=lambda: True) as future, pytest.raises(ClientGone):
        future.result()
    assert client.lrange(keys.queue, 0, -1) == ["other"]


def test_results_are_received_on_a_connection_that_was_replaced(settings: Settings, client: Client, keys: Keys) -> None:
    jobs = JobClient(settings)
    with ThreadPoolExecutor(1) as pool:
        pending = pool.submit(jobs.classify, dict.fromkeys(IDS, PIXELS), request_deadline(settings))
        taken = take(settings, 3)
        client.client_kill_filter(_type="pubsub")
        publish(settings, *(job.id for job in taken))
        assert labels(pending.result()) == [f"label of {job_id}" for job_id in IDS]
        # Jobs that were taken and not claimed may have been queued again.
        client.delete(keys.queue)
        after = pool.submit(classify_one, jobs, PIXELS, "b" * 32, request_deadline(settings))
        process_jobs(settings, 1)
        assert after.result().id == "b" * 32
