"""`deploy/nginx.conf` with the real nginx: no client notices what becomes of one web server, or of slow clients."""

import json
import re
import signal
import socket
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests

from benchmarks.nginx import CONFIGURATION, nginx_command
from benchmarks.services import Process, Services, wait_until
from clients.load import Load
from clients.sender import Sender
from project import PROJECT_DIR
from settings import Settings
from tests.conftest import picture
from tests.deploy.conftest import API_KEY, Site
from tools.embedded_redis import free_port
from web.uploads import max_body_bytes

CLIENTS = 8
# So many before something happens, and so many after it.
ANSWERS = 60
MAX_BODY_BYTES = max_body_bytes(Settings(_env_file=None))  # type: ignore[call-arg]


@pytest.fixture
def lonely_nginx(services: Services, nginx_path: str, tmp_path: Path) -> str:
    """The URL of an nginx none of whose web servers is there."""
    port = free_port()
    addresses = [f"127.0.0.1:{free_port()}" for _ in range(2)]
    services.start_command(nginx_command(nginx_path, tmp_path, f"127.0.0.1:{port}", addresses))
    wait_until(lambda: listens(port))
    return f"http://127.0.0.1:{port}"


def outcomes_while(happening: Callable[[], object], url: str) -> Counter[str]:
    """Keep clients busy before, while and after something happens, and count the outcomes of their requests."""
    stop = threading.Event()
    pictures = [picture("red"), picture("blue", "JPEG", (800, 600))]
    with Sender(url, pictures, CLIENTS, timeout_s=60, api_key=API_KEY) as sender, ThreadPoolExecutor(1) as pool:
        load = Load(sender.send, stop)
        running = pool.submit(load.closed_loop, CLIENTS, None)
        try:
            wait_until(lambda: len(load.results.samples) > ANSWERS)
            happening()
            enough = len(load.results.samples) + ANSWERS
            wait_until(lambda: len(load.results.samples) > enough)
        finally:
            stop.set()
        running.result()
    return Counter(sample.outcome for sample in load.results.samples)


def kill(process: Process) -> None:
    process.signal_group(signal.SIGKILL)
    process.popen.wait()


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def setting_of_nginx(pattern: str) -> int:
    found = re.search(pattern, CONFIGURATION.read_text())
    assert found
    return int(found[1])


def test_the_configuration_is_valid_and_nginx_warns_of_nothing(nginx_path: str, tmp_path: Path) -> None:
    command = nginx_command(nginx_path, tmp_path, "127.0.0.1:8080", ["127.0.0.1:5000", "127.0.0.1:5001"])
    checked = subprocess.run([*command, "-t"], capture_output=True, text=True)
    assert checked.returncode == 0, checked.stderr
    assert "[warn]" not in checked.stderr


def test_its_limits_fit_the_defaults_of_the_service() -> None:
    largest_kib = setting_of_nginx(r"client_max_body_size (\d+)k;")
    assert largest_kib * 1024 == MAX_BODY_BYTES
    assert setting_of_nginx(r"proxy_read_timeout (\d+)s;") > Settings.model_fields["request_timeout_s"].default


def test_both_web_servers_get_requests(shared_site: Site) -> None:
    assert set(outcomes_while(lambda: None, shared_site.url)) == {"200"}
    log = shared_site.access_log.read_text()
    assert len(set(re.findall(r" by=(127\S+)$", log, re.MULTILINE))) == 2


def test_a_client_cannot_pretend_to_have_another_address(shared_site: Site) -> None:
    headers = {"Authorization": "Bearer wrong", "X-Forwarded-For": "203.0.113.7"}
    assert requests.post(f"{shared_site.url}/predict", headers=headers, timeout=30).status_code == 401
    logs = "".join(web_server.output for web_server in shared_site.web_servers)
    assert re.findall(r"api_key_wrong .*client=(\S+)", logs) == ["127.0.0.1"]


def test_metrics_are_not_for_everybody(shared_site: Site) -> None:
    for path in ("/metrics", "//metrics", "/%6detrics", "/./metrics", "/metrics?name=up"):
        with requests.Session() as session:
            request = requests.Request("GET", shared_site.url).prepare()
            request.url = shared_site.url + path
            response = session.send(request, timeout=5)
        assert response.status_code == 404
        assert "classifier_" not in response.text


def test_an_upload_that_is_too_large_is_a_problem_like_the_services_own(shared_site: Site) -> None:
    upload = bytes(MAX_BODY_BYTES + 1)
    response = requests.post(f"{shared_site.url}/predict", data=upload, timeout=30)
    assert response.headers["Content-Type"] == "application/problem+json"
    assert "nginx/" not in response.headers["Server"]
    assert response.json() == {
        "type": "about:blank",
        "title": "Content Too Large",
        "status": 413,
        "detail": "The upload has too many bytes.",
        "success": False,
    }


def test_1000_clients_that_send_a_byte_a_second_harm_nobody(shared_site: Site) -> None:
    def be_slow() -> None:
        command = [sys.executable, "-m", "benchmarks.slow_clients", "a byte a second", shared_site.url, "--seconds=3"]
        slow = subprocess.run(command, cwd=PROJECT_DIR, capture_output=True, text=True, check=True)
        assert json.loads(slow.stdout.splitlines()[-1]) == {"opened": 1000}

    assert set(outcomes_while(be_slow, shared_site.url)) == {"200"}


def test_a_web_server_that_is_stopped_costs_no_request(site: Site) -> None:
    web_server = site.web_servers[0]
    assert set(outcomes_while(web_server.stop, site.url)) == {"200"}
    assert web_server.popen.returncode == 0


def test_a_web_server_that_is_killed_costs_no_request_since_nginx_repeats_those_in_hand(site: Site) -> None:
    web_server = site.web_servers[0]
    assert set(outcomes_while(lambda: kill(web_server), site.url)) == {"200"}


def test_without_any_web_server_clients_are_told_to_try_again(lonely_nginx: str) -> None:
    response = requests.get(f"{lonely_nginx}/livez", timeout=30)
    assert (response.status_code, response.headers["Retry-After"]) == (502, "1")
    assert response.json()["detail"] == "No web server can be reached; try again."


def test_while_uploads_cannot_be_stored_clients_are_told_to_try_again(lonely_nginx: str, tmp_path: Path) -> None:
    (tmp_path / "client_body").rmdir()
    response = requests.post(f"{lonely_nginx}/predict", data=bytes(100_000), timeout=30)
    assert (response.status_code, response.headers["Retry-After"]) == (500, "1")
    assert response.json()["detail"] == "The upload could not be stored; try again."
