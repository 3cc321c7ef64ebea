"""Faults of Redis and of its data: a restart, no free memory, a lost job, garbage."""

import os
import re
from concurrent.futures import ThreadPoolExecutor

import pytest
import redis

from benchmarks.services import Services, wait_until
from jobs.protocol import Keys
from settings import Settings
from tests.conftest import Client, MakeSettings
from tests.support.clients import label, post, posting
from tests.support.faults import FAST_DETECTION, HARMLESS, start_faulty_worker
from tools.embedded_redis import embedded_redis, free_port


@pytest.fixture
def settings(colour_settings: MakeSettings) -> Settings:
    return colour_settings(**FAST_DETECTION)


def test_a_lost_job_is_requeued_even_if_the_queue_is_never_empty(
    services: Services, client: Client, keys: Keys
) -> None:
    client.zadd(keys.workers, {"was here": client.time()[0]})
    web_server, url = services.start_web_server(WORKER_GRACE_S=60)
    with posting(url, "red") as (future,):
        wait_until(lambda: client.llen(keys.queue) == 1)
        lost = client.lpop(keys.queue)
        younger = re.sub(r'"queued_at":([\d.]+)', lambda found: f'"queued_at":{float(found[1]) + 5}', lost)
        client.rpush(keys.queue, younger.replace('"id":"', '"id":"younger'))
        wait_until(lambda: client.llen(keys.queue) == 2)
        start_faulty_worker(services)
        assert label(future.result()) == "red"
    assert "job_lost" in web_server.output


def test_garbage_in_the_queue_does_not_stop_a_worker(services: Services, client: Client, keys: Keys) -> None:
    worker = start_faulty_worker(services)
    _, url = services.start_web_server()
    junk = ["not JSON", "{}", "[]", "null", '{"id": "x"}', '{"id": ["x"]}', '{"id": "y", "image": 5}', "x" * 5_000_000]
    client.rpush(keys.queue, *junk, os.urandom(1000))
    assert label(post(url, "red")) == "red"
    wait_until(lambda: worker.output.count("job_malformed") == len(junk) + 1)
    assert client.exists(keys.result("x"))


class TestFaultsOfTheServer:
    """With a Redis server of their own."""

    @pytest.fixture
    def port(self) -> int:
        return free_port()

    @pytest.fixture
    def settings(self, port: int, colour_settings: MakeSettings) -> Settings:
        redis_url = f"redis://127.0.0.1:{port}/0"
        return colour_settings(redis_url=redis_url, **FAST_DETECTION)

    def test_waiting_requests_survive_a_restart_of_redis_that_loses_its_data(
        self, port: int, services: Services, keys: Keys
    ) -> None:
        with embedded_redis(port=port) as redis_url, redis.Redis.from_url(redis_url) as client:
            slow = start_faulty_worker(services, delay_s=1)
            _, url = services.start_web_server()
            clients = ThreadPoolExecutor(12)
            futures = [clients.submit(post, url, colour) for colour in HARMLESS]
            wait_until(lambda: slow.output.count("job_claimed") + client.llen(keys.queue) == len(HARMLESS))
        refused = post(url, "red")
        assert (refused.status_code, refused.headers["Retry-After"]) == (503, "5")
        with embedded_redis(port=port), clients:
            assert [label(future.result()) for future in futures] == HARMLESS
            assert label(post(url, "red")) == "red"

    def test_requests_are_refused_while_redis_has_no_free_memory_and_accepted_afterwards(
        self, port: int, services: Services
    ) -> None:
        with embedded_redis(port=port) as redis_url, redis.Redis.from_url(redis_url) as client:
            worker = start_faulty_worker(services, delay_s=0.5)
            _, url = services.start_web_server()
            with posting(url, "red") as (future,):
                wait_until(lambda: "job_claimed" in worker.output)
                client.config_set("maxmemory", "1")
                assert label(future.result()) == "red"
            assert post(url, "red").status_code == 503
            client.config_set("maxmemory", "0")
            wait_until(lambda: post(url, "red").status_code == 200)
