"""Injects random faults into a fleet: it kills, suspends and replaces processes and cuts Redis connections."""

import random
import time
from collections import Counter
from collections.abc import Callable

from benchmarks.fleet import Fleet, Server
from benchmarks.services import wait_until
from benchmarks.tally import Tally

# Between two faults.
MIN_PAUSE_S, MAX_PAUSE_S = 0.3, 2.0
MIN_SUSPENDED_S, MAX_SUSPENDED_S = 1.0, 6.0
MIN_REDIS_DOWN_S, MAX_REDIS_DOWN_S = 1.0, 10.0
REDIS_RESTART_INTERVAL_S = 30
# When connections are cut, requests are refused for about 0.1 s; a busy machine takes a little longer.
CUT_GRACE_S = 0.5
# A web server that leaves gets no new requests for this long before SIGTERM, as behind a load balancer.
DRAIN_S = 1.0

# Returns False where it is not possible now.
Fault = Callable[[], bool]


class FaultInjector:
    """Chooses faults by the seed; their times and targets also depend on the fleet's speed.

    Attributes:
        faults: the number of each injected fault.
        elections: how often another Redis server became the master.
    """

    def __init__(self, fleet: Fleet, tally: Tally, seed: int) -> None:
        self._fleet = fleet
        self._tally = tally
        self._random = random.Random(seed)  # noqa: S311
        self._next_fault_at = self._next_redis_restart_at = time.monotonic()
        self._repairs: list[tuple[float, Callable[[], None]]] = []
        self._bag: list[tuple[str, Fault]] = []
        self.faults: Counter[str] = Counter()
        self.elections = 0

    def tick(self) -> None:
        """Make the repairs and inject the fault that are due."""
        self._fleet.check()
        self._record_outage()
        now = time.monotonic()
        for item in [item for item in self._repairs if item[0] <= now]:
            self._repairs.remove(item)
            item[1]()
        if now >= self._next_fault_at:
            self._inject()
            self._next_fault_at = now + self._random.uniform(MIN_PAUSE_S, MAX_PAUSE_S)

    def repair(self) -> None:
        """Repair all faults, and wait until the fleet is complete."""
        for _, repair in self._repairs:
            repair()
        self._repairs.clear()
        wait_until(self._is_repaired)

    def _is_repaired(self) -> bool:
        self._record_outage()
        return self._fleet.is_complete()

    def _record_outage(self) -> None:
        if not self._fleet.can_work():
            self._tally.outages.record()

    def _inject(self) -> None:
        """Draw a fault from a bag that holds each one by its weight, so that a short run has some of each."""
        if not self._bag:
            self._bag = [fault for fault, weight in self._weighted_faults() for _ in range(weight)]
            self._random.shuffle(self._bag)
        name, inject = self._bag.pop()
        if inject():
            self.faults[name] += 1

    def _weighted_faults(self) -> list[tuple[tuple[str, Fault], int]]:
        return [
            (("worker killed", self._kill_worker), 4),
            (("worker suspended", self._suspend_worker), 3),
            (("worker replaced", self._replace_worker), 1),
            (("web server replaced", self._replace_web_server), 1),
            (("pub/sub connections cut", lambda: self._cut("pubsub")), 3),
            (("other connections cut", lambda: self._cut("normal")), 2),
            (("Redis restarted empty", self._restart_redis), 1),
        ]

    def _repair_after(self, min_s: float, max_s: float, repair: Callable[[], None]) -> None:
        self._repairs.append((time.monotonic() + self._random.uniform(min_s, max_s), repair))

    def _random_worker(self, or_suspended: bool) -> Server | None:
        workers = [worker for worker in self._fleet.workers if worker.ready and (or_suspended or not worker.suspended)]
        return self._random.choice(workers) if workers else None

    def _kill_worker(self) -> bool:
        if worker := self._random_worker(or_suspended=True):
            self._fleet.kill(worker)
            self._fleet.start_worker()
        return worker is not None

    def _suspend_worker(self) -> bool:
        if worker := self._random_worker(or_suspended=False):
            worker.suspend()
            self._repair_after(MIN_SUSPENDED_S, MAX_SUSPENDED_S, worker.resume)
        return worker is not None

    def _replace_worker(self) -> bool:
        if worker := self._random_worker(or_suspended=False):
            self._fleet.retire(worker)
            self._fleet.start_worker()
        return worker is not None

    def _replace_web_server(self) -> bool:
        servers = self._fleet.web_servers
        if any(server.draining or not server.ready for server in servers):
            return False
        old = self._random.choice(servers)
        old.draining = True
        self._repair_after(DRAIN_S, DRAIN_S, lambda: self._fleet.retire(old))
        self._fleet.start_web_server()
        return True

    def _cut(self, client_type: str) -> bool:
        if not self._fleet.redis_is_up:
            return False
        # Recorded first, since a request may be refused at once.
        self._tally.outages.record(CUT_GRACE_S)
        self._fleet.redis_client.client_kill_filter(_type=client_type, skipme=True)
        return True

    def _restart_redis(self) -> bool:
        now = time.monotonic()
        if not self._fleet.redis_is_up or now < self._next_redis_restart_at:
            return False
        self._next_redis_restart_at = now + REDIS_RESTART_INTERVAL_S
        self._tally.outages.record()
        self._fleet.stop_redis()
        self._repair_after(MIN_REDIS_DOWN_S, MAX_REDIS_DOWN_S, self._start_redis)
        return True

    def _start_redis(self) -> None:
        self._fleet.start_redis()
        self._tally.outages.record()
        self._tally.expect_recovery()
