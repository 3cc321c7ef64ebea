"""More requests than the workers can do, or than anybody waits for: what cannot be done in time is not kept."""

import os
import socket

import pytest

from job_protocol import Keys
from settings import Settings
from tests.clients import post, posting
from tests.conftest import Client, MakeSettings, picture
from tests.faults import IMPATIENT, start_frail_worker
from tests.services import Services, wait_until


@pytest.fixture
def settings(colour_settings: MakeSettings) -> Settings:
    return colour_settings(**IMPATIENT)


def test_when_no_worker_returns_the_waiting_get_504_and_the_new_503(services: Services) -> None:
    worker = start_frail_worker(services)
    _, url = services.start_web_server(REQUEST_TIMEOUT_S=1, WORKER_GRACE_S=3)
    worker.stop()
    assert post(url, "red").status_code == 504
    wait_until(lambda: post(url, "red").status_code == 503)
    assert post(url, "red").headers["Retry-After"]


def test_a_full_queue_is_a_503_and_its_memory_is_bounded(services: Services, client: Client, keys: Keys) -> None:
    worker = start_frail_worker(services, delay_s=60, BATCH_SIZE=1)
    _, url = services.start_web_server(QUEUE_CAPACITY=3, REQUEST_TIMEOUT_S=5)
    with posting(url, *["red"] * 50) as answers:
        responses = [answer.result() for answer in answers]
    refused = [response for response in responses if response.status_code == 503]
    # The worker took one in each of its lanes, three waited, and none of these was answered in time.
    assert 47 - len(os.sched_getaffinity(0)) <= len(refused) <= 46
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
