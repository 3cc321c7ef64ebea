"""`make run`: one command starts everything and classifies the castle, and Ctrl-C stops everything."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import requests

from benchmarks.processes import process_tree
from benchmarks.services import Services, answers, redis_servers_of, wait_until
from listener import listen
from project import PROJECT_DIR
from settings import Settings
from tests.conftest import CASTLE_LINES, MakeSettings
from tests.support.file_systems import python_in_own_mounts
from tools import run_all
from tools.embedded_redis import free_port, packaged_server


@pytest.fixture
def settings(make_settings: MakeSettings, model_cache: Path) -> Settings:
    return make_settings(model="efficientnet_lite0", model_cache_dir=model_cache)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_one_command_starts_everything_and_one_signal_stops_it(number: int, services: Services) -> None:
    port = free_port()
    everything = services.start_module("tools.run_all", PORT=port, REDIS_URL="")
    wait_until(lambda: "The service is ready" in everything.output or everything.popen.poll() is not None)
    assert re.search(CASTLE_LINES, "".join(re.findall(r"^\d\. .*\n", everything.output, re.MULTILINE)))
    assert f"open http://127.0.0.1:{port} in a browser" in everything.output
    assert answers(f"http://127.0.0.1:{port}/readyz")
    (redis_server,) = redis_servers_of(everything)
    # SIGINT and SIGHUP as a terminal sends them.
    everything.popen.send_signal(number) if number == signal.SIGTERM else everything.signal_group(number)
    assert everything.popen.wait(30) == 0
    assert services.running() == []
    assert not redis_server.exists()
    assert "Traceback" not in everything.output


def test_make_run_runs_that_command(services: Services) -> None:
    if Path(sys.prefix) != PROJECT_DIR / ".venv":
        pytest.skip("these tests do not run in the virtual environment that make has made")
    everything = services.start_command(["make", "run"], PORT=free_port(), REDIS_URL="")
    wait_until(lambda: "The service is ready" in everything.output or everything.popen.poll() is not None)
    assert re.search(CASTLE_LINES, "".join(re.findall(r"^\d\. .*\n", everything.output, re.MULTILINE)))
    everything.signal_group(signal.SIGINT)
    everything.popen.wait(30)
    assert services.running() == []


def test_the_demo_shows_pictures_and_a_stress_test_and_stops_everything(services: Services) -> None:
    demo = services.start_command([sys.executable, "-m", "tools.run_all", "--demo"], REDIS_URL="")
    assert demo.popen.wait(120) == 0, demo.output
    assert services.running() == []
    assert re.search(CASTLE_LINES, demo.output)
    assert "This is not a picture" in demo.output
    assert "stress_test.py --requests 100" in demo.output
    assert "Stopping everything" in demo.output


def test_a_configured_port_that_is_in_use_is_an_error(services: Services) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        everything = services.start_module("tools.run_all", PORT=port, REDIS_URL="")
        assert everything.popen.wait(60) == 1
    assert everything.output.startswith(f"port {port} of 127.0.0.1 is taken")
    assert everything.output.count("\n") == 1


def test_without_a_configured_port_the_next_free_one_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PORT", raising=False)
    settings = Settings(_env_file=None)  # type: ignore[call-arg]
    with run_all._listen(settings, demo=False) as first, run_all._listen(settings, demo=False) as second:
        assert 5000 <= first.getsockname()[1] < second.getsockname()[1]


def test_two_that_are_started_at_once_both_come_up_on_ports_of_their_own(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PORT", raising=False)
    both = [services.start_module("tools.run_all", REDIS_URL="") for _ in range(2)]
    urls = set()
    for everything in both:
        wait_until(lambda one=everything: "The service is ready" in one.output or one.popen.poll() is not None)  # type: ignore[misc]
        assert everything.popen.poll() is None, everything.output
        (url,) = re.findall("open (http://127.0.0.1:[0-9]+) in a browser", everything.output)
        (worker,) = requests.get(f"{url}/readyz", timeout=5).json()["workers"]
        assert worker["pid"] in [process.pid for process in process_tree(everything.popen.pid)]
        urls.add(url)
    assert len(urls) == 2
    for everything in both:
        assert everything.stop() == 0


def test_a_json_log_contains_only_json_and_a_proxy_does_not_matter(settings: Settings, tmp_path: Path) -> None:
    proxy = f"http://127.0.0.1:{free_port()}"
    changes = {"LOG_FORMAT": "json", "PORT": str(free_port()), "REDIS_URL": "", "http_proxy": proxy, "no_proxy": ""}
    changes |= {"MODEL": settings.model, "MODEL_CACHE_DIR": str(settings.model_cache_dir)}
    output, messages = tmp_path / "output", tmp_path / "messages"
    with output.open("wb") as out, messages.open("wb") as err:
        command = [sys.executable, "-m", "tools.run_all"]
        process = subprocess.Popen(command, cwd=PROJECT_DIR, env=os.environ | changes, stdout=out, stderr=err)
        try:
            wait_until(lambda: "The service is ready" in messages.read_text() or process.poll() is not None)
        finally:
            process.terminate()
            assert process.wait(60) == 0
    assert re.search(CASTLE_LINES, messages.read_text())
    actions = [json.loads(line)["action"] for line in output.read_text().splitlines()]
    assert {"web_server_starting", "worker_started", "request_answered", "worker_stopped"} <= set(actions)


def test_without_an_installed_redis_server_the_packaged_one_is_used(
    services: Services, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "sh").symlink_to("/bin/sh")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    everything = services.start_module("tools.run_all", PORT=free_port(), REDIS_URL="")
    wait_until(lambda: "The service is ready" in everything.output or everything.popen.poll() is not None)
    (server,) = redis_servers_of(everything)
    assert (server / "exe").resolve() == packaged_server().resolve()


def test_a_service_that_does_not_become_ready_in_time_is_an_error(
    make_settings: MakeSettings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(run_all, "START_TIMEOUT_S", 0)
    settings = make_settings(download_timeout_s=0.1, port=free_port())
    listener = listen(settings.host, settings.port)
    with run_all._parts(settings, f"redis://127.0.0.1:{free_port()}/0", listener, quiet=True) as parts:
        show = run_all._Show(settings, parts, f"http://127.0.0.1:{settings.port}")
        assert show.greeting() == 1
    assert "The service was not ready after 0.1 s; the log is in" in capsys.readouterr().out


def test_the_configured_redis_is_used(services: Services) -> None:
    everything = services.start_module("tools.run_all", PORT=free_port())
    wait_until(lambda: "The service is ready" in everything.output or everything.popen.poll() is not None)
    assert redis_servers_of(everything) == []


@pytest.mark.parametrize(
    "url", ["redis://me:hunter2@127.0.0.1:1", "rediss+sentinel://me:hunter2@127.0.0.1:1,127.0.0.1:2/mymaster"]
)
def test_a_configured_redis_that_does_not_answer_is_told_at_once_in_one_line(url: str, services: Services) -> None:
    everything = services.start_module("tools.run_all", PORT=free_port(), REDIS_URL=url)
    assert everything.popen.wait(60) == 1
    assert re.fullmatch(r"REDIS_URL: no Redis answers there: .+\n", everything.output)
    assert "me:" not in everything.output
    assert "hunter2" not in everything.output


def test_if_the_redis_that_was_started_dies_everything_stops_with_an_error(services: Services) -> None:
    everything = services.start_module("tools.run_all", PORT=free_port(), REDIS_URL="")
    wait_until(lambda: "web_server_starting" in everything.output or everything.popen.poll() is not None)
    (redis_server,) = redis_servers_of(everything)
    os.kill(int(redis_server.name), signal.SIGKILL)
    assert everything.popen.wait(60) == 1
    assert everything.output.splitlines()[-1] == "the Redis that this command had started has ended"
    assert services.running() == []


def test_if_one_part_cannot_start_everything_stops_with_an_error(services: Services) -> None:
    everything = services.start_module("tools.run_all", PORT=free_port(), MODEL="/no/such.keras")
    assert everything.popen.wait(60) == 1
    assert "no such network" in everything.output
    assert services.running() == []


@pytest.mark.may_skip_in_ci
def test_without_any_temporary_folder_it_ends_with_one_line_that_says_what_to_do(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("TMPDIR", "TEMP", "TMP"):
        monkeypatch.delenv(name, raising=False)
    # Where Python looks for one.
    folders = [path for path in (Path("/tmp"), Path("/var/tmp"), Path("/usr/tmp"), PROJECT_DIR) if path.exists()]  # noqa: S108
    command = python_in_own_mounts(dict.fromkeys(folders, "bind,ro"), "-m", "tools.run_all")
    everything = services.start_command(command, REDIS_URL="")
    assert everything.popen.wait(60) == 1
    assert everything.output.startswith("[Errno 2] No usable temporary directory found")
    assert everything.output.endswith("is the disk full? TMPDIR names another folder\n")
    assert everything.output.count("\n") == 1
