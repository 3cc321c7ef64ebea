"""A fleet on a network: Redis and each process on a host of its own.

Whoever uses it must be on a host of the network, too: `Host.call` does that.
"""

import sys
from contextlib import suppress
from pathlib import Path

import redis

from benchmarks.fleet import Fleet, Server
from benchmarks.network_namespaces import Host, Network
from benchmarks.networked_redis import REDIS_PORT, client_on
from benchmarks.redis_parts import Part
from benchmarks.services import Process, wait_until
from tools.embedded_redis import find_server

WEB_PORT = 5000
# By default Redis asks after 300 s whether the other end of a connection still exists. That of a process which was
# killed while it was cut off does not.
KEEPALIVE = ("--tcp-keepalive", "3")


class NetworkedFleet(Fleet):
    """The processes of one run. No fault of the network concerns how clients reach web servers.

    Args:
        network: gets their hosts.
        folder: for the logs.
        web_servers: their number.
        workers: their number.
        values: settings that differ from the defaults.

    Attributes:
        redis_host: the host of Redis.
    """

    def __init__(self, network: Network, folder: Path, web_servers: int, workers: int, **values: object) -> None:
        self._network = network
        self.redis_host = network.host()
        self._hosts: dict[Process, Host] = {}
        self._cut_host: Host | None = None
        self._disturbed = False
        address = self.redis_host.address
        options = ["--bind", address, "--port", str(REDIS_PORT), "--protected-mode", "no", "--save", "", *KEEPALIVE]
        self._redis_server = Part([str(find_server()), *options], folder)
        super().__init__(folder, web_servers, workers, redis_url=f"redis://{address}:{REDIS_PORT}/0", **values)
        self._redis_client = client_on(self.redis_host, REDIS_PORT)

    def host_of(self, server: Server) -> Host:
        """Return where a process runs."""
        return self._hosts[server.process]

    def can_work(self) -> bool:
        """Tell whether Redis and at least one worker are available to all web servers, and no packets are disturbed."""
        needed = {self.redis_host, *map(self.host_of, self.web_servers)}
        if self._disturbed or self._cut_host in needed or not self.redis_is_up:
            return False
        workers = [worker for worker in self.workers if worker.ready and not worker.suspended]
        return any(self.host_of(worker) is not self._cut_host for worker in workers)

    def cut_off(self, host: Host) -> None:
        """Cut a process off from Redis, or Redis from all, silently, until `heal`."""
        self._cut_host = host
        others = list(self._all_hosts()) if host is self.redis_host else [self.redis_host]
        self._network.split([host], others)

    def disturb(self, delay_s: float, loss: float) -> None:
        """Delay packets from and to Redis, or lose some, until `heal`."""
        self._disturbed = True
        for host in self._all_hosts():
            self._network.disturb(host, self.redis_host, delay_s, loss)

    def forget_connections(self) -> None:
        """Drop the packets of all connections to Redis, until `heal`."""
        self._disturbed = True
        for host in self._all_hosts():
            self._network.forget_connections(host, self.redis_host)

    def heal(self) -> None:
        """End the faults of the network."""
        self._network.heal()
        self._disturbed, self._cut_host = False, None

    def start_redis(self) -> None:
        """Start an empty Redis."""
        self.redis_host.call(self._redis_server.start)
        wait_until(self._redis_answers)
        self._redis_is_up = True

    def stop_redis(self) -> None:
        """Kill Redis, so that all data are lost."""
        self._redis_is_up = False
        self._redis_server.kill()

    def start_worker(self) -> None:
        """Start a worker without waiting until it is ready."""
        self._start(self.WORKER)

    def start_web_server(self) -> None:
        """Start a web server without waiting until it is ready."""
        host = self._start(self.WEB_SERVER)
        self._servers[-1].url = f"http://{host.address}:{WEB_PORT}"

    def _start(self, program: tuple[str, ...]) -> Host:
        host = self._free_host()
        command = [sys.executable, *program]
        process = host.call(self._services.start_command, command, HOST=host.address, PORT=WEB_PORT)
        self._hosts[process] = host
        self._servers.append(Server(process))
        return host

    def _free_host(self) -> Host:
        """Return one whose process has ended, or a new one."""
        busy = {host for process, host in self._hosts.items() if process.popen.poll() is None}
        free = (host for host in self._hosts.values() if host not in busy)
        return next(free, None) or self._network.host()

    def _all_hosts(self) -> set[Host]:
        return set(self._hosts.values())

    def _redis_answers(self) -> bool:
        with suppress(redis.RedisError):
            return bool(self._redis_client.ping())
        return False
