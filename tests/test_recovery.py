"""What production does to the service, done to it on purpose: real processes are killed, stopped and cut off."""

import itertools
import os
import re
import signal
import socket
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from embedded_redis import embedded_redis, free_port
from job_protocol import Keys
from settings import Settings
from tests.clients import label, post, posting
from tests.conftest import COLOURS, Client, MakeSettings, picture
from tests.services import Process, Services, wait_until

# White is the poison of the frail worker.
HARMLESS = [colour for colour in COLOURS if colour != "white"]


@pytest.fixture
def settings(colour_settings: MakeSettings) -> Settings:
    return colour_settings(web_processes=1, poll_interval_s=0.3, heartbeat_ttl_s=2)


@pytest.fixture
def keys(settings: Settings) -> Keys:
    return Keys(settings)


def start_frail_worker(services: Services, delay_s: float = 0) -> Process:
    worker = services.start_module("tests.frail_worker", TEST_DELAY_S=delay_s)
    wait_until(lambda: "worker_started" in worker.output)
    return worker


def claimed_by(client: Client, keys: Keys) -> set[str]:
    return {client.get(key) for key in client.keys(keys.claim("*"))}


def busy(client: Client, keys: Keys, worker: Process) -> bool:
    """Tell whether the worker, whose name holds its process id, has a job in hand."""
    return any(f"-{worker.popen.pid}-" in (name or "") for name in claimed_by(client, keys))


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


def test_when_no_worker_returns_the_waiting_get_504_and_the_new_503(services: Services) -> None:
    worker = start_frail_worker(services)
    _, url = services.start_web_server(REQUEST_TIMEOUT_S=1, WORKER_GRACE_S=3)
    worker.stop()
    assert post(url, "red").status_code == 504
    wait_until(lambda: post(url, "red").status_code == 503)
    assert post(url, "red").headers["Retry-After"]


def test_a_full_queue_is_a_503_and_its_memory_is_bounded(services: Services, client: Client, keys: Keys) -> None:
    worker = start_frail_worker(services, delay_s=60)
    _, url = services.start_web_server(QUEUE_CAPACITY=3, REQUEST_TIMEOUT_S=5)
    with posting(url, *["red"] * 30) as answers:
        responses = [answer.result() for answer in answers]
    refused = [response for response in responses if response.status_code == 503]
    # The worker took four at once, three waited, and none of these was answered in time.
    assert 23 <= len(refused) <= 26
    assert {response.headers["Retry-After"] for response in refused} == {"1"}
    assert client.llen(keys.queue) <= 3
    worker.popen.kill()


def test_a_job_whose_client_has_hung_up_is_taken_off_the_queue(services: Services, client: Client, keys: Keys) -> None:
    start_frail_worker(services).stop()
    web_server, url = services.start_web_server(WORKER_GRACE_S=60)
    upload = picture()
    head = f"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: image/png\r\nContent-Length: {len(upload)}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2]))) as connection:
        connection.sendall(head.encode() + upload)
        wait_until(lambda: client.llen(keys.queue) == 1)
    wait_until(lambda: client.llen(keys.queue) == 0)
    wait_until(lambda: "status=499" in web_server.output)


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


def claims(client: Client, keys: Keys) -> list[str]:
    found: list[str] = client.keys(keys.claim("*"))
    return found


def test_garbage_on_the_list_does_not_stop_a_worker(services: Services, client: Client, keys: Keys) -> None:
    worker = start_frail_worker(services)
    _, url = services.start_web_server()
    junk = ["not JSON", "{}", "[]", "null", '{"id": "x"}', '{"id": ["x"]}', '{"id": "y", "image": 5}', "x" * 5_000_000]
    client.rpush(keys.queue, *junk, os.urandom(1000))
    assert label(post(url, "red")) == "red"
    wait_until(lambda: worker.output.count("job_malformed") == len(junk) + 1)
    assert client.exists(keys.result("x"))


class TestWithARedisOfItsOwn:
    """Faults of Redis itself."""

    @pytest.fixture
    def port(self) -> int:
        return free_port()

    @pytest.fixture
    def settings(self, port: int, colour_settings: MakeSettings) -> Settings:
        redis_url = f"redis://127.0.0.1:{port}/0"
        return colour_settings(redis_url=redis_url, web_processes=1, poll_interval_s=0.3, heartbeat_ttl_s=2)

    def test_requests_that_wait_survive_a_restart_of_an_empty_redis(
        self, port: int, services: Services, keys: Keys
    ) -> None:
        with embedded_redis(port=port):
            slow = start_frail_worker(services, delay_s=1)
            _, url = services.start_web_server()
            clients = ThreadPoolExecutor(12)
            answers = [clients.submit(post, url, colour) for colour in HARMLESS]
            wait_until(lambda: "job_claimed" in slow.output)
        refused = post(url, "red")
        assert (refused.status_code, refused.headers["Retry-After"]) == (503, "5")
        with embedded_redis(port=port), clients:
            assert [label(answer.result()) for answer in answers] == HARMLESS
            assert label(post(url, "red")) == "red"

    def test_without_memory_redis_refuses_and_with_it_all_goes_on(
        self, port: int, services: Services, keys: Keys
    ) -> None:
        import redis

        with embedded_redis(port=port) as redis_url, redis.Redis.from_url(redis_url) as client:
            worker = start_frail_worker(services, delay_s=0.5)
            _, url = services.start_web_server()
            with posting(url, "red") as (answer,):
                wait_until(lambda: "job_claimed" in worker.output)
                client.config_set("maxmemory", "1")
                assert label(answer.result()) == "red"
            assert post(url, "red").status_code == 503
            client.config_set("maxmemory", "0")
            wait_until(lambda: post(url, "red").status_code == 200)


def test_a_job_that_got_lost_while_the_queue_is_never_empty_is_pushed_again(
    services: Services, client: Client, keys: Keys
) -> None:
    client.zadd(keys.workers, {"was here": client.time()[0]})
    web_server, url = services.start_web_server(WORKER_GRACE_S=60)
    with posting(url, "red") as (answer,):
        wait_until(lambda: client.llen(keys.queue) == 1)
        lost = client.lpop(keys.queue)
        younger = re.sub(r'"deadline":([\d.]+)', lambda found: f'"deadline":{float(found[1]) + 5}', lost)
        client.rpush(keys.queue, younger.replace('"id":"', '"id":"younger'))
        wait_until(lambda: client.llen(keys.queue) == 2)
        start_frail_worker(services)
        assert label(answer.result()) == "red"
    assert "job_lost" in web_server.output
