"""The metrics port of a worker: whoever connects, the next scrape is answered and the log remains a log."""

import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
import requests

from benchmarks.services import wait_until
from project import PROJECT_DIR
from telemetry import metrics_server
from telemetry.metrics_server import CONNECTIONS
from telemetry.worker_metrics import WorkerMetrics


@pytest.fixture
def address() -> Iterator[tuple[str, int]]:
    server = WorkerMetrics().serve("127.0.0.1", 0)
    yield "127.0.0.1", server.server_port
    server.shutdown()
    server.server_close()


def scrape(address: tuple[str, int], **headers: str) -> requests.Response:
    return requests.get("http://{}:{}/metrics".format(*address), headers=headers, timeout=30)


def connection_threads() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if "process_request_thread" in thread.name}


def test_many_connections_that_send_no_whole_request_take_few_threads_and_scrapes_are_answered(
    address: tuple[str, int],
) -> None:
    others = connection_threads()
    with ExitStack() as at_end:
        for _ in range(5 * CONNECTIONS):
            connection = at_end.enter_context(socket.create_connection(address))
            connection.sendall(b"GET /metrics HTTP/1.1\r\n")
        assert "classifier_worker_jobs_total" in scrape(address).text
        wait_until(lambda: len(connection_threads() - others) <= CONNECTIONS, timeout_s=20)


def test_a_connection_that_sends_nothing_is_closed(address: tuple[str, int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics_server._Handler, "timeout", 0.1)
    with socket.create_connection(address, timeout=20) as connection:
        assert connection.recv(1) == b""


def test_a_connection_that_is_reset_writes_nothing_to_standard_error(
    address: tuple[str, int], capsys: pytest.CaptureFixture[str]
) -> None:
    others = connection_threads()
    with socket.create_connection(address) as connection:
        connection.sendall(b"GET /metrics HTTP/1.1\r\n")
        wait_until(lambda: connection_threads() - others)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    wait_until(lambda: not connection_threads() - others)
    assert capsys.readouterr().err == ""


def test_an_error_in_the_metrics_is_one_event_in_the_log(
    address: tuple[str, int], capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    assert scrape(address, Accept="application/openmetrics-text; version=abc").status_code == 500
    assert [record.message for record in caplog.records if record.name == "service"] == ["metrics_not_sent"]
    assert capsys.readouterr().err == ""


def test_without_files_left_the_server_pauses_and_answers_when_there_are_some() -> None:
    code = """
import os, resource, socket
from telemetry import metrics_server
from telemetry.worker_metrics import WorkerMetrics
metrics_server.time.sleep = lambda _: files and os.close(files.pop())
server = WorkerMetrics().serve("127.0.0.1", 0)
client = socket.socket()
_, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (64, hard))
files = []
try:
    while True:
        files.append(os.open("/", os.O_RDONLY))
except OSError:
    client.settimeout(20)
    client.connect(("127.0.0.1", server.server_port))
    client.sendall(b"GET /favicon.ico HTTP/1.0\\r\\n\\r\\n")
    print(client.recv(100).decode())
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=PROJECT_DIR, capture_output=True, text=True)
    assert done.stdout.startswith("HTTP/1.0 200 OK"), done.stderr
