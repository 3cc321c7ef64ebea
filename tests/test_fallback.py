"""What a web server does when no notification comes: it looks where the job is, and helps where that is needed."""

import json
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import redis

from errors import ClientGone, JobFailed
from job_protocol import Job, Keys
from job_queue import JobQueue
from settings import Settings
from tests.conftest import PIXELS, Client, MakeSettings
from tests.hand_made_worker import answer, answer_jobs, asked, soon
from tests.services import wait_until

pytestmark = pytest.mark.usefixtures("alive")
ID = "a" * 32
# So many that, if the job were to be pushed again, it would have been.
MANY_LOOKS = 5


@pytest.fixture
def settings(make_settings: MakeSettings) -> Settings:
    return make_settings(poll_interval_s=0.05)


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What each look has seen."""
    seen: list[str] = []
    look = JobQueue._look

    def noting(queue: JobQueue, job: Job) -> tuple[str, bytes]:
        found = look(queue, job)
        seen.append(found[0])
        return found

    monkeypatch.setattr(JobQueue, "_look", noting)
    return seen


def queued(client: Client, keys: Keys) -> list[dict[str, Any]]:
    return [json.loads(job) for job in client.lrange(keys.queue, 0, -1)]


def take(client: Client, keys: Keys, worker: str = "") -> dict[str, Any]:
    """Take the job off the queue, and claim it if a worker is named."""
    wait_until(lambda: client.llen(keys.queue))
    with client.pipeline(transaction=True) as pipeline:
        if worker:
            pipeline.set(keys.claim(ID), worker)
        pipeline.lpop(keys.queue)
        job: dict[str, Any] = json.loads(pipeline.execute()[-1])
    return job


def test_a_job_carries_the_deadline_of_its_request(settings: Settings, client: Client, keys: Keys) -> None:
    with asked(settings) as future:
        wait_until(lambda: client.llen(keys.queue))
        (job,) = queued(client, keys)
        assert job["deadline"] == pytest.approx(client.time()[0] + settings.request_timeout_s, abs=5)
        answer_jobs(settings, 1)
        future.result()


def test_the_job_of_a_dead_worker_comes_again_before_all_others_and_unclaimed(
    settings: Settings, client: Client, keys: Keys
) -> None:
    with asked(settings) as future:
        lost = take(client, keys, worker="dead")
        client.rpush(keys.queue, Job("b" * 32, PIXELS, lost["deadline"]).to_json())
        wait_until(lambda: client.llen(keys.queue) == 2)
        assert [(job["id"], job["attempt"]) for job in queued(client, keys)] == [(ID, 2), ("b" * 32, 1)]
        assert not client.exists(keys.claim(ID))
        answer_jobs(settings, 2)
        assert future.result().id == ID


@pytest.mark.parametrize("behind", [False, True], ids=["the queue is empty", "the head is younger"])
def test_a_job_that_got_lost_comes_again_and_that_is_no_attempt(
    behind: bool, settings: Settings, client: Client, keys: Keys
) -> None:
    with asked(settings) as future:
        lost = take(client, keys)
        if behind:
            younger = Job("b" * 32, PIXELS, lost["deadline"], queued_at=lost["queued_at"] + 5)
            client.rpush(keys.queue, younger.to_json())
        wait_until(lambda: client.llen(keys.queue) == 1 + behind)
        assert queued(client, keys)[0] == lost
        answer_jobs(settings, 1 + behind)
        assert future.result().id == ID


def test_a_job_that_a_living_worker_has_is_left_to_it(
    settings: Settings, client: Client, keys: Keys, looks: list[str]
) -> None:
    with asked(settings) as future:
        take(client, keys, worker="w1")
        wait_until(lambda: looks[-MANY_LOOKS:] == ["waiting"] * MANY_LOOKS)
        assert client.llen(keys.queue) == 0
        client.set(keys.result(ID), answer(Job(ID, b"", 0)).to_json())
        assert future.result().id == ID


def test_a_job_that_waits_behind_an_older_one_is_left_in_its_place(
    settings: Settings, client: Client, keys: Keys, looks: list[str]
) -> None:
    now = client.time()[0]
    # Its request came later, but its picture was decoded sooner.
    client.rpush(keys.queue, Job("b" * 32, PIXELS, now + settings.request_timeout_s + 5, queued_at=now).to_json())
    with asked(settings) as future:
        wait_until(lambda: len(looks) >= MANY_LOOKS)
        assert [job["id"] for job in queued(client, keys)] == ["b" * 32, ID]
        answer_jobs(settings, 2)
        assert future.result().id == ID


@pytest.mark.parametrize(
    ("seen", "pushes"),
    [(["lost", "waiting", "lost"], 0), (["lost"] * 3, 1), (["lost"] * 4, 2), (["lost", "unknown", "lost"], 0)],
)
def test_two_looks_running_must_find_a_job_lost_before_it_is_pushed_again(
    seen: list[str], pushes: int, settings: Settings, client: Client, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    states = iter([*((state, b"") for state in seen), ("answered", answer(Job(ID, b"", 0)).to_json())])
    monkeypatch.setattr(JobQueue, "_look", lambda *_: next(states))
    with asked(settings) as future:
        assert future.result().id == ID
    assert client.llen(keys.queue) == 1 + pushes


def test_a_job_whose_every_worker_died_fails(make_settings: MakeSettings, client: Client, keys: Keys) -> None:
    settings = make_settings(poll_interval_s=0.05, max_attempts=2)
    with asked(settings) as future:
        assert [take(client, keys, worker="dead")["attempt"] for _ in range(2)] == [1, 2]
        with pytest.raises(JobFailed, match="Each of the 2 workers"):
            future.result()


def test_a_look_or_a_push_that_fails_is_tried_again(
    settings: Settings, client: Client, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed: list[str] = []

    def fails_at_first(name: str, real: Any) -> Any:
        def call(*arguments: Any, **options: Any) -> Any:
            if failed.count(name) < MANY_LOOKS:
                failed.append(name)
                raise redis.ConnectionError("away")
            return real(*arguments, **options)

        return call

    queue = JobQueue(settings)
    monkeypatch.setattr(queue, "_look_script", fails_at_first("look", queue._look_script))
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(queue.classify, PIXELS, ID, soon(settings))
        wait_until(lambda: failed.count("look") == MANY_LOOKS)
        assert client.llen(keys.queue) == 1
        monkeypatch.setattr(queue._redis, "pipeline", fails_at_first("push", queue._redis.pipeline))
        take(client, keys, worker="dead")
        wait_until(lambda: client.llen(keys.queue) == 1)
        assert failed.count("push") == MANY_LOOKS
        assert queued(client, keys)[0]["attempt"] == 2
        answer_jobs(settings, 1)
        assert future.result().id == ID


def test_the_job_of_a_client_that_has_hung_up_is_taken_back(settings: Settings, client: Client, keys: Keys) -> None:
    with pytest.raises(ClientGone):
        JobQueue(settings).classify(PIXELS, ID, time.monotonic() + 30, client_gone=lambda: True)
    assert client.llen(keys.queue) == 0
