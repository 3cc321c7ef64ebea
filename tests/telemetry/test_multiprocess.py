"""Metrics that processes share: full file systems cost shared counts at most, never a process."""

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
import requests
from prometheus_client import values

from benchmarks.services import Process, Services, answers, wait_until
from project import PROJECT_DIR
from telemetry.metrics_folder import metrics_folder
from telemetry.multiprocess import FILE_BYTES, FOLDER_VARIABLE, join_shared_metrics
from tests.support.file_systems import python_in_own_mounts
from tools.embedded_redis import free_port

SHARED_MEMORY = Path("/dev/shm")  # noqa: S108
# Room for the first page of each file, and not for much more.
TINY = "size=24k"


def start_with_mounts(services: Services, mounts: dict[Path, str], **changes: object) -> tuple[Process, str]:
    port = free_port()
    command = python_in_own_mounts(mounts, "run_web_server.py")
    web_server = services.start_command(command, PORT=port, **changes)
    url = f"http://127.0.0.1:{port}"
    wait_until(lambda: answers(f"{url}/livez") or web_server.popen.poll() is not None or "SIGBUS" in web_server.output)
    return web_server, url


@pytest.mark.may_skip_in_ci
def test_where_no_folder_has_room_each_process_counts_for_itself_and_says_so(
    services: Services, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    web_server, url = start_with_mounts(services, {tmp_path: TINY, SHARED_MEMORY: TINY}, WEB_PROCESSES=2)
    # Over one connection, so that one process answers both.
    with requests.Session() as session:
        assert session.get(f"{url}/", timeout=5).ok
        metrics = session.get(f"{url}/metrics", timeout=5).text
    assert metrics.startswith("# These are the counts of one process")
    assert 'classifier_http_requests_total{endpoint="/",method="GET",status="200"} 1.0' in metrics
    assert web_server.output.count("metrics_not_shared level=warning") == 1
    assert "No space left on device" in web_server.output
    assert "SIGBUS" not in web_server.output
    assert web_server.stop() == 0


@pytest.mark.may_skip_in_ci
def test_a_full_temporary_folder_is_replaced_by_shared_memory(
    services: Services, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    web_server, url = start_with_mounts(services, {tmp_path: TINY, SHARED_MEMORY: "size=4m"}, WEB_PROCESSES=2)
    assert requests.get(f"{url}/metrics", timeout=5).text.startswith("# HELP")
    assert "metrics_not_shared" not in web_server.output
    assert "SIGBUS" not in web_server.output


@pytest.mark.may_skip_in_ci
def test_a_folder_that_fills_up_later_costs_an_additional_process_only_the_sharing(
    services: Services, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    # As large as the files of the first process.
    web_server, url = start_with_mounts(services, {tmp_path: "size=800k", SHARED_MEMORY: TINY}, WEB_PROCESSES=1)
    assert requests.get(f"{url}/metrics", timeout=5).text.startswith("# HELP")
    web_server.popen.send_signal(signal.SIGTTIN)  # gunicorn starts one more
    wait_until(lambda: "metrics_not_shared level=warning" in web_server.output or "SIGBUS" in web_server.output)
    # Over a new connection each time, since either process may answer.
    wait_until(lambda: requests.get(f"{url}/metrics", timeout=5).text.startswith("# These are the counts of one"))
    assert "SIGBUS" not in web_server.output


def test_a_process_goes_on_counting_in_the_files_of_one_that_has_died(tmp_path: Path) -> None:
    code = """
import os, signal, sys
from pathlib import Path
from telemetry.multiprocess import FILES, forget_ended_processes, join_shared_metrics
def serve_and_die(number):
    from telemetry.request_record import RequestRecord
    from telemetry.web_metrics import WebMetrics
    join_shared_metrics()
    metrics = WebMetrics()
    metrics.started(record := RequestRecord("1", "GET", "/x", "/x", status=200))
    metrics.finished(record)
    metrics.started(record)
    text = metrics.text().decode()
    assert "classifier_http_requests_in_progress 1.0\\n" in text, text
    assert f'endpoint="/x",method="GET",status="200"}} {number}.0\\n' in text, text
    assert f'classifier_http_request_duration_seconds_count{{endpoint="/x"}} {number}.0\\n' in text, text
    os.kill(os.getpid(), signal.SIGKILL)
for number in (1, 2, 3):
    if not (pid := os.fork()):
        try:
            serve_and_die(number)
        finally:
            os._exit(1)
    _, status = os.waitpid(pid, 0)
    assert os.WTERMSIG(status) == signal.SIGKILL
    forget_ended_processes()
files = list(Path(sys.argv[1]).glob("*.db"))
assert len(files) == len(FILES), files
"""
    done = run(code, str(tmp_path), PROMETHEUS_MULTIPROC_DIR=str(tmp_path))
    assert done.returncode == 0, done.stderr


def test_the_folder_of_a_web_server_that_was_killed_is_removed_by_the_next_one_but_not_that_of_a_living_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    code = """
import os
from telemetry.metrics_folder import metrics_folder
with metrics_folder(1):
    os.kill(os.getpid(), 9)
"""
    with metrics_folder(1) as living:
        assert run(code, TMPDIR=str(tmp_path)).returncode == -signal.SIGKILL
        assert len(list(tmp_path.iterdir())) == 2
        with metrics_folder(1) as another:
            assert set(tmp_path.iterdir()) == {living, another}
    assert list(tmp_path.iterdir()) == []


def run(code: str, *arguments: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, cwd=PROJECT_DIR, env=os.environ | variables, capture_output=True, text=True)


def test_who_reads_the_metrics_never_finds_a_file_that_is_only_half_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path))
    monkeypatch.setattr(values, "ValueClass", values.ValueClass)
    write = Path.write_bytes
    sizes: list[int] = []

    def write_slowly(file: Path, content: bytes) -> int:
        file.touch()
        sizes.extend(found.stat().st_size for found in tmp_path.glob("*.db"))
        return write(file, content)

    monkeypatch.setattr(Path, "write_bytes", write_slowly)
    join_shared_metrics()
    assert set(sizes) == {FILE_BYTES}
    assert {found.suffix for found in tmp_path.iterdir()} == {".db", ".lock"}


def test_the_files_of_a_process_never_grow_whatever_clients_ask_for(tmp_path: Path) -> None:
    code = """
import sys
from http import HTTPStatus
from pathlib import Path
from telemetry.multiprocess import FILE_BYTES, FILES, join_shared_metrics
from telemetry.request_record import RequestRecord
from telemetry.web_metrics import METHODS, WebMetrics
join_shared_metrics()
metrics = WebMetrics()
routes = [f"/endpoint/number/{number}" for number in range(12)]
for route in routes:
    for method in [*METHODS, "other"]:
        for status in (200, 304, 400, 401, 404, 405, 413, 415, 429, 499, 500, 503, 504):
            metrics.finished(RequestRecord("1", method, route, route, status=status))
files = list(Path(sys.argv[1]).glob("*.db"))
assert len(files) == len(FILES), files
for file in files:
    assert file.stat().st_size == FILE_BYTES, file
    assert file.stat().st_blocks * 512 >= FILE_BYTES, file
"""
    done = run(code, str(tmp_path), PROMETHEUS_MULTIPROC_DIR=str(tmp_path))
    assert done.returncode == 0, done.stderr
