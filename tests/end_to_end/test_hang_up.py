"""The end of a terminal: it stops both servers as SIGTERM does, except where nohup has started them."""

import signal
import sys
from pathlib import Path

import pytest

from benchmarks.services import Process, Services, answers, wait_until
from settings import Settings
from tests.conftest import MakeSettings
from tests.support.faults import start_faulty_worker
from tools.embedded_redis import free_port


@pytest.fixture
def settings(colour_settings: MakeSettings) -> Settings:
    return colour_settings(web_processes=1)


def ignores(process: Process, number: int) -> bool:
    status = Path(f"/proc/{process.popen.pid}/status").read_text()
    mask = int(status.partition("SigIgn:")[2].split()[0], 16)
    return bool(mask >> (number - 1) & 1)


def test_a_worker_stops_in_order_when_its_terminal_is_closed(services: Services) -> None:
    worker = start_faulty_worker(services)
    worker.signal_group(signal.SIGHUP)
    assert worker.popen.wait(30) == 0
    assert "worker_stopped" in worker.output


def test_under_nohup_both_servers_outlive_their_terminal(services: Services) -> None:
    port = free_port()
    web_server = services.start_command(["nohup", sys.executable, "run_web_server.py"], PORT=port)
    worker = services.start_command(["nohup", sys.executable, "-m", "tests.support.faulty_worker"])
    wait_until(lambda: answers(f"http://127.0.0.1:{port}/readyz") or web_server.popen.poll() is not None)
    assert ignores(web_server, signal.SIGHUP)
    assert ignores(worker, signal.SIGHUP)


def test_a_web_server_that_is_told_to_start_a_second_one_goes_on_alone(services: Services) -> None:
    web_server, url = services.start_web_server()
    web_server.signal_group(signal.SIGUSR2)
    wait_until(lambda: "signal_ignored level=warning signal=SIGUSR2" in web_server.output)
    assert web_server.output.count("web_server_starting") == 1
    assert answers(f"{url}/livez")
    assert web_server.stop() == 0
