"""Ordinary clients beside others that send the costliest pictures within the limits, without a pause.

    python -m benchmarks.siege
    python -m benchmarks.siege --seconds 60 --json figures.json

The exit code is 1 when the ordinary clients keep less than 40 % of the throughput that they have alone, when their 99th
percentile grows to more than five times, or when one of their requests fails. Ctrl-C ends it early.
"""

import argparse
import json
import sys
import tempfile
import threading
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

from benchmarks.colour_network import picture
from benchmarks.commands import make_network
from benchmarks.costly_pictures import costly_pictures
from benchmarks.fleet import Fleet
from clients.load import Load
from clients.report import GOOD, Results, percentiles
from clients.sender import Sender
from clients.stop_signal import stop_on_signal

ORDINARY_CLIENTS, COSTLY_CLIENTS = 8, 16
TIMEOUT_S = 60
WARM_UP_S = 3.0
# What the ordinary clients must keep.
LEAST_THROUGHPUT, MOST_P99 = 0.4, 5.0


@dataclass(frozen=True)
class Phase:
    """What the ordinary clients saw in a span of time, and what the others got."""

    name: str
    requests_per_s: float
    p50_ms: float
    p99_ms: float
    failed: int
    costly: dict[str, int]

    @classmethod
    def of(cls, name: str, ordinary: Results, costly: Results, seconds: float) -> Self:
        """Compute the figures."""
        latency_ms = percentiles([sample.latency_s * 1000 for sample in ordinary.samples])
        good = sum(sample.outcome == GOOD for sample in ordinary.samples)
        outcomes = Counter(sample.outcome for sample in costly.samples)
        return cls(
            name, good / seconds, latency_ms.get("p50", 0), latency_ms.get("p99", 0), ordinary.failed, dict(outcomes)
        )


def main() -> int:
    """Run, print the table and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=20, help="of each phase (default: %(default)s)")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, stop_on_signal() as stop:
        folder = Path(name)
        with Fleet(folder, web_servers=1, workers=1, **make_network(folder)) as fleet:
            phases = siege(fleet.urls()[0], args.seconds, stop)
    for phase in phases:
        print(
            f"{phase.name:12} {phase.requests_per_s:7.1f} requests/s  p50 {phase.p50_ms:6.0f} ms  "
            f"p99 {phase.p99_ms:6.0f} ms  failed {phase.failed}  {phase.costly or ''}"
        )
    if args.json:
        args.json.write_text(json.dumps([asdict(phase) for phase in phases], indent=2) + "\n")
    good = not stop.is_set() and holds(*phases[:2])
    print("PASSED" if good else "FAILED")
    return 0 if good else 1


def holds(alone: Phase, besieged: Phase) -> bool:
    """Tell whether the ordinary clients keep what they must."""
    enough = besieged.requests_per_s >= LEAST_THROUGHPUT * alone.requests_per_s
    return enough and besieged.p99_ms <= MOST_P99 * alone.p99_ms and alone.failed + besieged.failed == 0


def siege(url: str, seconds: float, stop: threading.Event) -> list[Phase]:
    """Return the phases: the ordinary clients alone, beside the others, and alone again."""
    print(f"{ORDINARY_CLIENTS} ordinary clients, {COSTLY_CLIENTS} that send the costliest pictures", flush=True)
    pictures = costly_pictures()
    _phase("warm-up", url, [], WARM_UP_S, stop)
    return [
        _phase("alone", url, [], seconds, stop),
        _phase("besieged", url, pictures, seconds, stop),
        _phase("alone again", url, [], seconds, stop),
    ]


def _phase(name: str, url: str, costly: list[bytes], seconds: float, stop: threading.Event) -> Phase:
    with (
        Sender(url, [picture()], ORDINARY_CLIENTS, TIMEOUT_S) as ordinary_sender,
        Sender(url, costly or [b""], COSTLY_CLIENTS, TIMEOUT_S) as costly_sender,
    ):
        ordinary, others = Load(ordinary_sender.send, stop), Load(costly_sender.send, stop)
        siege_thread = threading.Thread(target=others.closed_loop, args=(COSTLY_CLIENTS, None, seconds))
        if costly:
            siege_thread.start()
        ordinary.closed_loop(ORDINARY_CLIENTS, None, seconds)
        if costly:
            siege_thread.join()
    return Phase.of(name, ordinary.results, others.results, seconds)


if __name__ == "__main__":
    sys.exit(main())
