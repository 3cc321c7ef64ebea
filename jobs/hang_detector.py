"""Notices when Redis hangs, so that requests are refused at once instead of waiting for one time-out after another.

It is a circuit breaker: the first command without an answer opens it for all connections of the process that
`connect_impatiently` has made, and a thread asks Redis until it answers again. No request has to find out by itself.
Where Redis fails over, nobody waits for that thread once there is another master.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any, Literal, Self, TypeVar

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from jobs.connection import connect
from jobs.master_connection import locator_of
from logger import log
from redis_url import Address
from settings import Settings

# A request waits for at most one of each; new requests are promised a refusal within 3 s. TCP repeats the first packet
# of a connection after 1 s (RFC 6298, 2.1), so that one lost packet is no hang.
CONNECT_TIMEOUT_S = 1.3
REPLY_TIMEOUT_S = 1.5
PROBE_INTERVAL_S = 0.25

Reply = TypeVar("Reply")


class RedisHangs(redis.RedisError):
    """The command was not sent, since Redis has not answered an earlier one."""


class HangDetector:
    """Watches the commands of one process; safe to use from many threads.

    Args:
        settings: where Redis is.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._locator = locator_of(connect(settings))
        self._hangs = False
        self._silent_master: Address | None = None
        self._lock = threading.Lock()
        self._drops: list[Callable[[], object]] = []

    def drop_when_hung(self, drop: Callable[[], object]) -> None:
        """Register what drops idle connections; called whenever Redis leaves a command without an answer.

        It may be the connection that is dead, because a firewall has forgotten it, and then the others are dead, too.
        """
        self._drops.append(drop)

    def check(self) -> None:
        """Refuse while Redis hangs; otherwise this costs nothing.

        Raises:
            RedisHangs: it has left a command without an answer, and has not answered since.
        """
        if self._hangs and self._silent_master == self._master:
            raise RedisHangs("Redis does not answer")

    @contextmanager
    def watch(self) -> Iterator[None]:
        """Watch the commands of the block.

        Raises:
            RedisHangs: as `check`.
        """
        self.check()
        try:
            yield
        except redis.TimeoutError:
            self._open()
            raise

    @property
    def _master(self) -> Address | None:
        return self._locator.known if self._locator else None

    def _open(self) -> None:
        with self._lock:
            if self._hangs:
                return
            self._silent_master = self._master
            self._hangs = True
        try:
            log("redis_hangs", level="error")
            threading.Thread(target=self._wait_for_answer, name="redis-probe", daemon=True).start()
        except (RuntimeError, MemoryError):  # there is no thread for it, so the next command finds out
            self._hangs = False
        for drop in self._drops:
            drop()

    def _wait_for_answer(self) -> None:
        # Redis is asked at once, since it may be only one connection that is dead.
        try:
            while self._is_silent():
                time.sleep(PROBE_INTERVAL_S)
        finally:  # if there was no memory to ask, the next command finds out
            self._hangs = False
        log("redis_answers")

    def _is_silent(self) -> bool:
        """Ask on a new connection; a refusal is an answer, too."""
        try:
            with connect(self._settings, 0, 2, CONNECT_TIMEOUT_S, REPLY_TIMEOUT_S) as client:
                client.ping()
        except redis.TimeoutError:
            return True
        except redis.RedisError:
            return False
        return False


class _WatchedCalls(Retry):
    """Retries nothing: redis-py passes through here each command, and each attempt to connect."""

    def __init__(self, detector: HangDetector) -> None:
        super().__init__(NoBackoff(), 0)
        self._detector = detector

    def __deepcopy__(self, _memo: object) -> Self:
        """Return the same, since redis-py copies it for each connection, and all share the detector."""
        return self

    def call_with_retry(self, do: Callable[[], Reply], fail: Callable[..., Any], *args: Any, **options: Any) -> Reply:
        with self._detector.watch():
            return super().call_with_retry(do, fail, *args, **options)


@cache
def hang_detector(settings: Settings) -> HangDetector:
    """Return the process's only detector for these settings."""
    return HangDetector(settings)


def connect_impatiently(settings: Settings, protocol: Literal[2, 3] = 2) -> redis.Redis:
    """Return a client for requests, which somebody waits for; all of a process share one notion of whether Redis hangs.

    Its commands raise RedisHangs while Redis hangs.

    Args:
        settings: where Redis is.
        protocol: RESP version; 3 lets commands and published messages share a connection.
    """
    detector = hang_detector(settings)
    client = connect(settings, 0, protocol, CONNECT_TIMEOUT_S, REPLY_TIMEOUT_S, _WatchedCalls(detector))
    detector.drop_when_hung(lambda: client.connection_pool.disconnect(inuse_connections=False))
    return client
