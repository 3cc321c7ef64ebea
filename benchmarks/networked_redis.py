"""Redis that fails over on a network: three hosts, each with a server and a Sentinel."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from benchmarks.network_namespaces import Host, Network
from benchmarks.redis_parts import FAST_SYNC, PROBE_TIMEOUT_S
from benchmarks.replicated_redis import SAFE
from benchmarks.sentinel_view import (
    SERVERS,
    SERVICE,
    all_see_all,
    has_replicas,
    has_role,
    monitoring,
    named_master,
    watch_closely,
)
from benchmarks.services import Services, wait_until
from tools.embedded_redis import find_server

REDIS_PORT, SENTINEL_PORT = 6379, 26379


class RedisHost:
    """A host with a server and a Sentinel.

    Attributes:
        server, sentinel: clients of our own on the same host, which no fault of the network concerns.
    """

    def __init__(self, host: Host, folder: Path) -> None:
        self.host = host
        self.address = host.address, REDIS_PORT
        self.folder = folder
        self.server, self.sentinel = client_on(host, REDIS_PORT), client_on(host, SENTINEL_PORT)

    def start_server(self, services: Services, master: "RedisHost") -> None:
        """Start the server, as a replica unless it is the master."""
        command = [
            str(find_server()),
            "--bind",
            self.host.address,
            "--port",
            str(REDIS_PORT),
            "--dir",
            str(self.folder),
        ]
        role = [] if master is self else ["--replicaof", *map(str, master.address)]
        open_and_empty = "--protected-mode", "no", "--save", ""
        self.host.call(services.start_command, [*command, *open_and_empty, *FAST_SYNC, *SAFE, *role])

    def start_sentinel(self, services: Services, master: "RedisHost") -> None:
        """Start the Sentinel."""
        lines = [f"bind {self.host.address}", f"port {SENTINEL_PORT}", f"dir {self.folder}", "protected-mode no"]
        file = self.folder / "sentinel.conf"
        file.write_text("\n".join([*lines, *monitoring(master.address)]) + "\n")
        self.host.call(services.start_command, [str(find_server()), str(file), "--sentinel"])


class NetworkedRedis:
    """All of them.

    Args:
        network: gets their hosts.
        folder: for their files.
    """

    def __init__(self, network: Network, folder: Path) -> None:
        self.hosts = [RedisHost(network.host(), _folder(folder, f"redis-{number}")) for number in range(SERVERS)]

    @property
    def url(self) -> str:
        """What REDIS_URL must be."""
        sentinels = ",".join(f"{each.host.address}:{SENTINEL_PORT}" for each in self.hosts)
        return f"redis+sentinel://{sentinels}/{SERVICE}/0"

    @contextmanager
    def running(self, services: Services) -> Iterator[None]:
        """Start everything, and wait until it is complete; whoever gave `services` stops it."""
        master = self.hosts[0]
        for each in self.hosts:
            each.start_server(services, master)
        wait_until(lambda: self._has_roles(master))
        for each in self.hosts:
            each.start_sentinel(services, master)
        wait_until(lambda: watch_closely([each.sentinel for each in self.hosts]))
        wait_until(self.is_complete)
        try:
            yield
        finally:
            for each in self.hosts:
                each.server.close()
                each.sentinel.close()

    def master(self) -> RedisHost:
        """Return the host that the Sentinels name, with the highest epoch."""
        named = named_master(each.sentinel for each in self.hosts)
        return next(each for each in self.hosts if each.address == named)

    def is_complete(self) -> bool:
        """Tell whether there is one master with two replicas, and all Sentinels know all of that."""
        named = named_master(each.sentinel for each in self.hosts)
        if named is None or not self._has_roles(self.master()):
            return False
        return all_see_all([each.sentinel for each in self.hosts], named)

    def _has_roles(self, master: RedisHost) -> bool:
        others = [each for each in self.hosts if each is not master]
        return has_replicas(master.server) and all(has_role(each.server, "slave") for each in others)


class _Connection(redis.Connection):
    """A connection that is made on a host."""

    def __init__(self, *, on: Host, **options: Any) -> None:
        super().__init__(**options)  # type: ignore[no-untyped-call]
        self._on = on

    def _connect(self) -> Any:
        return self._on.call(super()._connect)


def client_on(host: Host, port: int) -> Any:
    """Return a client of a server on a host; it may be used on any host."""
    options: dict[str, Any] = {"host": host.address, "port": port, "socket_timeout": PROBE_TIMEOUT_S, "protocol": 2}
    retry = Retry(NoBackoff(), 0)
    pool = redis.ConnectionPool(_Connection, on=host, decode_responses=True, retry=retry, **options)
    return redis.Redis.from_pool(pool)


def _folder(parent: Path, name: str) -> Path:
    folder = parent / name
    folder.mkdir()
    return folder
