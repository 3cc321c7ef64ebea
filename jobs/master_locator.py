"""Where the master is now, as Redis Sentinel says.

A thread asks all Sentinels twice a second, as long as a connection is open or being opened. When the master changes, it
shuts down all connections to the former one. So whoever waits on one notices, even where the former master has vanished
without closing anything, and goes on as after a restart of Redis. While no Sentinel answers, the last known master
counts.

All Sentinels are asked at the same time, since those that have vanished with the master must not delay what the others
know.
"""

import threading
import time
from contextlib import suppress
from functools import cache
from typing import Protocol
from weakref import WeakSet

import redis
from redis.sentinel import MasterNotFoundError

from jobs.sentinel import SENTINEL_TIMEOUT_S, Sentinel, SentinelAnswer
from logger import log
from redis_url import Address, parse_sentinel_url
from settings import Settings

WATCH_INTERVAL_S = 0.5
# When none has named the known master for so long, but others do, the Sentinels have been set up anew.
DOUBT_S = 10.0


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


class _Round:
    """One question to several Sentinels, which is over when they have answered."""

    def __init__(self, sentinels: set[Sentinel]) -> None:
        self.silent = sentinels
        self.has_answer = False
        self.over = threading.Event()
        self._ends_at = time.monotonic() + SENTINEL_TIMEOUT_S

    @property
    def under_way(self) -> bool:
        """Tell whether it may still bring an answer in time."""
        return not self.over.is_set() and time.monotonic() < self._ends_at

    def wait(self) -> None:
        """Wait until it is over, or its time is."""
        self.over.wait(self._ends_at - time.monotonic())


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
        self._sentinels = {Sentinel(settings, url, address) for address in url.sentinels}
        self._lock = threading.Lock()
        self._round: _Round | None = None
        self._being_asked: set[Sentinel] = set()
        self._epoch = 0
        self._doubted_since: float | None = None
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
        """Ask the Sentinels, or wait for the answers to a thread that is just asking; return where the master is.

        This takes at most SENTINEL_TIMEOUT_S; so long only when a Sentinel has just ceased to answer, or none does.

        Raises:
            MasterNotFoundError: no Sentinel has ever named it.
        """
        self._current_round().wait()
        if self.known is None:
            raise MasterNotFoundError(f"no Sentinel names a master of {self._service!r}")
        return self.known

    def ask_alone(self) -> None:
        """Ask the Sentinels one after the other, without threads: for a process that forks."""
        current = _Round(set(self._sentinels))
        for sentinel in self._sentinels:
            self._ask_one(sentinel, current)

    def register(self, connection: Follower) -> None:
        """Shut the connection down when the master is another one."""
        with self._registering:
            self._connections.add(connection)
            if not self._watched:
                with suppress(RuntimeError):  # if the system allows no more threads, the next connection tries again
                    threading.Thread(target=self._watch, name="sentinel", daemon=True).start()
                    self._watched = True

    def _watch(self) -> None:
        try:
            while self._continue_watching():
                due = time.monotonic() + WATCH_INTERVAL_S
                with suppress(redis.RedisError):
                    self._leave_former(self.ask())
                time.sleep(max(0.0, due - time.monotonic()))
        except BaseException:  # there is no memory left; the next connection starts another thread
            self._watched = False
            raise

    def _continue_watching(self) -> bool:
        with self._registering:
            self._watched = any(connection.is_in_use for connection in self._connections)
            return self._watched

    def _leave_former(self, master: Address) -> None:
        """Shut down connections to other servers than the master."""
        with self._registering:
            former = [connection for connection in self._connections if connection.address != master]
        for connection in former:
            connection.shut_down()

    def _current_round(self) -> _Round:
        """Return the round that is under way, or start one with all Sentinels that nobody is asking."""
        with self._lock:
            if self._round and self._round.under_way:
                return self._round
            idle = self._sentinels - self._being_asked
            self._being_asked |= idle
            self._round = current = _Round(set(idle))
        for sentinel in idle:
            arguments = sentinel, current
            try:
                threading.Thread(target=self._ask_one, args=arguments, name="sentinel-ask", daemon=True).start()
            except (RuntimeError, MemoryError):  # the system allows no more threads, or has no memory for one
                self._ask_one(*arguments)
        return current

    def _ask_one(self, sentinel: Sentinel, current: _Round) -> None:
        answer = None
        try:
            answer = sentinel.ask()
        finally:
            with self._lock:
                self._being_asked.discard(sentinel)
                self._take(sentinel, answer, current)

    def _take(self, sentinel: Sentinel, answer: SentinelAnswer | None, current: _Round) -> None:
        current.silent.discard(sentinel)
        if answer:
            current.has_answer = True
            self._weigh(answer)
        # Nobody waits for those that did not answer the last time, unless they are all.
        waited_for = [silent for silent in current.silent if not (current.has_answer and silent.failure)]
        if not waited_for:
            current.over.set()

    def _weigh(self, answer: SentinelAnswer) -> None:
        """Follow who knows of a later failover at once; others may have been cut off, even all that answer now."""
        if answer == (self._epoch, self.known):
            self._doubted_since = None
        elif self.known is None or answer.epoch > self._epoch:
            self._follow(answer)
        else:
            now = time.monotonic()
            self._doubted_since = self._doubted_since or now
            if now - self._doubted_since >= DOUBT_S:
                self._follow(answer)

    def _follow(self, answer: SentinelAnswer) -> None:
        has_changed = self.known not in (None, answer.master)
        if has_changed:
            # Before others see the new master, so that nothing is asked of the former one in its stead.
            self._leave_former(answer.master)
            log("master_changed", level="warning", master="{}:{}".format(*answer.master))
        self._epoch, self.known = answer
        self._doubted_since = None
        if has_changed:
            self._leave_former(answer.master)  # again, for those that have just been made to the former one


@cache
def master_locator(settings: Settings) -> MasterLocator:
    """Return the process's only locator for these settings."""
    return MasterLocator(settings)
