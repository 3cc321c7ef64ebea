"""The web server's side of the queue, against a real Redis with a hand-made worker at the other end."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from embedded_redis import carried_server, embedded_redis
from errors import DeadlineExceeded, JobFailed
from job_protocol import Answer, Job, Keys
from job_queue import JobQueue
from job_source import JobSource
from redis_connection import connect
from settings import Settings
from tests.conftest import INFO, PIXELS, Client, MakeSettings, beating
from tests.hand_made_worker import answer, answer_jobs, asked, soon
from tests.services import wait_until


@pytest.mark.usefixtures("alive")
def test_each_of_many_concurrent_jobs_gets_its_own_answer(settings: Settings) -> None:
    queue = JobQueue(settings)
    ids = [f"{number:032x}" for number in range(100)]
    with ThreadPoolExecutor(50) as pool:
        answers = pool.map(lambda job_id: queue.classify(PIXELS, job_id, soon(settings)), ids)
        answer_jobs(settings, len(ids))
        labels = [given.predictions[0].label for given in answers]
    assert labels == [f"label of {job_id}" for job_id in ids]


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
def test_no_answer_by_the_deadline_is_an_error(make_settings: MakeSettings) -> None:
    settings = make_settings(request_timeout_s=0.3, poll_interval_s=0.1)
    with pytest.raises(DeadlineExceeded, match="seconds"):
        JobQueue(settings).classify(PIXELS, "a" * 32, soon(settings))


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


def test_the_oldest_redis_that_we_promise_will_do(make_settings: MakeSettings) -> None:
    with embedded_redis(carried_server()) as url:
        settings = make_settings(redis_url=url)
        with connect(settings) as client:
            assert client.info("server")["redis_version"].startswith("6.2.")
        with beating(settings), asked(settings) as future:
            answer_jobs(settings, 1)
            assert future.result().id == "a" * 32
