"""When the queue takes no more: a full one, one without a worker, one that is out of reach."""

import math

import pytest

import job_queue
from embedded_redis import free_port
from errors import DeadlineExceeded, QueueUnavailable
from job_protocol import Keys
from job_queue import JobQueue
from settings import Settings
from tests.conftest import PIXELS, Client, MakeSettings
from tests.hand_made_worker import answer_jobs, asked, soon


@pytest.mark.usefixtures("alive")
def test_a_full_queue_refuses(make_settings: MakeSettings, client: Client) -> None:
    settings = make_settings(queue_capacity=2)
    client.rpush(Keys(settings).queue, "x", "y")
    with pytest.raises(QueueUnavailable, match="full") as refused:
        JobQueue(settings).classify(PIXELS, "a" * 32, soon(settings))
    assert refused.value.retry_after_s == 1
    assert client.llen(Keys(settings).queue) == 2


@pytest.mark.usefixtures("alive")
def test_the_last_place_in_the_queue_can_be_taken(make_settings: MakeSettings, client: Client, keys: Keys) -> None:
    settings = make_settings(queue_capacity=2, request_timeout_s=0.1)
    client.rpush(keys.queue, "x")
    with pytest.raises(DeadlineExceeded):
        JobQueue(settings).classify(PIXELS, "a" * 32, soon(settings))
    assert client.llen(keys.queue) == 2


@pytest.mark.usefixtures("alive")
def test_while_some_are_refused_all_are_refused_at_no_cost(
    make_settings: MakeSettings, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job_queue, "REFUSAL_HOLDS_S", 3600)
    settings = make_settings(queue_capacity=1)
    client.rpush(Keys(settings).queue, "x")
    queue = JobQueue(settings)
    queue.check_open()
    with pytest.raises(QueueUnavailable, match="full"):
        queue.classify(PIXELS, "a" * 32, soon(settings))
    with pytest.raises(QueueUnavailable, match="full"):
        queue.check_open()
    client.delete(Keys(settings).queue)
    with pytest.raises(QueueUnavailable, match="full"):
        queue.check_open()
    client.rpush(Keys(settings).queue, "x")
    queue._refused_at = -math.inf  # as if some time had passed
    with pytest.raises(QueueUnavailable, match="full"):
        queue.check_open()
    client.delete(Keys(settings).queue)
    queue._refused_at = -math.inf
    queue.check_open()
    assert client.llen(Keys(settings).queue) == 0
    monkeypatch.setattr(queue._redis, "eval", None)  # it is open, and Redis is not asked any more
    queue.check_open()


@pytest.mark.parametrize(("seen_s_ago", "length"), [(5, 1), (15, 0)])
def test_for_a_while_after_the_last_worker_was_seen_jobs_are_still_queued(
    seen_s_ago: int, length: int, make_settings: MakeSettings, client: Client, keys: Keys
) -> None:
    settings = make_settings(worker_grace_s=10, request_timeout_s=0.1)
    client.zadd(keys.workers, {"was here": client.time()[0] - seen_s_ago})
    with pytest.raises(QueueUnavailable if seen_s_ago > 10 else DeadlineExceeded):
        JobQueue(settings).classify(PIXELS, "a" * 32, soon(settings))
    assert client.llen(keys.queue) == length


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


def test_without_redis_a_request_ends_at_once(make_settings: MakeSettings) -> None:
    settings = make_settings(redis_url=f"redis://127.0.0.1:{free_port()}/0")
    queue = JobQueue(settings)
    with pytest.raises(QueueUnavailable, match="out of reach"):
        queue.classify(PIXELS, "a" * 32, soon(settings))
    with pytest.raises(QueueUnavailable, match="out of reach"):
        queue.workers()
