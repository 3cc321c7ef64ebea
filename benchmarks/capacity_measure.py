"""Measures what a picture costs each part of the service, as `capacity_costs.py` keeps it; takes about a minute.

    python -m benchmarks.capacity_measure

Processor time is measured, not throughput: other programs on the machine change it little. The network costs next to
nothing, so that a worker's time is that of the queue; what a network takes is added by the plan.
"""

import argparse
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.bench.closed_loop import send_so_many
from benchmarks.bench.fleet_rounds import processor_seconds, redis_cost
from benchmarks.bench.networks_measured import COSTLESS, measured_network
from benchmarks.bench.part import CASTLE
from benchmarks.bench.report import machine
from benchmarks.capacity_costs import Costs
from benchmarks.fleet import Fleet
from benchmarks.services import answers, wait_until
from project import PROJECT_DIR

CACHE = PROJECT_DIR / ".cache" / "bench"
CLIENTS = 16
WARM_UP_REQUESTS, REQUESTS = 32, 800
COUNTED_REQUESTS = 100
# Some ticks of POLL_INTERVAL_S, in each of which waiting requests look into Redis.
WATCH_S = 3


def main() -> None:
    """Measure and print."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    with tempfile.TemporaryDirectory() as folder, Fleet(Path(folder), 1, 1, **_settings()) as fleet:
        costs = measure(fleet, REQUESTS, COUNTED_REQUESTS)
    for name, value in asdict(costs).items():
        print(f"{name} = {value!r}")


def measure(fleet: Fleet, requests: int, counted_requests: int) -> Costs:
    """Measure a fleet of one web server and one worker.

    Args:
        fleet: has started.
        requests: over how many the processor time is averaged.
        counted_requests: over how many Redis's commands are averaged.
    """
    url, picture = fleet.urls()[0], CASTLE.read_bytes()
    connections = _connections_of_a_waiting_request(fleet, url, picture)
    wait_until(lambda: answers(f"{url}/readyz"))
    send_so_many(url, picture, CLIENTS, WARM_UP_REQUESTS)
    before = processor_seconds(fleet)
    send_so_many(url, picture, CLIENTS, requests)
    cpu_ms = {name: (seconds - before[name]) / requests * 1000 for name, seconds in processor_seconds(fleet).items()}
    cost = redis_cost(fleet, picture, counted_requests)
    return Costs(
        date=datetime.now(UTC).date().isoformat(),
        machine=f"{machine()['cores']} cores of {machine()['processor']}",
        web_ms=round(cpu_ms["web server"], 2),
        worker_ms=round(cpu_ms["worker"], 2),
        redis_ms=round(cpu_ms["redis"], 2),
        redis_bytes_in=round(cost.bytes_in),
        redis_bytes_out=round(cost.bytes_out),
        redis_commands=round(sum(cost.commands.values()), 1),
        connections=connections,
    )


def _settings() -> dict[str, object]:
    return measured_network(COSTLESS, CACHE).settings


def _connections_of_a_waiting_request(fleet: Fleet, url: str, picture: bytes) -> float:
    """Return the most connections to Redis that a request holds while it waits, in the mean of the first ones."""
    (worker,) = fleet.workers
    before = _connected(fleet)
    worker.suspend()
    with ThreadPoolExecutor(1) as pool:
        sending = pool.submit(send_so_many, url, picture, CLIENTS, CLIENTS)
        # Each has subscribed to its own channel.
        wait_until(lambda: len(fleet.redis_client.pubsub_channels()) == CLIENTS)
        end, most = time.monotonic() + WATCH_S, 0
        while time.monotonic() < end:
            most = max(most, _connected(fleet))
            threading.Event().wait(0.05)
        worker.resume()
        sending.result()
    return (most - before) / CLIENTS


def _connected(fleet: Fleet) -> int:
    return int(fleet.redis_client.info("clients")["connected_clients"])


if __name__ == "__main__":
    main()
