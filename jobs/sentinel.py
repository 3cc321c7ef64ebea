"""Where the master is now, as Redis Sentinel says.

A thread asks all Sentinels twice a second, as long as a connection is open or being opened. When the master changes, it
shuts down all connections to the former one. So whoever waits on one notices, even where the former master has vanished
without closing anything, and goes on as after a restart of Redis. While no Sentinel answers, the last known master
counts.
"""

import threading
import time
from contextlib import suppress
from functools import cache
from typing import Any, Protocol
from weakref import WeakSet

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from redis.sentinel import MasterNotFoundError

from logger import log
from redis_url import Address, SentinelUrl, parse_sentinel_url
from settings import Settings

WATCH_INTERVAL_S = 0.5
# Of connecting to a Sentinel, and of its reply.
SENTINEL_TIMEOUT_S = 0.5


class Follower(Protocol):
    """A connection that must not stay with a former master."""

    @property
    def is_in_use(self) -> bool:
        """Tell whether it is open or being opened."""

    @property
    def address(self) -> Address:
        """The server to which it was, or is being, made."""

    def shut_down(self) -> None:
        """Have whoever uses it find it closed; from any thread."""


class MasterLocator:
    """Knows where the master is; safe to use from many threads.

    Args:
        settings: where the Sentinels are, and their password.

    Attributes:
        known: the master as far as known; None before a Sentinel has named it.
    """

    def __init__(self, settings: Settings) -> None:
        url = parse_sentinel_url(settings.redis_url.get_secret_value())
        self._service = url.service
        self._sentinels = {f"{host}:{port}": _client(settings, url, host, port) for host, port in url.sentinels}
        self._failures: dict[str, str] = {}
        self._asking = threading.Lock()
        self._asked_at = 0.0
        self._registering = threading.Lock()
        self._connections: WeakSet[Follower] = WeakSet()
        self._watched = False
        self.known: Address | None = None

    def locate(self) -> Address:
        """Return where the master is; ask only if the thread does not, since another may have been elected meanwhile.

        Raises:
            MasterNotFoundError: no Sentinel has ever named it.
        """
        return self.known if self.known and self._watched else self.ask()

    def ask(self) -> Address:
        """Ask the Sentinels, or share the answer with a thread that is just asking; return where the master is.

        Raises:
            MasterNotFoundError: no Sentinel has ever named it.
        """
        called_at = time.monotonic()
        with self._asking:
            if self._asked_at < called_at:
                self._ask_all()
                self._asked_at = time.monotonic()
        if self.known is None:
            raise MasterNotFoundError(f"no Sentinel names a master of {self._service!r}")
        return self.known

    def register(self, connection: Follower) -> None:
        """Shut the connection down when the master is another one."""
        with self._registering:
            self._connections.add(connection)
            if not self._watched:
                with suppress(RuntimeError):  # if the system allows no more threads, the next connection tries again
                    threading.Thread(target=self._watch, name="sentinel", daemon=True).start()
                    self._watched = True

    def _watch(self) -> None:
        while self._is_used():
            self._leave_former(self.known)
            time.sleep(WATCH_INTERVAL_S)
            with suppress(redis.RedisError):
                self.ask()

    def _is_used(self) -> bool:
        with self._registering:
            self._watched = any(connection.is_in_use for connection in self._connections)
            return self._watched

    def _leave_former(self, master: Address | None) -> None:
        """Shut down connections to other servers than the master."""
        with self._registering:
            former = [connection for connection in self._connections if connection.address != master]
        for connection in former:
            connection.shut_down()

    def _ask_all(self) -> None:
        """Ask every Sentinel, since one that was cut off knows of no failover: the highest epoch is right."""
        answers = [answer for name in self._sentinels if (answer := self._answer_of(name))]
        if not answers:
            return
        _, master = max(answers, key=lambda answer: answer[0])
        if self.known and self.known != master:
            # Before others see the new master, so that nothing is asked of the former one in its stead.
            self._leave_former(master)
            log("master_changed", level="warning", master=f"{master[0]}:{master[1]}")
        self.known = master

    def _answer_of(self, name: str) -> tuple[int, Address] | None:
        """Return a Sentinel's epoch, and the master that it names; None if it does not answer."""
        try:
            # In this order, so that the address is at least as new as the epoch.
            state = self._sentinels[name].execute_command("SENTINEL MASTER", self._service)
            # While replicas are still being told, only this command names the new master.
            host, port = self._sentinels[name].execute_command("SENTINEL GET-MASTER-ADDR-BY-NAME", self._service)
        except (redis.RedisError, TypeError, ValueError) as error:  # TypeError: it has just forgotten the service
            self._log_failure(name, str(error))
            return None
        self._failures.pop(name, None)
        return int(state["config-epoch"]), (host, int(port))

    def _log_failure(self, name: str, error: str) -> None:
        if self._failures.get(name) != error:
            self._failures[name] = error
            log("sentinel_failed", level="warning", sentinel=name, error=error)


@cache
def master_locator(settings: Settings) -> MasterLocator:
    """Return the process's only locator for these settings."""
    return MasterLocator(settings)


def _client(settings: Settings, url: SentinelUrl, host: str, port: int) -> Any:
    """Return a client of a Sentinel: with the TLS options of the servers, and a user and password of its own."""
    return redis.Redis(
        host,
        port,
        username=settings.sentinel_user or None,
        password=settings.sentinel_password.get_secret_value() or None,
        protocol=2,
        decode_responses=True,
        driver_info=None,
        socket_connect_timeout=SENTINEL_TIMEOUT_S,
        socket_timeout=SENTINEL_TIMEOUT_S,
        retry=Retry(NoBackoff(), 0),
        ssl=url.tls,
        **{name: value for name, value in url.options.items() if name.startswith("ssl_")},
    )
