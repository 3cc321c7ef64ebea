"""When the queue takes no more: a full one, one without a worker, one that is out of reach."""

import math

import pytest

from embedded_redis import free_port
from errors import QueueUnavailable
from job_protocol import Keys
from job_queue import JobQueue
from settings import Settings
from tests.conftest import PIXELS, Client, MakeSettings
from tests.hand_made_worker import answer_jobs, asked, soon
from tests.services import wait_until


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


def test_without_redis_a_request_ends_at_once(make_settings: MakeSettings) -> None:
    settings = make_settings(redis_url=f"redis://127.0.0.1:{free_port()}/0")
    queue = JobQueue(settings)
    with pytest.raises(QueueUnavailable, match="out of reach"):
        queue.classify(PIXELS, "a" * 32, soon(settings))
    with pytest.raises(QueueUnavailable, match="out of reach"):
        queue.workers()
