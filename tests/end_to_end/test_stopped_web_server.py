"""A web server that is told to stop: it answers what it has in hand, and leaves new connections to others at once."""

import signal
import socket

import pytest

from benchmarks.services import Services, wait_until
from settings import Settings
from tests.conftest import MakeSettings
from tests.support.clients import label, posting
from tests.support.faults import start_faulty_worker


@pytest.fixture
def settings(colour_settings: MakeSettings) -> Settings:
    return colour_settings(web_processes=2)


def refuses(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port)).close()
    except ConnectionRefusedError:
        return True
    return False


def test_new_connections_are_refused_while_requests_in_hand_are_answered(services: Services) -> None:
    start_faulty_worker(services, delay_s=3)
    web_server, url = services.start_web_server(LOG_LEVEL="debug")
    port = int(url.rpartition(":")[2])
    with posting(url, "red") as (in_hand,):
        wait_until(lambda: "job_queued" in web_server.output)
        web_server.popen.send_signal(signal.SIGTERM)
        wait_until(lambda: refuses(port) or in_hand.done())
        assert not in_hand.done()
        assert label(in_hand.result()) == "red"
    assert web_server.popen.wait(30) == 0
