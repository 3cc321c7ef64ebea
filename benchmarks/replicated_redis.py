"""Redis that fails over: a master, two replicas and three Sentinels on loopback; for `make chaos` and tests.

Each server is reached through a cable of its own, which can be cut.
"""

from collections.abc import Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self, cast

import redis

from benchmarks.redis_parts import Part, RedisServer, connect
from benchmarks.sentinel_view import (
    SENTINELS,
    SERVERS,
    SERVICE,
    all_see_all,
    has_replicas,
    monitoring,
    named_master,
    watch_closely,
)
from benchmarks.services import wait_until
from tools.embedded_redis import find_server, free_port

# As docs/reliability.md recommends, so that a master that was cut off does not go on alone.
SAFE = ("--min-replicas-to-write", "1", "--min-replicas-max-lag", "3")


class ReplicatedRedis:
    """All of them; to be used with `with`.

    Args:
        folder: for the files of the Sentinels.
        program: the server; by default the one that `find_server` finds.
        options: more arguments of the servers.
        sentinel_options: more lines for the files of the Sentinels.
        login: arguments of our own clients of the servers; with `ssl` they listen for TLS only.
        sentinel_login: and of the Sentinels.
    """

    def __init__(
        self,
        folder: Path,
        program: Path | None = None,
        options: Sequence[str] = SAFE,
        sentinel_options: Sequence[str] = (),
        login: dict[str, Any] | None = None,
        sentinel_login: dict[str, Any] | None = None,
    ) -> None:
        program = program or find_server()
        self.servers = [RedisServer(program, folder, options, login or {}) for _ in range(SERVERS)]
        self.sentinel_ports = [free_port() for _ in range(SENTINELS)]
        self._sentinel_options = sentinel_options
        self._folder = folder
        self.sentinels = [
            Part([str(program), str(self._file(port)), "--sentinel"], folder) for port in self.sentinel_ports
        ]
        self._tls = bool(sentinel_login and sentinel_login.get("ssl"))
        self.sentinel_clients = [connect(port, **(sentinel_login or {})) for port in self.sentinel_ports]
        self._open = ExitStack()
        self._last_master = self.servers[0]

    @property
    def url(self) -> str:
        """What REDIS_URL must be."""
        return f"redis+sentinel://{self.hosts}/{SERVICE}/0"

    @property
    def hosts(self) -> str:
        """The Sentinels, as in the URL."""
        return ",".join(f"127.0.0.1:{port}" for port in self.sentinel_ports)

    def __enter__(self) -> Self:
        for part in (*self.servers, *self.sentinels, *(server.cable for server in self.servers)):
            self._open.callback(part.kill)
        for server in self.servers:
            self._open.callback(server.client.close)
            server.cable.start()
        for client in self.sentinel_clients:
            self._open.callback(client.close)
        try:
            self.servers[0].start()
            for server in self.servers[1:]:
                server.start("--replicaof", "127.0.0.1", str(self.servers[0].port))
            wait_until(lambda: self._are_replicas(self.servers[1:]))
            for port in self.sentinel_ports:
                self._configure(port)
            self.repair()
        except BaseException:
            self._open.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._open.close()

    def master(self) -> RedisServer | None:
        """Return the server that the Sentinels name, with the highest epoch; None when none answers."""
        named = named_master(self.sentinel_clients)
        for server in self.servers:
            if server.address == named:
                self._last_master = server
                return server
        return None

    def live_master(self) -> RedisServer:
        """Wait until the Sentinels name a server that is the master, and return it."""
        wait_until(lambda: (master := self.master()) and master.has_role("master"))
        return cast(RedisServer, self.master())

    def replicas(self) -> list[RedisServer]:
        """Return the other servers."""
        master = self.master()
        return [server for server in self.servers if server is not master]

    def fail_over(self) -> bool:
        """Have a Sentinel demote the master; return False when it cannot now."""
        for client in self.sentinel_clients:
            with suppress(redis.RedisError):
                return bool(client.execute_command("SENTINEL FAILOVER", SERVICE))
        return False

    def restart(self, server: RedisServer) -> None:
        """Start a server that was killed, empty, as a replica if another is, or was last, the master."""
        if not server.running:
            master = self.master() or self._last_master
            server.start(*([] if master is server else ["--replicaof", "127.0.0.1", str(master.port)]))

    def resume(self) -> None:
        """Let everything go on that is stopped or cut off."""
        for part in (*self.servers, *self.sentinels, *(server.cable for server in self.servers)):
            part.resume()

    def start_sentinels(self) -> None:
        """Start those that were killed; they remember what they knew."""
        for sentinel in self.sentinels:
            if not sentinel.running:
                sentinel.start()
        wait_until(lambda: watch_closely(self.sentinel_clients))

    def repair(self) -> None:
        """Let everything go on, start what was killed, and wait until all is complete."""
        self.resume()
        self.start_sentinels()
        for server in self.servers:
            self.restart(server)
        wait_until(self.is_complete)

    def is_complete(self) -> bool:
        """Tell whether there is one master with two replicas, and all Sentinels know all of that."""
        master = self.master()
        if not (master and has_replicas(master.client) and self._are_replicas(self.replicas())):
            return False
        return all_see_all(self.sentinel_clients, master.address)

    @staticmethod
    def _are_replicas(servers: Sequence[RedisServer]) -> bool:
        return all(server.has_role("slave") for server in servers)

    def _file(self, port: int) -> Path:
        return self._folder / f"sentinel-{port}.conf"

    def _configure(self, port: int) -> None:
        lines = [
            "bind 127.0.0.1",
            f"port 0\ntls-port {port}" if self._tls else f"port {port}",
            *monitoring(self.servers[0].address),
            *self._sentinel_options,
        ]
        self._file(port).write_text("\n".join(lines) + "\n")
