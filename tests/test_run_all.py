"""The one command: everything starts, the castle is classified, Ctrl-C stops it all."""

import re
import signal
import socket
import sys
from pathlib import Path

import pytest

from embedded_redis import free_port
from settings import PROJECT_DIR, Settings
from tests.conftest import CASTLE_LINES, MakeSettings
from tests.services import Services, answers, redis_servers_of, wait_until


@pytest.fixture
def settings(make_settings: MakeSettings, model_cache: Path) -> Settings:
    return make_settings(model="efficientnet_lite0", model_cache_dir=model_cache)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_one_command_starts_everything_and_one_signal_stops_it(number: int, services: Services) -> None:
    port = free_port()
    everything = services.start("run_all.py", PORT=port, REDIS_URL="")
    wait_until(lambda: "The service is ready" in everything.output or everything.popen.poll() is not None)
    assert re.search(CASTLE_LINES, "".join(re.findall(r"^\d\. .*\n", everything.output, re.MULTILINE)))
    assert f"open http://127.0.0.1:{port} in a browser" in everything.output
    assert answers(f"http://127.0.0.1:{port}/readyz")
    (redis_server,) = redis_servers_of(everything)
    everything.signal_group(number) if number == signal.SIGINT else everything.popen.send_signal(number)
    assert everything.popen.wait(30) == 0
    assert services.running() == []
    assert not redis_server.exists()
    assert "Traceback" not in everything.output


def test_make_run_is_that_command(services: Services) -> None:
    if Path(sys.prefix) != PROJECT_DIR / ".venv":
        pytest.skip("these tests do not run in the virtual environment that make has made")
    everything = services.start_command(["make", "run"], PORT=free_port(), REDIS_URL="")
    wait_until(lambda: "The service is ready" in everything.output or everything.popen.poll() is not None)
    assert re.search(CASTLE_LINES, "".join(re.findall(r"^\d\. .*\n", everything.output, re.MULTILINE)))
    everything.signal_group(signal.SIGINT)
    everything.popen.wait(30)
    assert services.running() == []


def test_the_demo_shows_pictures_and_a_stress_test_and_stops_it_all(services: Services) -> None:
    demo = services.start_command([sys.executable, "run_all.py", "--demo"], REDIS_URL="")
    assert demo.popen.wait(120) == 0, demo.output
    assert services.running() == []
    assert re.search(CASTLE_LINES, demo.output)
    assert "This is not a picture" in demo.output
    assert "stress_test.py --requests 100" in demo.output
    assert "Stopping all of it" in demo.output


def test_a_taken_port_is_said_and_the_next_one_used(services: Services) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        everything = services.start("run_all.py", PORT=port, REDIS_URL="")
        wait_until(lambda: "The service is ready" in everything.output or everything.popen.poll() is not None)
    assert f"Port {port} is taken; using {port + 1} instead." in everything.output


def test_the_redis_that_is_set_is_used(services: Services) -> None:
    everything = services.start("run_all.py", PORT=free_port())
    wait_until(lambda: "The service is ready" in everything.output or everything.popen.poll() is not None)
    assert redis_servers_of(everything) == []


def test_when_a_part_cannot_start_all_of_it_ends_with_an_error(services: Services) -> None:
    everything = services.start("run_all.py", PORT=free_port(), MODEL="/no/such.keras")
    assert everything.popen.wait(60) == 1
    assert "no such network" in everything.output
    assert services.running() == []
