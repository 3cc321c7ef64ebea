"""A monkey that breaks a fleet: it kills, stops and replaces its processes and cuts their connections, at random."""

import random
import signal
import time
from collections import Counter
from collections.abc import Callable

from benchmarks.fleet import Fleet, Server
from benchmarks.outcomes import Outcomes
from tests.services import wait_until

# Between two actions, in seconds.
SHORTEST_PAUSE_S, LONGEST_PAUSE_S = 0.3, 2.0
SHORTEST_STOP_S, LONGEST_STOP_S = 1.0, 6.0
SHORTEST_AWAY_S, LONGEST_AWAY_S = 1.0, 10.0
REDIS_RESTARTS_APART_S = 30
# A request whose command is cut off is refused, and so are those of the next tenth of a second; on a busy machine that
# takes a little longer.
CUT_FELT_S = 0.5
# As load balancers do: requests that have just been sent to a web server are taken by it before it is told to stop.
DRAIN_S = 1.0


class Monkey:
    """What happens is decided by the seed; when and to whom also by how fast the fleet is."""

    def __init__(self, fleet: Fleet, outcomes: Outcomes, seed: int) -> None:
        self._fleet = fleet
        self._outcomes = outcomes
        self._random = random.Random(seed)  # noqa: S311
        self._act_at = self._restart_redis_from = time.monotonic()
        self._later: list[tuple[float, Callable[[], None]]] = []
        self._bag: list[tuple[str, Callable[[], bool]]] = []
        self.actions: Counter[str] = Counter()

    def tick(self) -> None:
        """Do what is due."""
        self._fleet.look()
        self._note_outage()
        now = time.monotonic()
        for item in [item for item in self._later if item[0] <= now]:
            self._later.remove(item)
            item[1]()
        if now >= self._act_at:
            self._act()
            self._act_at = now + self._random.uniform(SHORTEST_PAUSE_S, LONGEST_PAUSE_S)

    def rest(self) -> None:
        """Put everything right again, and wait until it is."""
        for _, act in self._later:
            act()
        self._later.clear()
        wait_until(self._all_is_well)

    def _all_is_well(self) -> bool:
        self._note_outage()
        return self._fleet.is_whole()

    def _note_outage(self) -> None:
        if not self._fleet.can_work():
            self._outcomes.outages.note()

    def _act(self) -> None:
        """Take an action out of a bag that holds each one by its weight, so that a short run has some of each."""
        if not self._bag:
            self._bag = [action for action, weight in self._choices() for _ in range(weight)]
            self._random.shuffle(self._bag)
        name, act = self._bag.pop()
        if act():
            self.actions[name] += 1

    def _choices(self) -> list[tuple[tuple[str, Callable[[], bool]], int]]:
        return [
            (("a worker killed", self._kill_worker), 4),
            (("a worker stopped for a while", self._stop_worker), 3),
            (("a worker replaced", self._replace_worker), 1),
            (("a web server replaced", self._replace_web_server), 1),
            (("pub/sub connections cut", lambda: self._cut("pubsub")), 3),
            (("all other connections cut", lambda: self._cut("normal")), 2),
            (("Redis restarted empty", self._restart_redis), 1),
        ]

    def _after(self, shortest_s: float, longest_s: float, act: Callable[[], None]) -> None:
        self._later.append((time.monotonic() + self._random.uniform(shortest_s, longest_s), act))

    def _worker(self, stopped: bool) -> Server | None:
        workers = [worker for worker in self._fleet.workers if worker.ready and (stopped or not worker.stopped)]
        return self._random.choice(workers) if workers else None

    def _kill_worker(self) -> bool:
        if worker := self._worker(stopped=True):
            self._fleet.kill(worker)
            self._fleet.start_worker()
        return worker is not None

    def _stop_worker(self) -> bool:
        if worker := self._worker(stopped=False):
            worker.signal(signal.SIGSTOP)
            worker.stopped = True
            self._after(SHORTEST_STOP_S, LONGEST_STOP_S, lambda: _continue(worker))
        return worker is not None

    def _replace_worker(self) -> bool:
        if worker := self._worker(stopped=False):
            self._fleet.let_go(worker)
            self._fleet.start_worker()
        return worker is not None

    def _replace_web_server(self) -> bool:
        servers = self._fleet.web_servers
        if any(server.retiring or not server.ready for server in servers):
            return False
        old = self._random.choice(servers)
        old.retiring = True
        self._after(DRAIN_S, DRAIN_S, lambda: self._fleet.let_go(old))
        self._fleet.start_web_server()
        return True

    def _cut(self, kind: str) -> bool:
        if not self._fleet.redis_is_up:
            return False
        # Noted before, as a request can be refused at once.
        self._outcomes.outages.note(CUT_FELT_S)
        self._fleet.redis_client.client_kill_filter(_type=kind, skipme=True)
        return True

    def _restart_redis(self) -> bool:
        now = time.monotonic()
        if not self._fleet.redis_is_up or now < self._restart_redis_from:
            return False
        self._restart_redis_from = now + REDIS_RESTARTS_APART_S
        self._outcomes.outages.note()
        self._fleet.stop_redis()
        self._after(SHORTEST_AWAY_S, LONGEST_AWAY_S, self._redis_returns)
        return True

    def _redis_returns(self) -> None:
        self._fleet.start_redis()
        self._outcomes.outages.note()
        self._outcomes.expect_recovery()


def _continue(worker: Server) -> None:
    worker.signal(signal.SIGCONT)
    worker.stopped = False
