"""What production does to the workers, done to them on purpose: real processes are killed and stopped."""

import itertools
import signal
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from job_protocol import Keys
from settings import Settings
from tests.clients import label, post, posting
from tests.conftest import Client, MakeSettings
from tests.faults import HARMLESS, IMPATIENT, busy, claims, start_frail_worker
from tests.services import Services, wait_until


@pytest.fixture
def settings(colour_settings: MakeSettings) -> Settings:
    return colour_settings(**IMPATIENT)


def test_a_killed_workers_jobs_are_done_by_another(services: Services, client: Client, keys: Keys) -> None:
    doomed = start_frail_worker(services, delay_s=60)
    _, url = services.start_web_server()
    with posting(url, "red", "green", "blue") as answers:
        wait_until(lambda: busy(client, keys, doomed))
        start_frail_worker(services)
        doomed.popen.kill()
        doomed.popen.wait()
        assert [label(answer.result()) for answer in answers] == ["red", "green", "blue"]


def test_workers_killed_again_and_again_under_load_lose_nothing(services: Services, client: Client, keys: Keys) -> None:
    workers = [start_frail_worker(services, delay_s=0.05) for _ in range(3)]
    # More attempts than kills, since it might be the same job's worker that is killed every time.
    _, url = services.start_web_server(MAX_ATTEMPTS=5)
    over = threading.Event()

    def send() -> list[tuple[str, str]]:
        colours = itertools.takewhile(lambda _: not over.is_set(), itertools.cycle(HARMLESS))
        return [(colour, label(post(url, colour))) for colour in colours]

    with ThreadPoolExecutor(8) as pool:
        clients = [pool.submit(send) for _ in range(8)]
        for _ in range(4):
            wait_until(lambda: any(busy(client, keys, worker) for worker in workers))
            victim = next((worker for worker in workers if busy(client, keys, worker)), workers[0])
            victim.popen.kill()
            workers[workers.index(victim)] = start_frail_worker(services, delay_s=0.05)
        over.set()
        answers = [answer for sender in clients for answer in sender.result()]
    assert len(answers) > 8
    assert [answer for answer in answers if answer[0] != answer[1]] == []


def test_a_hung_workers_jobs_are_done_by_another_and_its_late_answer_harms_nothing(
    services: Services, client: Client, keys: Keys
) -> None:
    hung = start_frail_worker(services, delay_s=0.5)
    _, url = services.start_web_server()
    with posting(url, "red") as (answer,):
        wait_until(lambda: busy(client, keys, hung))
        hung.popen.send_signal(signal.SIGSTOP)
        start_frail_worker(services)
        assert label(answer.result()) == "red"
    hung.popen.send_signal(signal.SIGCONT)
    wait_until(lambda: "job_done" in hung.output)
    assert [label(post(url, colour)) for colour in HARMLESS] == HARMLESS


def test_a_picture_that_kills_every_worker_fails_alone(services: Services, client: Client, keys: Keys) -> None:
    over = threading.Event()

    def keep_one_running() -> None:
        worker = start_frail_worker(services)
        while not over.is_set():
            if worker.popen.poll() is not None:
                worker = start_frail_worker(services)
            over.wait(0.02)

    # All of them are in the queue before the first worker comes, so that they are in one batch with the poison.
    _, url = services.start_web_server(WORKER_GRACE_S=60)
    client.zadd(keys.workers, {"was here": client.time()[0]})
    keeper = threading.Thread(target=keep_one_running)
    with posting(url, "red", "white", "blue") as (red, white, blue):
        wait_until(lambda: client.llen(keys.queue) == 3)
        keeper.start()
        failed = white.result()
        assert [label(red.result()), label(blue.result())] == ["red", "blue"]
    over.set()
    keeper.join()
    assert failed.status_code == 500
    assert failed.json()["detail"] == "Each of the 3 workers that took this picture has died."


def test_jobs_that_wait_while_all_workers_are_gone_are_done_when_one_returns(
    services: Services, client: Client, keys: Keys
) -> None:
    worker = start_frail_worker(services)
    _, url = services.start_web_server(WORKER_GRACE_S=60)
    worker.stop()
    with posting(url, "red", "blue") as answers:
        wait_until(lambda: client.llen(keys.queue) == 2)
        start_frail_worker(services)
        assert [label(answer.result()) for answer in answers] == ["red", "blue"]


@pytest.mark.parametrize("part", ["worker", "web server"])
def test_sigterm_under_load_finishes_what_is_in_hand(part: str, services: Services, client: Client, keys: Keys) -> None:
    worker = start_frail_worker(services, delay_s=1)
    web_server, url = services.start_web_server()
    with posting(url, *HARMLESS[:4]) as answers:
        wait_until(lambda: busy(client, keys, worker))
        if part == "worker":
            start_frail_worker(services)
            assert worker.stop() == 0
        else:
            wait_until(lambda: client.pubsub_numpat() == 0 and client.llen(keys.queue) + len(claims(client, keys)) == 4)
            assert web_server.stop() == 0
        assert [label(answer.result()) for answer in answers] == HARMLESS[:4]
