"""A master with two replicas and three Sentinels; test_faults.py has them with Valkey, too."""

import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from benchmarks.redis_parts import RedisServer
from benchmarks.replicated_redis import ReplicatedRedis
from benchmarks.services import wait_until
from tools.embedded_redis import packaged_server


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run what depends on the server's own failover with both servers, and all else with Redis."""
    if "running_fleet" in metafunc.fixturenames:
        servers = ["redis-server", "valkey"] if metafunc.module.__name__.endswith("test_faults") else ["redis-server"]
        metafunc.parametrize("running_fleet", servers, indirect=True, scope="module")


@pytest.fixture(scope="module")
def running_fleet(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ReplicatedRedis]:
    installed = shutil.which("redis-server")
    if request.param == "redis-server" and not installed:
        pytest.skip("there is no redis-server; apt-get install redis-server")
    program = Path(str(installed)) if request.param == "redis-server" else packaged_server()
    with ReplicatedRedis(tmp_path_factory.mktemp("redis"), program) as fleet:
        yield fleet


@pytest.fixture
def fleet(running_fleet: ReplicatedRedis) -> Iterator[ReplicatedRedis]:
    """All servers and Sentinels, which a test may break."""
    running_fleet.repair()
    for server in running_fleet.servers:
        server.client.config_set("min-replicas-to-write", 1)
    yield running_fleet
    running_fleet.resume()


@pytest.fixture
def redis_url(fleet: ReplicatedRedis) -> str:
    return fleet.url


def change_master(fleet: ReplicatedRedis) -> RedisServer:
    """Have a Sentinel demote the master, and return the new one.

    A Sentinel that has not heard of a replica for a moment gives up, and is asked again.
    """
    old = fleet.live_master()
    while fleet.master() in (None, old):
        wait_until(fleet.fail_over)
        with suppress(TimeoutError):
            wait_until(lambda: fleet.master() not in (None, old), timeout_s=10)
    return fleet.live_master()


def take_writes_without_replicas(fleet: ReplicatedRedis) -> None:
    """Until the end of the test; a new master has no replicas for a moment."""
    for server in fleet.servers:
        server.client.config_set("min-replicas-to-write", 0)


@contextmanager
def demoted(server: RedisServer) -> Iterator[None]:
    """Make a replica of the master for a moment; its master does not exist."""
    server.client.replicaof("127.0.0.1", 1)
    try:
        yield
    finally:
        server.client.replicaof("NO", "ONE")


def disconnect_clients(servers: Iterable[RedisServer]) -> None:
    for server in servers:
        server.client.client_kill_filter(_type="normal", skipme=True)
        server.client.client_kill_filter(_type="pubsub", skipme=True)
