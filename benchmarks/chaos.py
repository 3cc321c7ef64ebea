"""Injects faults into the service under load: every request must be answered correctly or refused for a good reason.

    python -m benchmarks.chaos
    python -m benchmarks.chaos --seconds 600 --seed 7 --json report.json
    python -m benchmarks.chaos --sentinel    # with a Redis that fails over
    python -m benchmarks.chaos --network     # each process on a host of its own, with faults of the network; needs root

Ctrl-C ends it early, with the same table and the same exit code: 1 when something was wrong, lost or leaked.
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
from benchmarks.fault_injector import FaultInjector
from benchmarks.fleet import Fleet
from benchmarks.leak_check import find_leaks
from benchmarks.load import running_clients
from benchmarks.master_faults import MasterFaultInjector
from benchmarks.network_faults import NetworkFaultInjector
from benchmarks.network_namespaces import Network, missing
from benchmarks.networked_fleet import NetworkedFleet
from benchmarks.report import ChaosReport
from benchmarks.sentinel_fleet import SentinelFleet
from benchmarks.services import wait_until
from benchmarks.tally import Outages, Tally
from clients.stop_signal import stop_on_signal

WEB_SERVERS, WORKERS = 2, 3
TICK_S = 0.05
PROGRESS_INTERVAL_S = 5.0
QUICK_RECOVERY = {"request_timeout_s": 30, "poll_interval_s": 0.5, "heartbeat_ttl_s": 2, "result_ttl_s": 5}
# Workers hold pictures for longer than the tiny network needs, so that some are in flight when a worker is killed.
BATCHES = {"batch_size": 4, "batch_wait_ms": 20}
# What web servers log when they recover a job or a result.
RESCUES = ("job_orphaned", "job_lost", "result_polled")


def main() -> int:
    """Run, print the table and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60, help="how long faults are injected (default: %(default)s)")
    parser.add_argument("--seed", type=int, help="of the random faults (default: a new one)")
    kind = parser.add_mutually_exclusive_group()
    kind.add_argument("--sentinel", action="store_true", help="with a Redis that fails over, and faults of its master")
    kind.add_argument("--network", action="store_true", help="on hosts of their own, with faults of the network")
    parser.add_argument("--json", type=Path, help="write the report to this file")
    args = parser.parse_args()
    if args.network and (reason := missing()):
        parser.error(reason)
    seed = random.randrange(10_000) if args.seed is None else args.seed  # noqa: S311
    folder = Path(tempfile.mkdtemp(prefix="chaos-"))
    print(f"seed {seed}; the logs of all processes are in {folder}", flush=True)
    with stop_on_signal() as stop:
        if args.network:
            report = run_on_a_network(folder, make_network(folder), args.seconds, seed, stop)
        else:
            report = run(chaos_fleet(folder, make_network(folder), args.sentinel), args.seconds, seed, stop)
    print(report.table())
    if args.json:
        args.json.write_text(json.dumps(vars(report), indent=2) + "\n")
    if report.good:
        shutil.rmtree(folder)
    return 0 if report.good else 1


def chaos_fleet(folder: Path, network: Mapping[str, object], sentinel: bool = False) -> Fleet:
    """Return the fleet of a run, not yet started; with `sentinel`, its Redis fails over."""
    kind = SentinelFleet if sentinel else Fleet
    return kind(folder, WEB_SERVERS, WORKERS, **QUICK_RECOVERY, **BATCHES, **network)


def run_on_a_network(
    folder: Path, network: Mapping[str, object], seconds: float, seed: int, stop: threading.Event
) -> ChaosReport:
    """The same as `run` with each process on a host of its own, and clients on another one."""
    with Network(seed) as hosts:
        clients = hosts.host()
        fleet = NetworkedFleet(hosts, folder, WEB_SERVERS, WORKERS, **QUICK_RECOVERY, **BATCHES, **network)
        return clients.call(run, fleet, seconds, seed, stop)


def run(fleet: Fleet, seconds: float, seed: int, stop: threading.Event) -> ChaosReport:
    """Start the fleet, inject faults under load, repair them, stop everything and check for leaks.

    Args:
        fleet: gets the faults.
        seconds: how long faults are injected.
        seed: of the random choices of the fault injector and the clients.
        stop: ends the faults early.
    """
    tally = Tally(Outages())
    with fleet:
        injector = _injector(fleet, tally, seed)
        started = time.monotonic()
        with running_clients(fleet.urls, tally, seed):
            _inject_faults(injector, seconds, stop, lambda: _progress(fleet, tally, injector))
            _say("repairing all faults")
            injector.repair()
        duration_s = time.monotonic() - started
        _say("stopping everything and checking for leaks")
        wait_until(lambda: not fleet.redis_client.exists(fleet.settings.image_queue))
        fleet.retire_all()
        leaks = fleet.running()
        for client in fleet.redis_clients:
            leaks += find_leaks(client, fleet.settings)
    return ChaosReport.of(
        tally,
        seconds=round(duration_s, 1),
        seed=seed,
        unexpected_exits=fleet.unexpected_exits,
        leaks=leaks,
        faults=injector.faults,
        elections=injector.elections,
        rescues={action: fleet.logged(action) for action in RESCUES},
    )


def _injector(fleet: Fleet, tally: Tally, seed: int) -> FaultInjector:
    if isinstance(fleet, SentinelFleet):
        return MasterFaultInjector(fleet, tally, seed)
    if isinstance(fleet, NetworkedFleet):
        return NetworkFaultInjector(fleet, tally, seed)
    return FaultInjector(fleet, tally, seed)


def _inject_faults(injector: FaultInjector, seconds: float, stop: threading.Event, progress: Callable[[], str]) -> None:
    started = time.monotonic()
    next_progress_s = PROGRESS_INTERVAL_S
    while (elapsed_s := time.monotonic() - started) < seconds and not stop.wait(TICK_S):
        injector.tick()
        if elapsed_s >= next_progress_s:
            next_progress_s += PROGRESS_INTERVAL_S
            _say(f"{elapsed_s:5.0f} of {seconds:.0f} s: {progress()}")


def _progress(fleet: Fleet, tally: Tally, injector: FaultInjector) -> str:
    failures = f"{tally.wrong.total()} wrong, {tally.lost.total()} lost"
    counts = f"{tally.correct} correct, {tally.refused.total()} refused, {failures}"
    workers = f"{sum(worker.ready for worker in fleet.workers)} workers"
    redis_state = "" if fleet.redis_is_up else ", Redis down"
    return f"{counts}; {injector.faults.total()} faults; {workers}{redis_state}"


def _say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
