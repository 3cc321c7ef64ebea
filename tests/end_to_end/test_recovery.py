"""Faults of workers: real processes are killed, suspended and stopped."""

import itertools
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from benchmarks.services import Services, wait_until
from jobs.protocol import Keys
from settings import Settings
from tests.conftest import Client, MakeSettings
from tests.support.clients import label, labels, post, post_all, posting
from tests.support.faults import FAST_DETECTION, HARMLESS, busy, start_faulty_worker
from worker.service import STUCK_EXIT_CODE

# For requests that outlast several workers; the clients wait for 60 s.
LONG_S = 55


@pytest.fixture
def settings(colour_settings: MakeSettings) -> Settings:
    return colour_settings(**FAST_DETECTION)


def test_a_killed_workers_jobs_are_done_by_another(services: Services, client: Client, keys: Keys) -> None:
    doomed = start_faulty_worker(services, delay_s=60)
    _, url = services.start_web_server()
    with posting(url, "red", "green", "blue") as futures:
        wait_until(lambda: busy(client, keys, doomed))
        start_faulty_worker(services)
        doomed.popen.kill()
        doomed.popen.wait()
        assert [label(future.result()) for future in futures] == ["red", "green", "blue"]


def test_a_killed_worker_costs_a_request_with_several_pictures_none_of_them(
    services: Services, client: Client, keys: Keys
) -> None:
    doomed = start_faulty_worker(services, delay_s=60)
    web_server, url = services.start_web_server()
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(post_all, url, *HARMLESS)
        wait_until(lambda: busy(client, keys, doomed))
        start_faulty_worker(services)
        doomed.popen.kill()
        doomed.popen.wait()
        assert labels(answer.result()) == HARMLESS
    # What it had not taken stayed in the queue.
    assert 1 <= web_server.output.count("job_orphaned") < len(HARMLESS)


def test_workers_killed_repeatedly_under_load_lose_no_job(services: Services, client: Client, keys: Keys) -> None:
    workers = [start_faulty_worker(services, delay_s=0.05) for _ in range(3)]
    # More attempts than kills, since each kill may hit the worker of the same job.
    _, url = services.start_web_server(MAX_ATTEMPTS=5, REQUEST_TIMEOUT_S=LONG_S)
    finished = threading.Event()

    def send() -> list[tuple[str, str]]:
        colours = itertools.takewhile(lambda _: not finished.is_set(), itertools.cycle(HARMLESS))
        return [(colour, label(post(url, colour))) for colour in colours]

    with ThreadPoolExecutor(8) as pool:
        clients = [pool.submit(send) for _ in range(8)]
        try:
            for _ in range(4):
                wait_until(lambda: any(busy(client, keys, worker) for worker in workers))
                victim = next((worker for worker in workers if busy(client, keys, worker)), workers[0])
                victim.popen.kill()
                workers[workers.index(victim)] = start_faulty_worker(services, delay_s=0.05)
        finally:
            finished.set()
        answers = [answer for sender in clients for answer in sender.result()]
    assert len(answers) > 8
    assert [answer for answer in answers if answer[0] != answer[1]] == []


def test_a_hung_workers_jobs_are_done_by_another_and_its_late_result_does_no_harm(
    services: Services, client: Client, keys: Keys
) -> None:
    hung = start_faulty_worker(services, delay_s=0.5)
    _, url = services.start_web_server()
    with posting(url, "red") as (future,):
        wait_until(lambda: busy(client, keys, hung))
        hung.popen.send_signal(signal.SIGSTOP)
        start_faulty_worker(services)
        assert label(future.result()) == "red"
    hung.popen.send_signal(signal.SIGCONT)
    wait_until(lambda: "job_done" in hung.output)
    assert [label(post(url, colour)) for colour in HARMLESS] == HARMLESS


def test_a_worker_whose_network_hangs_for_good_ends_and_its_jobs_are_done_by_another(
    services: Services, client: Client, keys: Keys
) -> None:
    stuck = start_faulty_worker(services, delay_s=1e6, STALL_TIMEOUT_S=2)
    _, url = services.start_web_server()
    with posting(url, "red") as (future,):
        wait_until(lambda: busy(client, keys, stuck))
        start_faulty_worker(services)
        assert label(future.result()) == "red"
    assert stuck.popen.wait(60) == STUCK_EXIT_CODE
    assert stuck.output.count("worker_stuck") == 1
    assert "Traceback" not in stuck.output


def test_a_stuck_worker_that_is_told_to_stop_ends_too(services: Services, client: Client, keys: Keys) -> None:
    stuck = start_faulty_worker(services, delay_s=1e6, STALL_TIMEOUT_S=2)
    _, url = services.start_web_server(REQUEST_TIMEOUT_S=3)
    with posting(url, "red"):
        wait_until(lambda: busy(client, keys, stuck))
        assert stuck.stop() == STUCK_EXIT_CODE


@contextmanager
def one_worker_kept_running(services: Services) -> Iterator[None]:
    """Start a worker, and another one whenever it has died, during the block."""
    finished = threading.Event()

    def keep_one_running() -> None:
        worker = start_faulty_worker(services)
        while not finished.wait(0.02):
            if worker.popen.poll() is not None:
                worker = start_faulty_worker(services)

    keeper = threading.Thread(target=keep_one_running)
    keeper.start()
    try:
        yield
    finally:
        finished.set()
        keeper.join()


def test_a_picture_that_kills_every_worker_fails_alone(services: Services, client: Client, keys: Keys) -> None:
    # All jobs are in the queue before the first worker starts, so that they are in one batch with the poison.
    _, url = services.start_web_server(WORKER_GRACE_S=60, REQUEST_TIMEOUT_S=LONG_S)
    client.zadd(keys.workers, {"was here": client.time()[0]})
    with posting(url, "red", "white", "blue") as (red, white, blue):
        wait_until(lambda: client.llen(keys.queue) == 3)
        with one_worker_kept_running(services):
            failed = white.result()
            assert [label(red.result()), label(blue.result())] == ["red", "blue"]
    assert failed.status_code == 500
    assert failed.json()["detail"] == "Each of the 3 workers that took this picture has died."


def test_jobs_that_wait_while_no_worker_runs_are_done_when_one_starts(
    services: Services, client: Client, keys: Keys
) -> None:
    worker = start_faulty_worker(services)
    _, url = services.start_web_server(WORKER_GRACE_S=60)
    worker.stop()
    with posting(url, "red", "blue") as futures:
        wait_until(lambda: client.llen(keys.queue) == 2)
        start_faulty_worker(services)
        assert [label(future.result()) for future in futures] == ["red", "blue"]


@pytest.mark.parametrize("part", ["worker", "web server"])
def test_sigterm_under_load_finishes_the_requests_in_progress(
    part: str, services: Services, client: Client, keys: Keys
) -> None:
    worker = start_faulty_worker(services, delay_s=3)
    web_server, url = services.start_web_server(LOG_LEVEL="debug")
    stopping = worker if part == "worker" else web_server
    with posting(url, *HARMLESS[:4]) as futures:
        wait_until(lambda: busy(client, keys, worker) and web_server.output.count("job_queued") == 4)
        stopping.popen.send_signal(signal.SIGTERM)
        if part == "worker":
            start_faulty_worker(services)
        assert [label(future.result()) for future in futures] == HARMLESS[:4]
    assert stopping.popen.wait(60) == 0
