"""The service under load while a monkey breaks it: every request must be answered right, or refused for a good reason.

    python -m benchmarks.chaos
    python -m benchmarks.chaos --seconds 600 --seed 7 --json figures.json

Ctrl-C ends it early, with the same table and the same exit code: 1 when something was wrong, lost or left behind.
"""

import argparse
import json
import random
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from benchmarks.commands import make_network
from benchmarks.figures import Figures
from benchmarks.fleet import Fleet
from benchmarks.leftovers import left_behind
from benchmarks.load import clients_at_work
from benchmarks.monkey import Monkey
from benchmarks.outcomes import Outages, Outcomes
from load_test.stopping import stop_on_signal
from tests.services import wait_until

WEB_SERVERS, WORKERS = 2, 3
TICK_S = 0.05
PROGRESS_INTERVAL_S = 5.0
QUICK_RECOVERY = {"request_timeout_s": 30, "poll_interval_s": 0.5, "heartbeat_ttl_s": 2, "result_ttl_s": 5}
# A worker has pictures in its hands for longer than the tiny network needs, so that it is killed with some in them.
BATCHES = {"batch_size": 4, "batch_wait_ms": 20}
# What web servers write when they have found out that something was lost.
RESCUES = ("job_orphaned", "job_lost", "answer_found_by_polling")


def main() -> int:
    """Run, print the table and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60, help="how long (default: %(default)s)")
    parser.add_argument("--seed", type=int, help="of the monkey's choices (default: a new one)")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    args = parser.parse_args()
    seed = random.randrange(10_000) if args.seed is None else args.seed  # noqa: S311
    folder = Path(tempfile.mkdtemp(prefix="chaos-"))
    print(f"seed {seed}; the logs of all processes are in {folder}", flush=True)
    with stop_on_signal() as stop:
        figures = run(chaos_fleet(folder, make_network(folder)), args.seconds, seed, stop)
    print(figures.table())
    if args.json:
        args.json.write_text(json.dumps(vars(figures), indent=2) + "\n")
    if figures.good:
        shutil.rmtree(folder)
    return 0 if figures.good else 1


def chaos_fleet(folder: Path, network: Mapping[str, object]) -> Fleet:
    """Return the fleet for a run, not yet started."""
    return Fleet(folder, WEB_SERVERS, WORKERS, **QUICK_RECOVERY, **BATCHES, **network)


def run(fleet: Fleet, seconds: float, seed: int, stop: threading.Event) -> Figures:
    """Start the fleet, let the monkey loose, put everything right, stop all and look what is left.

    Args:
        fleet: what is started, broken and stopped.
        seconds: how long the monkey is loose.
        seed: of the choices of the monkey and the clients.
        stop: ends it early.
    """
    outcomes = Outcomes(Outages())
    with fleet:
        monkey = Monkey(fleet, outcomes, seed)
        started = time.monotonic()
        with clients_at_work(fleet.urls, outcomes, seed):
            _let_loose(monkey, seconds, stop, lambda: _progress(fleet, outcomes, monkey))
            _say("putting everything right again")
            monkey.rest()
        took_s = time.monotonic() - started
        _say("stopping everything, and looking what is left")
        wait_until(lambda: not fleet.redis_client.exists(fleet.settings.image_queue))
        fleet.let_all_go()
        left = fleet.running() + left_behind(fleet.redis_client, fleet.settings)
    return Figures.of(
        outcomes,
        seconds=round(took_s, 1),
        seed=seed,
        bad_ends=fleet.bad_ends,
        left_behind=left,
        actions=monkey.actions,
        rescues={action: fleet.logged(action) for action in RESCUES},
    )


def _let_loose(monkey: Monkey, seconds: float, stop: threading.Event, progress: Callable[[], str]) -> None:
    started = time.monotonic()
    say_at = PROGRESS_INTERVAL_S
    while (passed := time.monotonic() - started) < seconds and not stop.wait(TICK_S):
        monkey.tick()
        if passed >= say_at:
            say_at += PROGRESS_INTERVAL_S
            _say(f"{passed:5.0f} of {seconds:.0f} s: {progress()}")


def _progress(fleet: Fleet, outcomes: Outcomes, monkey: Monkey) -> str:
    bad = f"{outcomes.wrong.total()} wrong, {outcomes.lost.total()} lost"
    workers = f"{sum(worker.ready for worker in fleet.workers)} workers"
    redis_state = "" if fleet.redis_is_up else ", Redis away"
    counts = f"{outcomes.right} right, {outcomes.refused.total()} refused, {bad}"
    return f"{counts}; {monkey.actions.total()} times broken; {workers}{redis_state}"


def _say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
