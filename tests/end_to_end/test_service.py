"""The whole service: the real scripts as processes, a real Redis, real pictures."""

import json
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import cycle, islice, pairwise
from pathlib import Path

import psutil
import pytest
import requests

from benchmarks.services import Services, answers, run_script, wait_until
from jobs.consumer import POP_TIMEOUT_S
from jobs.protocol import Keys
from project import PROJECT_DIR
from settings import Settings
from tests.conftest import CASTLE, CASTLE_LINES, COLOURS, Client, MakeSettings, picture
from tools.embedded_redis import free_port


@pytest.fixture
def settings(colour_settings: MakeSettings) -> Settings:
    """By default the tests use the colour network, which starts fast and recognizes each colour."""
    return colour_settings(web_processes=1)


def classify(url: str, upload: bytes) -> dict[str, object]:
    answer: dict[str, object] = requests.post(f"{url}/predict", files={"image": upload}, timeout=60).json()
    return answer


def label(url: str, colour: str) -> str:
    answer = classify(url, picture(colour))
    assert answer["success"], answer
    return answer["predictions"][0]["label"]  # type: ignore[index, no-any-return]


def test_the_embedded_model_recognizes_the_castle_for_curl_and_for_the_simple_client(
    services: Services, model_cache: Path
) -> None:
    services.start_worker(MODEL="efficientnet_lite0", MODEL_CACHE_DIR=model_cache, LABELS=None)
    _, url = services.start_web_server()
    curl = shutil.which("curl")
    assert curl, "this test needs curl"
    by_form = [curl, "-s", "-F", f"image=@{CASTLE}", f"{url}/predict"]
    by_body = [curl, "-s", "--data-binary", f"@{CASTLE}", "-H", "Content-Type: image/jpeg", f"{url}/predict"]
    form, body = (json.loads(subprocess.check_output(command)) for command in (by_form, by_body))
    assert form["predictions"] == body["predictions"]
    assert form["predictions"][0]["label"] == "castle"
    assert (form["model"], form["precision"]) == (body["model"], body["precision"]) == ("efficientnet_lite0", "float32")
    simple = run_script("simple_request.py", str(CASTLE), "--url", url)
    assert simple.returncode == 0
    assert re.fullmatch(CASTLE_LINES, simple.stdout)


def test_each_of_200_concurrent_requests_gets_the_result_of_its_own_picture(services: Services) -> None:
    for _ in range(2):
        services.start_worker()
    urls = [services.start_web_server()[1] for _ in range(2)]
    asked = list(islice(zip(cycle(COLOURS), cycle(urls), strict=False), 200))
    with ThreadPoolExecutor(len(asked)) as pool:
        labels = list(pool.map(lambda colour_and_url: label(colour_and_url[1], colour_and_url[0]), asked))
    assert labels == [colour for colour, _ in asked]
    workers = requests.get(f"{urls[0]}/readyz", timeout=5).json()["workers"]
    assert len(workers) == 2


def test_a_request_can_be_followed_through_all_logs_by_its_id(services: Services) -> None:
    worker = services.start_worker()
    web_server, url = services.start_web_server()
    request_id = str(classify(url, picture())["id"])
    wait_until(lambda: f"id={request_id}" in web_server.output)
    lines = [line for log in (worker.output, web_server.output) for line in log.splitlines() if request_id in line]
    assert [line.split()[3] for line in lines] == ["job_claimed", "job_done", "request_answered"]


def test_an_idle_system_does_not_poll(services: Services, client: Client, settings: Settings) -> None:
    services.start_worker()
    _, url = services.start_web_server()
    assert label(url, "red") == "red"
    seen: set[str] = set()
    popped_at = defaultdict(list)
    heartbeats = 0
    with client.monitor() as monitor:
        for command in monitor.listen():
            if settings.key_prefix in command["command"]:
                name = command["command"].split()[0]
                seen.add(name)
                heartbeats += name == "ZADD"
                if name == "BLPOP":
                    popped_at[command["client_port"]].append(command["time"])
            if heartbeats == 3:
                break
    assert seen <= {"EVALSHA", "SET", "ZADD", "ZREMRANGEBYSCORE", "EXPIRE", "BLPOP"}
    pauses_s = [later - earlier for times in popped_at.values() for earlier, later in pairwise(times)]
    assert pauses_s
    assert min(pauses_s) > 0.9 * POP_TIMEOUT_S


def test_the_web_server_never_imports_the_libraries_of_the_workers(services: Services) -> None:
    services.start_worker()
    web_server, url = services.start_web_server(PYTHONPROFILEIMPORTTIME=1)
    assert label(url, "red") == "red"
    assert classify(url, b"no picture")["status"] == 400
    imported = {
        line.split("|")[-1].strip() for line in web_server.output.splitlines() if line.startswith("import time")
    }
    assert {"flask", "redis", "PIL.Image"} <= imported
    assert not imported & {"keras", "tensorflow", "openvino", "numpy"}


def test_sigterm_ends_both_servers_cleanly(services: Services, client: Client, settings: Settings) -> None:
    worker = services.start_worker()
    web_server, url = services.start_web_server()
    assert label(url, "red") == "red"
    assert web_server.stop() == 0
    assert worker.stop() == 0
    assert services.running() == []
    keys = Keys(settings)
    assert set(client.keys(f"{settings.key_prefix}*")) <= {keys.workers}


def test_ctrl_c_ends_both_servers_cleanly(services: Services) -> None:
    worker = services.start_worker()
    web_server, _ = services.start_web_server()
    assert web_server.stop(signal.SIGINT) == 0
    assert worker.stop(signal.SIGINT) == 0
    assert "Traceback" not in worker.output + web_server.output


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_further_signals_do_not_disturb_a_web_server_that_stops(number: signal.Signals, services: Services) -> None:
    web_server, _ = services.start_web_server()
    processes = psutil.Process(web_server.popen.pid).children()
    web_server.popen.send_signal(number)
    while web_server.popen.poll() is None:
        for process in processes:
            with suppress(psutil.NoSuchProcess):
                process.send_signal(number)
        with suppress(subprocess.TimeoutExpired):
            web_server.popen.wait(0.001)
    assert web_server.popen.returncode == 0
    assert "Traceback" not in web_server.output


def test_the_service_is_ready_only_while_a_worker_is_alive(services: Services) -> None:
    _, url = services.start_web_server()
    assert not answers(f"{url}/readyz")
    response = requests.post(f"{url}/predict", files={"image": picture()}, timeout=5)
    assert response.status_code == 503
    assert response.headers["Retry-After"]
    worker = services.start_worker()
    wait_until(lambda: answers(f"{url}/readyz"))
    worker.stop()
    wait_until(lambda: not answers(f"{url}/readyz"))


def test_the_clients_fail_with_the_message_of_the_service(services: Services) -> None:
    _, url = services.start_web_server()
    simple = run_script("simple_request.py", str(PROJECT_DIR / "README.md"), "--url", url)
    assert simple.returncode == 1
    assert "not a picture" in simple.stderr
    simple = run_script("simple_request.py", "--retry", "0", str(CASTLE), "--url", url)
    assert (simple.returncode, simple.stderr) == (1, f"{CASTLE}: No worker is alive. Try again soon.\n")
    stress = run_script("stress_test.py", "--requests", "4", "--url", url)
    assert stress.returncode == 1
    assert "503: 4" in stress.stdout


def test_the_clients_can_send_an_api_key(services: Services) -> None:
    services.start_worker()
    _, url = services.start_web_server(API_KEYS="first,second")
    for script, arguments in (("simple_request.py", [str(CASTLE)]), ("stress_test.py", ["--requests", "2"])):
        assert run_script(script, *arguments, "--url", url).returncode == 1
        assert run_script(script, *arguments, "--url", url, "--api-key", "second").returncode == 0
        assert run_script(script, *arguments, "--url", url, API_KEY="first").returncode == 0


def test_the_clients_report_that_no_service_is_running() -> None:
    url = f"http://127.0.0.1:{free_port()}"
    simple = run_script("simple_request.py", str(CASTLE), "--url", url)
    assert simple.returncode == 1
    assert simple.stderr.startswith(url)
    assert "Traceback" not in simple.stderr
    assert run_script("simple_request.py", "/no/such/picture", "--url", url).stderr.count("\n") == 1
    stress = run_script("stress_test.py", "--requests", "2", "--url", url)
    assert stress.returncode == 1
    assert "connection refused: 2" in stress.stdout


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"MODEL": "resnet50", "KERAS_HOME": "/dev/null/keras", "DOWNLOAD_TIMEOUT_S": 1}, "put the file at /dev/null"),
        ({"IMAGE_WIDTH": 100}, "IMAGE_WIDTH"),
        ({"MODEL": "/no/such.keras"}, "no such network"),
        ({"ENGINE": "tensorflow", "PRECISION": "bfloat16"}, "PRECISION=bfloat16 is for OpenVINO"),
        ({"BATCH_SIZE": "many"}, "wrong setting: BATCH_SIZE"),
    ],
)
def test_a_worker_that_cannot_start_stops_and_says_why(
    changes: dict[str, object], message: str, services: Services
) -> None:
    worker = services.start("run_model_server.py", **changes)
    assert worker.popen.wait(60) == 1
    assert message in worker.output
    assert "Traceback" not in worker.output


def test_a_low_limit_on_open_files_is_raised(services: Services) -> None:
    command = ["sh", "-c", f"ulimit -S -n 64 && exec {sys.executable} run_web_server.py"]
    port = free_port()
    web_server = services.start_command(command, PORT=port)
    wait_until(lambda: answers(f"http://127.0.0.1:{port}/livez"))
    limits = Path(f"/proc/{web_server.popen.pid}/limits").read_text()
    found = re.search(r"Max open files +(\d+)", limits)
    assert found
    assert int(found[1]) >= 3000


def test_a_port_in_use_is_reported_in_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = run_script("run_web_server.py", PORT=str(port))
    assert done.returncode == 1
    assert done.stderr.startswith(f"cannot listen on 127.0.0.1:{port} ")
    assert done.stderr.count("\n") == 1
