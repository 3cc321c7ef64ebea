"""Faults of a Redis that fails over, besides those of the other processes: they befall its master and its Sentinels."""

import time

from benchmarks.fault_injector import Fault, FaultInjector
from benchmarks.sentinel_fleet import SentinelFleet
from benchmarks.tally import Tally

# Longer than Sentinels need to notice, and sometimes longer than the failover takes.
MIN_AWAY_S, MAX_AWAY_S = 2.0, 12.0
MIN_SENTINELS_AWAY_S, MAX_SENTINELS_AWAY_S = 5.0, 60.0
SENTINELS_AWAY_INTERVAL_S = 120


# A process that has never found a Sentinel cannot know the master.
STARTING = ("worker killed", "worker replaced", "web server replaced")


class MasterFaultInjector(FaultInjector):
    """Chooses among all faults by the seed. A master gets the next one only when both replicas are well."""

    def __init__(self, fleet: SentinelFleet, tally: Tally, seed: int) -> None:
        super().__init__(fleet, tally, seed)
        self._redis_fleet = fleet
        self._redis = fleet.redis
        self._master = fleet.master
        self._sentinels_must_go = False
        self._sentinels_may_go_at = time.monotonic()

    def tick(self) -> None:
        """Make the repairs and inject the fault that are due."""
        super().tick()
        if self._sentinels_must_go and self._redis_fleet.is_complete():
            self._kill_sentinels()

    def _record_outage(self) -> None:
        super()._record_outage()
        if self._redis_fleet.master is not self._master:
            self._master = self._redis_fleet.master
            self.elections += 1
            self._tally.outages.record()
            self._tally.expect_recovery()

    def _weighted_faults(self) -> list[tuple[tuple[str, Fault], int]]:
        others = super()._weighted_faults()
        return [
            *(((name, self._with_sentinels(name, fault)), weight) for (name, fault), weight in others),
            (("master killed", self._kill_master), 2),
            (("master suspended", self._suspend_master), 2),
            (("master cut off", self._cut_master_off), 2),
            (("master demoted", self._demote_master), 2),
            (("all Sentinels away", self._want_sentinels_to_go), 1),
        ]

    def _with_sentinels(self, name: str, fault: Fault) -> Fault:
        return lambda: not (name in STARTING and self._sentinels_are_going()) and fault()

    def _sentinels_are_going(self) -> bool:
        return self._sentinels_must_go or not any(sentinel.running for sentinel in self._redis.sentinels)

    def _begin_outage(self) -> bool:
        if self._sentinels_are_going() or not self._redis.is_complete():
            return False
        self._tally.outages.record()
        return True

    def _kill_master(self) -> bool:
        if not self._begin_outage():
            return False
        master = self._redis_fleet.master
        master.kill()
        self._repair_after(MIN_AWAY_S, MAX_AWAY_S, lambda: self._redis.restart(master))
        return True

    def _suspend_master(self) -> bool:
        if not self._begin_outage():
            return False
        self._redis_fleet.master.stop()
        self._repair_after(MIN_AWAY_S, MAX_AWAY_S, self._redis_fleet.master.resume)
        return True

    def _cut_master_off(self) -> bool:
        if not self._begin_outage():
            return False
        self._redis_fleet.master.cable.stop()
        self._repair_after(MIN_AWAY_S, MAX_AWAY_S, self._redis_fleet.master.cable.resume)
        return True

    def _demote_master(self) -> bool:
        return self._begin_outage() and self._redis.fail_over()

    def _want_sentinels_to_go(self) -> bool:
        """Have them killed as soon as all processes have started; it is counted then."""
        if not self._sentinels_are_going() and time.monotonic() >= self._sentinels_may_go_at:
            self._sentinels_must_go = True
            self._sentinels_may_go_at = time.monotonic() + SENTINELS_AWAY_INTERVAL_S
        return False

    def _kill_sentinels(self) -> None:
        self._sentinels_must_go = False
        for sentinel in self._redis.sentinels:
            sentinel.kill()
        self._repair_after(MIN_SENTINELS_AWAY_S, MAX_SENTINELS_AWAY_S, self._redis.start_sentinels)
        self.faults["all Sentinels away"] += 1
