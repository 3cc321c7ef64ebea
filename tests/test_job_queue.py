"""The web server's side of the queue, against a real Redis with a hand-made worker at the other end."""

import json
import math
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager

import pytest

from embedded_redis import carried_server, embedded_redis, free_port
from errors import DeadlineExceeded, JobFailed, QueueUnavailable
from job_protocol import Answer, Job, Keys, Prediction, RedisClock, connect
from job_queue import JobQueue
from job_source import Heartbeat, JobSource
from settings import Settings
from subscriptions import Subscriptions
from tests.conftest import INFO, PIXELS, Client, MakeSettings
from tests.services import wait_until


@pytest.fixture
def alive(settings: Settings) -> Iterator[None]:
    """A worker's heart beats."""
    with beating(settings):
        yield


@contextmanager
def beating(settings: Settings) -> Iterator[None]:
    with Heartbeat(settings, INFO, lanes=1), connect(settings) as client:
        wait_until(lambda: client.exists(Keys(settings).worker("w1")))
        yield


def soon(settings: Settings) -> float:
    """The deadline of a request that has just come."""
    return time.monotonic() + settings.request_timeout_s


def answer(job: Job) -> Answer:
    """What our worker says: a label that only this job has."""
    return Answer(job.id, "w1", "m", (Prediction(f"label of {job.id}", 1.0),), inference_s=0.01, batch_size=1)


def answer_jobs(settings: Settings, count: int) -> None:
    source = JobSource(settings, "w1", "m")
    while count:
        jobs = source.take(8)
        source.publish([answer(job) for job in jobs])
        count -= len(jobs)


@contextmanager
def asked(settings: Settings, job_id: str = "a" * 32) -> Iterator[Future[Answer]]:
    """A client that waits for its answer while the test does something."""
    with ThreadPoolExecutor(1) as pool:
        yield pool.submit(JobQueue(settings).classify, PIXELS, job_id, soon(settings))


@pytest.mark.usefixtures("alive")
def test_each_of_many_concurrent_jobs_gets_its_own_answer(settings: Settings) -> None:
    queue = JobQueue(settings)
    ids = [f"{number:032x}" for number in range(100)]
    with ThreadPoolExecutor(50) as pool:
        answers = pool.map(lambda job_id: queue.classify(PIXELS, job_id, soon(settings)), ids)
        answer_jobs(settings, len(ids))
        labels = [given.predictions[0].label for given in answers]
    assert labels == [f"label of {job_id}" for job_id in ids]


def test_more_than_a_hundred_requests_can_wait_at_once(settings: Settings) -> None:
    subscriptions = Subscriptions(settings)
    with ExitStack() as waiting:
        for number in range(150):
            subscription = waiting.enter_context(subscriptions.to(f"{settings.key_prefix}{number}"))
            subscription.call(("PING",))


@pytest.mark.usefixtures("alive")
def test_answers_come_by_notification_without_a_single_look(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[str] = []
    monkeypatch.setattr(JobQueue, "_look", lambda _self, job_id: looks.append(job_id))
    with asked(settings) as future:
        answer_jobs(settings, 1)
        future.result()
    assert looks == []


@pytest.mark.usefixtures("alive")
def test_an_answer_whose_notification_was_lost_is_found_within_a_tick(
    make_settings: MakeSettings, client: Client
) -> None:
    settings = make_settings(poll_interval_s=0.2)
    keys = Keys(settings)
    with asked(settings) as future:
        wait_until(lambda: client.llen(keys.queue))
        client.set(keys.result("a" * 32), answer(Job("a" * 32, b"", 0)).to_json())
        assert future.result(timeout=10).id == "a" * 32


@pytest.mark.usefixtures("alive")
def test_an_answer_is_found_after_the_pubsub_connections_were_cut(make_settings: MakeSettings, client: Client) -> None:
    settings = make_settings(poll_interval_s=0.2)
    with asked(settings) as future:
        wait_until(lambda: client.llen(Keys(settings).queue))
        client.client_kill_filter(_type="pubsub")
        answer_jobs(settings, 1)
        assert future.result(timeout=10).id == "a" * 32


@pytest.mark.usefixtures("alive")
def test_idle_connections_that_redis_has_closed_are_replaced(settings: Settings, client: Client) -> None:
    queue = JobQueue(settings)
    with ThreadPoolExecutor(1) as pool:
        for job_id in ("a" * 32, "b" * 32):
            future = pool.submit(queue.classify, PIXELS, job_id, soon(settings))
            answer_jobs(settings, 1)
            assert future.result(timeout=10).id == job_id
            client.client_kill_filter(_type="pubsub")
            client.client_kill_filter(_type="normal", skipme=True)


@pytest.mark.usefixtures("alive")
def test_one_connection_serves_one_request_after_the_other(settings: Settings, client: Client) -> None:
    queue = JobQueue(settings)
    before = len(client.client_list(_type="pubsub"))
    with ThreadPoolExecutor(1) as pool:
        for number in range(5):
            future = pool.submit(queue.classify, PIXELS, f"{number:032}", soon(settings))
            answer_jobs(settings, 1)
            future.result()
    assert len(client.client_list(_type="pubsub")) <= before + 1


def test_what_one_request_leaves_unread_does_not_reach_the_next(settings: Settings, client: Client) -> None:
    subscriptions = Subscriptions(settings)
    with subscriptions.to("first") as subscription:
        subscription.call(("PING",))
        assert client.publish("first", "late") == 1
        subscription.end(("ECHO", "a reply for nobody"))
    with subscriptions.to("second") as subscription:
        assert subscription.call(("ECHO", "mine")) == b"mine"
        assert client.publish("second", "mine") == 1
        assert subscription.message(timeout_s=10) == b"mine"


@pytest.mark.usefixtures("alive")
def test_nothing_stays_in_redis_when_a_request_is_answered(settings: Settings, client: Client) -> None:
    with asked(settings) as future:
        answer_jobs(settings, 1)
        future.result()
    keys = Keys(settings)
    wait_until(lambda: set(client.keys(f"{settings.key_prefix}*")) <= {keys.workers, keys.worker("w1")})
    wait_until(lambda: client.pubsub_numsub(keys.result("a" * 32))[0][1] == 0)


@pytest.mark.usefixtures("alive")
def test_a_workers_error_reaches_the_one_who_asked(settings: Settings) -> None:
    with asked(settings) as future:
        source = JobSource(settings, "w1", "m")
        while not (jobs := source.take(1)):
            pass
        source.publish([Answer(jobs[0].id, "w1", "m", error="It broke.")])
        with pytest.raises(JobFailed, match=r"It broke\."):
            future.result()


@pytest.mark.usefixtures("alive")
def test_a_full_queue_refuses(make_settings: MakeSettings, client: Client) -> None:
    settings = make_settings(queue_capacity=2)
    client.rpush(Keys(settings).queue, "x", "y")
    with pytest.raises(QueueUnavailable, match="full") as refused:
        JobQueue(settings).classify(PIXELS, "a" * 32, soon(settings))
    assert refused.value.retry_after_s == 1
    assert client.llen(Keys(settings).queue) == 2


@pytest.mark.usefixtures("alive")
def test_while_some_are_refused_all_are_refused_at_no_cost(make_settings: MakeSettings, client: Client) -> None:
    settings = make_settings(queue_capacity=1)
    client.rpush(Keys(settings).queue, "x")
    queue = JobQueue(settings)
    queue.check_open()
    with pytest.raises(QueueUnavailable, match="full"):
        queue.classify(PIXELS, "a" * 32, soon(settings))
    with pytest.raises(QueueUnavailable, match="full"):
        queue.check_open()
    queue._refused_at = -math.inf  # as if some time had passed
    with pytest.raises(QueueUnavailable, match="full"):
        queue.check_open()
    client.delete(Keys(settings).queue)
    wait_until(lambda: is_open(queue))
    assert client.llen(Keys(settings).queue) == 0


def is_open(queue: JobQueue) -> bool:
    try:
        queue.check_open()
    except QueueUnavailable:
        return False
    return True


@pytest.mark.usefixtures("alive")
def test_a_queue_that_was_full_takes_jobs_again(make_settings: MakeSettings, client: Client) -> None:
    settings = make_settings(queue_capacity=2)
    client.rpush(Keys(settings).queue, "x", "y")
    client.delete(Keys(settings).queue)
    with asked(settings) as future:
        answer_jobs(settings, 1)
        assert future.result().id == "a" * 32


def test_without_a_worker_nothing_is_queued(settings: Settings, client: Client) -> None:
    with pytest.raises(QueueUnavailable, match="No worker"):
        JobQueue(settings).classify(PIXELS, "a" * 32, soon(settings))
    assert client.llen(Keys(settings).queue) == 0


@pytest.mark.usefixtures("alive")
def test_no_answer_by_the_deadline_is_an_error(make_settings: MakeSettings) -> None:
    settings = make_settings(request_timeout_s=0.3, poll_interval_s=0.1)
    with pytest.raises(DeadlineExceeded, match="seconds"):
        JobQueue(settings).classify(PIXELS, "a" * 32, soon(settings))


def test_without_redis_a_request_ends_at_once(make_settings: MakeSettings) -> None:
    settings = make_settings(redis_url=f"redis://127.0.0.1:{free_port()}/0")
    queue = JobQueue(settings)
    with pytest.raises(QueueUnavailable, match="out of reach"):
        queue.classify(PIXELS, "a" * 32, soon(settings))
    with pytest.raises(QueueUnavailable, match="out of reach"):
        queue.workers()


@pytest.mark.usefixtures("alive")
def test_living_workers_are_listed_and_dead_ones_are_not(settings: Settings, client: Client) -> None:
    dead = Keys(settings)
    client.zadd(dead.workers, {"w0": client.time()[0] - 60})
    client.set(dead.worker("w0"), INFO.to_json())
    assert [worker.name for worker in JobQueue(settings).workers()] == ["w1"]


def test_a_worker_that_ends_is_gone_at_once(settings: Settings) -> None:
    with beating(settings):
        assert JobQueue(settings).workers()
    assert JobQueue(settings).workers() == []


def test_a_prefix_keeps_two_services_in_one_redis_apart(make_settings: MakeSettings) -> None:
    mine, other = make_settings(key_prefix="mine:"), make_settings(key_prefix="other:")
    with beating(mine), asked(mine) as future:
        assert JobSource(other, "w1", "m").take(1) == []
        answer_jobs(mine, 1)
        assert future.result().id == "a" * 32


def test_a_job_is_json_of_four_fields_in_at_most_205_kilobytes(settings: Settings, client: Client) -> None:
    key = Keys(settings).queue
    client.rpush(key, Job("a" * 32, PIXELS, deadline=1.5).to_json())
    value = client.lindex(key, 0)
    assert len(value) <= 205_000
    fields = json.loads(value)
    assert set(fields) == {"id", "image", "deadline", "attempt"}
    assert len(fields["image"]) == 200_704
    # Redis's allocator rounds such a value up to its next size, 224 KiB.
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


def test_the_oldest_redis_that_we_promise_will_do(make_settings: MakeSettings) -> None:
    with embedded_redis(carried_server()) as url:
        settings = make_settings(redis_url=url)
        with connect(settings) as client:
            assert client.info("server")["redis_version"].startswith("6.2.")
        with beating(settings), asked(settings) as future:
            answer_jobs(settings, 1)
            assert future.result().id == "a" * 32
