"""Overload: requests that cannot be answered in time are refused, and abandoned jobs are removed."""

import os
import signal
import socket

import pytest

from benchmarks.services import Services, wait_until
from jobs.protocol import Keys
from settings import Settings
from tests.conftest import Client, MakeSettings, picture
from tests.support.clients import post, posting
from tests.support.faults import FAST_DETECTION, claims, start_faulty_worker


@pytest.fixture
def settings(colour_settings: MakeSettings) -> Settings:
    return colour_settings(**FAST_DETECTION)


def test_without_workers_waiting_requests_get_504_and_new_ones_503(
    services: Services, client: Client, keys: Keys
) -> None:
    worker = start_faulty_worker(services)
    _, url = services.start_web_server(REQUEST_TIMEOUT_S=1, WORKER_GRACE_S=20)
    worker.stop()
    assert post(url, "red").status_code == 504
    # As if it had stopped that much earlier.
    (name,) = client.zrange(keys.workers, 0, -1)
    client.zincrby(keys.workers, -20, name)
    wait_until(lambda: post(url, "red").status_code == 503)
    assert post(url, "red").headers["Retry-After"]


def test_a_full_queue_is_a_503_and_does_not_grow(services: Services, client: Client, keys: Keys) -> None:
    worker = start_faulty_worker(services, delay_s=60, BATCH_SIZE=1)
    # No job is to be queued again on its way to the worker, nor the worker to count as dead.
    patient = {"REQUEST_TIMEOUT_S": 55, "POLL_INTERVAL_S": 55, "WORKER_GRACE_S": 60}
    web_server, url = services.start_web_server(QUEUE_CAPACITY=3, **patient)
    with posting(url, *["red"] * 50) as futures:
        try:
            wait_until(lambda: sum(future.done() for future in futures) + jobs_in_hand(client, keys) == 50)
            refused = [future.result() for future in futures if future.done()]
            # Each batch loop of the worker took one job, and three wait.
            assert 47 - len(os.sched_getaffinity(0)) <= len(refused) <= 46
            assert {response.status_code for response in refused} == {503}
            assert {response.headers["Retry-After"] for response in refused} == {"1"}
            assert client.llen(keys.queue) <= 3
        finally:
            # So that nobody waits any longer.
            web_server.signal_group(signal.SIGKILL)
            worker.popen.kill()


def jobs_in_hand(client: Client, keys: Keys) -> int:
    """Count them from the worker's end to the queue's, so that none that moves on meanwhile counts twice."""
    return len(claims(client, keys)) + int(client.llen(keys.queue))


def test_the_job_of_a_client_that_hung_up_is_removed_from_the_queue(
    services: Services, client: Client, keys: Keys
) -> None:
    start_faulty_worker(services).stop()
    web_server, url = services.start_web_server(WORKER_GRACE_S=60)
    upload = picture()
    head = f"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: image/png\r\nContent-Length: {len(upload)}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2]))) as connection:
        connection.sendall(head.encode() + upload)
        wait_until(lambda: client.llen(keys.queue) == 1)
    wait_until(lambda: client.llen(keys.queue) == 0)
    wait_until(lambda: "status=499" in web_server.output)
