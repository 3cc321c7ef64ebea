"""A fleet whose Redis fails over."""

from contextlib import suppress
from pathlib import Path
from typing import Any

import redis

from benchmarks.fleet import Fleet
from benchmarks.redis_parts import RedisServer
from benchmarks.replicated_redis import ReplicatedRedis


class SentinelFleet(Fleet):
    """The processes of one run; with three Redis servers and three Sentinels.

    Args:
        folder: for the logs.
        web_servers: their number.
        workers: their number.
        values: settings that differ from the defaults.

    Attributes:
        redis: the servers and Sentinels.
        master: the server that the Sentinels have named last.
    """

    def __init__(self, folder: Path, web_servers: int, workers: int, **values: object) -> None:
        self.redis = ReplicatedRedis(folder)
        self.master = self.redis.servers[0]
        self._started = False
        super().__init__(folder, web_servers, workers, redis_url=self.redis.url, **values)

    @property
    def redis_clients(self) -> list[Any]:
        """A client of each Redis server, that of the master first."""
        others = (server for server in self.redis.servers if server is not self.master)
        return [server.client for server in (self.master, *others)]

    @property
    def redis_is_up(self) -> bool:
        """Tell whether the master can be reached and has a replica, without which it takes no jobs."""
        self.master = self.redis.master() or self.master
        return reachable(self.master) and _takes_writes(self.master)

    def is_complete(self) -> bool:
        """Check, and tell whether all processes are ready and all retired ones have ended."""
        return super().is_complete() and self.redis.is_complete()

    def start_redis(self) -> None:
        """Start everything, or start the servers again, empty."""
        if self._started:
            for server in self.redis.servers:
                self.redis.restart(server)
        else:
            self._redis.enter_context(self.redis)
            self._started = True

    def stop_redis(self) -> None:
        """Kill all servers, so that all data are lost; the Sentinels remain."""
        for server in self.redis.servers:
            server.kill()

    def __exit__(self, *error: Any) -> None:
        super().__exit__(*error)
        self._redis.close()


def reachable(server: RedisServer) -> bool:
    """Tell whether a server is neither killed, stopped nor cut off."""
    return server.running and not server.stopped and not server.cable.stopped


def _takes_writes(server: RedisServer) -> bool:
    with suppress(redis.RedisError):
        state = server.client.info("replication")
        return bool(state["role"] == "master" and state["min_slaves_good_slaves"])
    return False
