"""A web server's process that is killed: its requests are lost, and the clients send them again."""

import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import requests

from benchmarks.services import Process, Services, wait_until
from jobs.protocol import Keys
from settings import Settings
from tests.conftest import Client, MakeSettings, picture
from tests.support.cell_servers import has_ended, idle_cell
from tests.support.clients import label, post, posting, requests_in_progress
from tests.support.faults import FAST_DETECTION, start_faulty_worker


@pytest.fixture
def settings(colour_settings: MakeSettings) -> Settings:
    return colour_settings(**FAST_DETECTION)


@pytest.fixture
def red(tmp_path: Path) -> Path:
    path = tmp_path / "red.png"
    path.write_bytes(picture("red"))
    return path


@pytest.fixture
def worker(services: Services, client: Client, keys: Keys) -> Iterator[Process]:
    """A worker that is suspended, so that no request is answered before its web server is killed."""
    worker = start_faulty_worker(services)
    wait_until(lambda: client.exists(keys.workers))
    worker.popen.send_signal(signal.SIGSTOP)
    yield worker
    worker.popen.send_signal(signal.SIGCONT)


@pytest.fixture
def web_server(services: Services, worker: Process) -> tuple[Process, str]:
    """A web server of one process."""
    return services.start_web_server(LOG_LEVEL="debug", WORKER_GRACE_S=60)


def kill_process_with_requests(web_server: Process, worker: Process, count: int) -> None:
    """Kill the process that serves, once it holds that many requests; the web server starts another."""
    wait_until(lambda: web_server.output.count("job_queued") == count)
    for process in psutil.Process(web_server.popen.pid).children():
        process.kill()
    worker.popen.send_signal(signal.SIGCONT)


def test_the_simple_client_sends_again_what_broke_and_says_so(
    web_server: tuple[Process, str], worker: Process, services: Services, red: Path
) -> None:
    process, url = web_server
    client = services.start_command([sys.executable, "simple_request.py", str(red), "--url", url])
    kill_process_with_requests(process, worker, 1)
    assert client.popen.wait(60) == 0
    assert client.output.startswith("No answer: the connection broke. (next try in 0.5 s)\n1. red:")


def test_the_simple_client_sends_nothing_again_when_told_so(
    web_server: tuple[Process, str], worker: Process, services: Services, red: Path
) -> None:
    process, url = web_server
    client = services.start_command([sys.executable, "simple_request.py", str(red), "--retry", "0", "--url", url])
    kill_process_with_requests(process, worker, 1)
    assert client.popen.wait(60) == 1
    assert process.output.count("job_queued") == 1
    assert "next try" not in client.output


@pytest.mark.parametrize(("options", "code"), [(["--retry"], 0), ([], 1)])
def test_the_load_generator_sends_again_only_when_told_so_and_counts_it(
    options: list[str], code: int, web_server: tuple[Process, str], worker: Process, services: Services, red: Path
) -> None:
    process, url = web_server
    load = ["--requests", "3", "--concurrency", "3", "--image", str(red), *options]
    client = services.start_command([sys.executable, "stress_test.py", *load, "--url", url])
    kill_process_with_requests(process, worker, 3)
    assert client.popen.wait(60) == code
    assert ("  200: 3\n  sent again: 3\n" in client.output) == bool(options)
    assert ("3 failed\n" in client.output) != bool(options)


def test_what_decodes_for_a_killed_web_server_ends_in_the_middle_of_a_picture(services: Services) -> None:
    start_faulty_worker(services)
    web_server, url = services.start_web_server()
    assert label(post(url, "red")) == "red"
    cell = idle_cell(web_server.popen.pid)
    program = cell.parent()
    assert program
    cell.suspend()
    with posting(url, "green") as (in_hand,):
        wait_until(lambda: requests_in_progress(url) == 1)
        (process,) = psutil.Process(web_server.popen.pid).children()
        web_server.popen.kill()
        process.kill()
        wait_until(lambda: has_ended(program) and has_ended(cell))
        assert isinstance(in_hand.exception(), requests.ConnectionError)
