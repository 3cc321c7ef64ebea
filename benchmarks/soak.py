"""Sends many requests and checks that memory, keys and connections do not grow.

    python -m benchmarks.soak --requests 20000

After each quarter of the requests it samples the resident memory of web server and worker, and what Redis holds. The
exit code is 1 when the last sample exceeds the first by more than a tolerance, or when a request failed.
"""

import argparse
import sys
import tempfile
import threading
import time
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.colour_network import picture
from benchmarks.commands import make_network
from benchmarks.fleet import Fleet
from benchmarks.processes import MIB, resident_mib
from clients.load import Load
from clients.sender import Sender
from clients.stop_signal import stop_on_signal

CONCURRENCY = 8
TIMEOUT_S = 60.0
QUARTERS = 4
STEPS_PER_QUARTER = 5
# The first quarter is the warm-up, but the threads and connections in use vary, and allocators settle slowly. With
# 20,000 requests this finds a leak of 1 kB per request in the web server, and of 2 kB in the worker, whose libraries
# take more memory. A picture has 150 kB.
MEMORY_GROWTH = 0.05
MEMORY_GROWTH_MIB = 5.0
# A new peak of concurrent requests opens a connection for commands and one for the subscription each.
MORE_CONNECTIONS = 2 * CONCURRENCY


@dataclass(frozen=True)
class Sample:
    """The resources in use after some requests, when none is in flight."""

    requests: int
    web_server_mib: float
    worker_mib: float
    redis_mib: float
    redis_keys: int
    redis_connections: int

    def grown_since(self, first: "Sample") -> list[str]:
        """Return the names of the resources that have grown beyond the tolerance."""
        allowed = {name: value * (1 + MEMORY_GROWTH) + MEMORY_GROWTH_MIB for name, value in asdict(first).items()}
        allowed |= {
            "requests": self.requests,
            "redis_keys": first.redis_keys,
            "redis_connections": first.redis_connections + MORE_CONNECTIONS,
        }
        return [name for name, value in asdict(self).items() if value > allowed[name]]


def main() -> int:
    """Send the requests, print the table and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=20_000, help="their number (default: %(default)s)")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, stop_on_signal() as stop:
        folder = Path(name)
        with Fleet(folder, web_servers=1, workers=1, **make_network(folder)) as fleet:
            samples = soak(fleet, args.requests, stop)
    _print_table(samples)
    if len(samples) < QUARTERS:
        print("FAILED: not all requests were sent and answered")
        return 1
    grown = samples[-1].grown_since(samples[0])
    print(f"FAILED: {', '.join(grown)} has grown" if grown else "PASSED: nothing has grown")
    return 1 if grown else 0


def soak(fleet: Fleet, requests: int, stop: threading.Event) -> list[Sample]:
    """Send the requests and return a sample per quarter; fewer when a request failed or `stop` was set."""
    samples: list[Sample] = []
    steps = QUARTERS * STEPS_PER_QUARTER
    sent = 0
    for step in range(1, steps + 1):
        count = requests * step // steps - sent
        started = time.monotonic()
        with Sender(fleet.urls()[0], [picture()], CONCURRENCY, TIMEOUT_S) as sender:
            load = Load(sender.send, stop)
            load.closed_loop(CONCURRENCY, count)
        sent += count
        print(f"{sent} of {requests}, {count / (time.monotonic() - started):.0f} per second", flush=True)
        if load.results.failed or stop.is_set():
            print(dict(Counter(sample.outcome for sample in load.results.samples)))
            break
        if step % STEPS_PER_QUARTER == 0:
            samples.append(_sample(fleet, sent))
    return samples


def _sample(fleet: Fleet, requests: int) -> Sample:
    (web_server,), (worker,) = fleet.web_servers, fleet.workers
    info = fleet.redis_client.info()
    return Sample(
        requests=requests,
        web_server_mib=resident_mib(web_server.process.popen.pid),
        worker_mib=resident_mib(worker.process.popen.pid),
        redis_mib=info["used_memory"] / MIB,
        redis_keys=fleet.redis_client.dbsize(),
        redis_connections=info["connected_clients"],
    )


def _print_table(samples: list[Sample]) -> None:
    for line in [list(asdict(samples[0])), *(asdict(sample).values() for sample in samples)] if samples else []:
        print("  ".join(f"{cell:>17.1f}" if isinstance(cell, float) else f"{cell:>17}" for cell in line))


if __name__ == "__main__":
    sys.exit(main())
