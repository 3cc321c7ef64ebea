"""Overload: requests that cannot be answered in time are refused, and abandoned jobs are removed."""

import os
import socket

import pytest

from benchmarks.services import Services, wait_until
from jobs.protocol import Keys
from settings import Settings
from tests.conftest import Client, MakeSettings, picture
from tests.support.clients import post, posting
from tests.support.faults import FAST_DETECTION, start_faulty_worker


@pytest.fixture
def settings(colour_settings: MakeSettings) -> Settings:
    return colour_settings(**FAST_DETECTION)


def test_without_workers_waiting_requests_get_504_and_new_ones_503(services: Services) -> None:
    worker = start_faulty_worker(services)
    _, url = services.start_web_server(REQUEST_TIMEOUT_S=1, WORKER_GRACE_S=3)
    worker.stop()
    assert post(url, "red").status_code == 504
    wait_until(lambda: post(url, "red").status_code == 503)
    assert post(url, "red").headers["Retry-After"]


def test_a_full_queue_is_a_503_and_does_not_grow(services: Services, client: Client, keys: Keys) -> None:
    worker = start_faulty_worker(services, delay_s=60, BATCH_SIZE=1)
    _, url = services.start_web_server(QUEUE_CAPACITY=3, REQUEST_TIMEOUT_S=5)
    with posting(url, *["red"] * 50) as futures:
        responses = [future.result() for future in futures]
    refused = [response for response in responses if response.status_code == 503]
    # Each batch loop of the worker took one job, three waited, and none of these was answered in time.
    assert 47 - len(os.sched_getaffinity(0)) <= len(refused) <= 46
    assert {response.headers["Retry-After"] for response in refused} == {"1"}
    assert client.llen(keys.queue) <= 3
    worker.popen.kill()


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
