"""Faults of a network, besides those of the processes: one at a time, and none between clients and web servers.

What clients see of those is for a load balancer to mend, see tests/network/test_failover.py.
"""

from benchmarks.fault_injector import Fault, FaultInjector
from benchmarks.fleet import Server
from benchmarks.network_namespaces import Host
from benchmarks.networked_fleet import NetworkedFleet
from benchmarks.tally import Tally

# Sometimes longer than it takes until a worker counts as dead.
MIN_CUT_S, MAX_CUT_S = 1.0, 8.0
MIN_DISTURBED_S, MAX_DISTURBED_S = 3.0, 10.0
# Longer than it takes to notice.
MIN_FORGOTTEN_S, MAX_FORGOTTEN_S = 8.0, 15.0
LOSS, DELAY_S = 0.05, 0.025


class NetworkFaultInjector(FaultInjector):
    """Chooses among all faults by the seed."""

    def __init__(self, fleet: NetworkedFleet, tally: Tally, seed: int) -> None:
        super().__init__(fleet, tally, seed)
        self._networked = fleet
        self._disturbed = False

    def _weighted_faults(self) -> list[tuple[tuple[str, Fault], int]]:
        return [
            *super()._weighted_faults(),
            (("worker cut off", lambda: self._cut_off(self._host_of_any(self._fleet.workers))), 3),
            (("web server cut off", lambda: self._cut_off(self._host_of_any(self._fleet.web_servers))), 2),
            (("Redis cut off", lambda: self._cut_off(self._networked.redis_host)), 1),
            ((f"{LOSS:.0%} of packets lost", lambda: self._disturb(loss=LOSS)), 2),
            ((f"packets {DELAY_S * 1000:.0f} ms late", lambda: self._disturb(delay_s=DELAY_S)), 2),
            (("connections forgotten", self._forget_connections), 2),
        ]

    def _host_of_any(self, servers: list[Server]) -> Host | None:
        ready = [server for server in servers if server.ready]
        return self._networked.host_of(self._random.choice(ready)) if ready else None

    def _begin(self, min_s: float, max_s: float) -> bool:
        """Begin a fault of the network, unless there is one."""
        if self._disturbed:
            return False
        self._disturbed = True
        self._repair_after(min_s, max_s, self._heal)
        return True

    def _heal(self) -> None:
        was_outage = not self._networked.can_work()
        self._networked.heal()
        if was_outage:
            self._tally.expect_recovery()
        self._disturbed = False

    def _cut_off(self, host: Host | None) -> bool:
        if host is None or not self._begin(MIN_CUT_S, MAX_CUT_S):
            return False
        self._networked.cut_off(host)
        return True

    def _disturb(self, delay_s: float = 0, loss: float = 0) -> bool:
        if not self._begin(MIN_DISTURBED_S, MAX_DISTURBED_S):
            return False
        self._networked.disturb(delay_s, loss)
        return True

    def _forget_connections(self) -> bool:
        """Of all processes."""
        if not self._begin(MIN_FORGOTTEN_S, MAX_FORGOTTEN_S):
            return False
        self._networked.forget_connections()
        return True
