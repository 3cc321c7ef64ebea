"""Shared fixtures: a real Redis, settings with a key prefix of their own, a tiny network."""

import os
import uuid
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import redis

# Re-exported for the tests.
from benchmarks.colour_network import COLOURS as COLOURS
from benchmarks.colour_network import network_settings, save_network
from benchmarks.colour_network import picture as picture
from benchmarks.services import Process, Services, wait_until
from helpers import Crop, ImageShape
from jobs.connection import connect
from jobs.heartbeat import Heartbeat
from jobs.protocol import Keys, WorkerInfo
from pictures.decoding import DecodingOptions
from pictures.limits import Limits
from project import PROJECT_DIR
from settings import Settings
from tests.support.heic_writer import register_writer
from tools import embedded_redis as embedded_redis_module
from tools.embedded_redis import embedded_redis

pytest_plugins = ["tests.support.browser"]

CASTLE = PROJECT_DIR / "castle_image.jpg"
# Matches what `simple_request.py` prints for it.
CASTLE_LINES = r"1\. castle: 0\.[89]\d{3}\n(?:[2-5]\. [a-z_]+: 0\.\d{4}\n){4}"
# A decoded picture of the network's input size, and the description of a worker.
PIXELS = bytes(224 * 224 * 3)
# How pictures become pixels in tests that are about something else.
OPTIONS = DecodingOptions(ImageShape(224, 224, 3), Crop("squash"), Limits(50_000_000, 65_535))
INFO = WorkerInfo("w1", model="m", engine="e", batch_size=1, note="", host="h", pid=1, precision="float32")

MakeSettings = Callable[..., Settings]
# redis-py's type stubs return unions of bytes, str and None; a test knows which of them it gets.
Client = Any


def pytest_configure() -> None:
    """Prepare each test process, before tests are collected, some of which are about one picture of each format."""
    register_writer()
    divide_ports()


def divide_ports() -> None:
    """Take our share of the ports: one that nobody uses yet could be chosen by two test processes at once."""
    number = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    count = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    embedded_redis_module.PORTS = embedded_redis_module.PORTS[number % count :: count]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """In CI a skipped test fails, unless it is marked with `may_skip_in_ci`."""
    report = yield
    if report.skipped and os.environ.get("CI") and not item.get_closest_marker("may_skip_in_ci"):
        report.outcome = "failed"
        report.longrepr = f"skipped, which is not allowed in CI: {report.longrepr}"
    return report


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    with embedded_redis() as url:
        yield url


@pytest.fixture
def client(redis_url: str) -> Iterator[Client]:
    """A plain Redis client, to inspect and change what is in Redis."""
    with redis.Redis.from_url(redis_url, decode_responses=True) as client:
        yield client


@pytest.fixture
def make_settings(redis_url: str) -> MakeSettings:
    """Makes settings with the test's own key prefix; the .env file is ignored."""
    prefix = f"{uuid.uuid4().hex}:"

    def make(**changes: object) -> Settings:
        values = {"redis_url": redis_url, "key_prefix": prefix, "server_name": "test", "precision": "float32"} | changes
        return Settings(_env_file=None, **values)  # type: ignore[call-arg, arg-type]

    return make


@pytest.fixture
def settings(make_settings: MakeSettings) -> Settings:
    return make_settings()


@pytest.fixture
def live_worker(settings: Settings) -> Iterator[None]:
    """Heartbeats of the worker w1, which takes no jobs."""
    with heartbeat(settings):
        yield


@contextmanager
def heartbeat(settings: Settings) -> Iterator[None]:
    """Send heartbeats of the worker w1 during the block."""
    with Heartbeat(settings, INFO, loops=1), connect(settings) as client:
        wait_until(lambda: client.exists(Keys(settings).worker("w1")))
        yield


@pytest.fixture
def keys(settings: Settings) -> Keys:
    return Keys(settings)


@pytest.fixture
def services(request: pytest.FixtureRequest, settings: Settings, tmp_path: Path) -> Iterator[Services]:
    """Starts the real scripts as processes with the module's settings, and stops them after the test."""
    services = Services(settings, tmp_path)
    yield services
    services.close()
    # Shown where the test has failed.
    request.node.add_report_section("teardown", "output of services", services.output)
    assert services.running() == []


@pytest.fixture(scope="session")
def model_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model cache for all tests, so that each network is exported once."""
    return tmp_path_factory.mktemp("models")


@pytest.fixture(scope="session")
def colour_network(tmp_path_factory: pytest.TempPathFactory, model_cache: Path) -> dict[str, object]:
    """The settings that serve the colour network."""
    folder = tmp_path_factory.mktemp("colours")
    save_network(folder)
    return network_settings(folder) | {"model_cache_dir": model_cache, "precision": "float32"}


@pytest.fixture
def colour_settings(colour_network: dict[str, object], make_settings: MakeSettings) -> MakeSettings:
    """Makes settings that serve the colour network."""

    def make(**changes: object) -> Settings:
        return make_settings(**(colour_network | {"batch_size": 4} | changes))

    return make


@pytest.fixture(scope="module")
def served(
    redis_url: str, colour_network: dict[str, object], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Process, str]]:
    """A web server and its URL, with a worker, shared by all tests of a module."""
    changes = colour_network | {"redis_url": redis_url, "key_prefix": f"{uuid.uuid4().hex}:", "web_processes": 1}
    services = Services(Settings(_env_file=None, **changes), tmp_path_factory.mktemp("served"))  # type: ignore[call-arg, arg-type]
    try:
        services.start_worker(BATCH_SIZE=4)
        yield services.start_web_server()
    finally:
        services.close()
    assert services.running() == []


@pytest.fixture
def url(served: tuple[Process, str]) -> str:
    """The address of the module's web server."""
    return served[1]
