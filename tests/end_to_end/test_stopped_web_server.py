"""A web server that is told to stop: it answers what it has in hand, and leaves new connections to others at once."""

import signal
import socket

import psutil
import pytest

from benchmarks.services import Services, wait_until
from settings import Settings
from tests.conftest import MakeSettings
from tests.support.cell_servers import has_ended, idle_cell
from tests.support.clients import label, post, posting, requests_in_progress
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


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_picture_is_still_decoded_and_answered_when_all_processes_are_told_to_stop(
    number: int, services: Services
) -> None:
    start_faulty_worker(services)
    web_server, url = services.start_web_server(WEB_PROCESSES=1)
    port = int(url.rpartition(":")[2])
    assert label(post(url, "red")) == "red"
    cell = idle_cell(web_server.popen.pid)
    cell.suspend()
    with posting(url, "green") as (in_hand,):
        wait_until(lambda: requests_in_progress(url) == 1)
        web_server.signal_group(number)
        wait_until(lambda: refuses(port))
        assert cell.status() == psutil.STATUS_STOPPED
        cell.resume()
        assert label(in_hand.result()) == "green"
    assert web_server.popen.wait(30) == 0
    wait_until(lambda: has_ended(cell))
