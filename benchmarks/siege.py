"""Ordinary clients beside others that want them to suffer: with costly pictures, or by being slow.

    python -m benchmarks.siege
    python -m benchmarks.siege --seconds 60 --json figures.json
    python -m benchmarks.siege --only silent idle

The exit code is 1 when one of the ordinary clients' requests fails, or when they lose more than they may: beside costly
pictures 60 % of the throughput that they have alone, and five times the 99th percentile; beside slow clients 10 %, and
twice the 99th percentile. Ctrl-C ends it early.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from statistics import mean
from typing import NamedTuple

from benchmarks.colour_network import picture
from benchmarks.commands import make_network
from benchmarks.costly_pictures import costly_pictures
from benchmarks.fleet import Fleet
from benchmarks.slow_clients import KINDS
from clients.load import Load
from clients.report import GOOD, Results, percentiles
from clients.sender import Sender
from clients.stop_signal import stop_on_signal
from project import PROJECT_DIR

ORDINARY_CLIENTS, COSTLY_CLIENTS = 8, 16
TIMEOUT_S = 60
WARM_UP_S = 3.0
COSTLY = "costly pictures"


class Bounds(NamedTuple):
    """What the ordinary clients must keep: a share of their throughput, and so many times their 99th percentile."""

    least_throughput: float
    most_p99: float


BESIDE_COSTLY_PICTURES = Bounds(0.4, 5.0)
BESIDE_SLOW_CLIENTS = Bounds(0.9, 2.0)


@dataclass(frozen=True)
class Phase:
    """What the ordinary clients saw in a span of time, and what the others got."""

    name: str
    requests_per_s: float
    p50_ms: float
    p99_ms: float
    failed: int
    others: dict[str, int]


# Runs the other clients until it is over, sets the event when they are there, and returns what they got.
Others = Callable[[threading.Event], dict[str, int]]


def main() -> int:
    """Run, print the table and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=20, help="of each phase (default: %(default)s)")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    parser.add_argument("--only", nargs="+", choices=[COSTLY, *KINDS], default=[COSTLY, *KINDS], help="these others")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, stop_on_signal() as stop:
        folder = Path(name)
        with Fleet(folder, web_servers=1, workers=1, **make_network(folder)) as fleet:
            phases = siege(fleet.urls()[0], args.only, args.seconds, stop)
    if args.json:
        args.json.write_text(json.dumps([asdict(phase) for phase in phases], indent=2) + "\n")
    good = not stop.is_set() and all_hold(phases)
    print("PASSED" if good else "FAILED")
    return 0 if good else 1


def all_hold(phases: list[Phase]) -> bool:
    """Tell whether the ordinary clients keep what they must; first and last phase are those in which they are alone."""
    first, *besieged, last = phases
    alone = Phase(
        "alone", mean([first.requests_per_s, last.requests_per_s]), 0, mean([first.p99_ms, last.p99_ms]), 0, {}
    )
    return all(holds(alone, phase) for phase in besieged) and not first.failed + last.failed


def holds(alone: Phase, besieged: Phase) -> bool:
    """Tell whether the ordinary clients keep what they must in a phase."""
    bounds = BESIDE_COSTLY_PICTURES if besieged.name == COSTLY else BESIDE_SLOW_CLIENTS
    enough = besieged.requests_per_s >= bounds.least_throughput * alone.requests_per_s
    return enough and besieged.p99_ms <= bounds.most_p99 * alone.p99_ms and not besieged.failed


def siege(url: str, only: list[str], seconds: float, stop: threading.Event) -> list[Phase]:
    """Return the phases: the ordinary clients alone, beside each of these kinds of others, and alone again."""
    _phase("warm-up", url, WARM_UP_S, stop, _nobody)
    others: dict[str, Others] = {
        "alone": _nobody,
        **{
            kind: partial(_send_costly, url, costly_pictures(), seconds, stop)
            if kind == COSTLY
            else partial(_be_slow, kind, url, seconds)
            for kind in only
        },
        "alone again": _nobody,
    }
    phases = []
    for name, run in others.items():
        phases.append(phase := _phase(name, url, seconds, stop, run))
        print(
            f"{phase.name:20} {phase.requests_per_s:7.1f} requests/s  p50 {phase.p50_ms:6.0f} ms  "
            f"p99 {phase.p99_ms:6.0f} ms  failed {phase.failed}  {phase.others or ''}",
            flush=True,
        )
    return phases


def _phase(name: str, url: str, seconds: float, stop: threading.Event, run_others: Others) -> Phase:
    others: dict[str, int] = {}
    ready = threading.Event()
    thread = threading.Thread(target=lambda: others.update(run_others(ready)))
    with Sender(url, [picture()], ORDINARY_CLIENTS, TIMEOUT_S) as sender:
        thread.start()
        ready.wait()
        ordinary = Load(sender.send, stop)  # whose time begins now
        ordinary.closed_loop(ORDINARY_CLIENTS, None, seconds)
        thread.join()
    return _summary(name, ordinary.results, seconds, others)


def _summary(name: str, ordinary: Results, seconds: float, others: dict[str, int]) -> Phase:
    latency_ms = percentiles([sample.latency_s * 1000 for sample in ordinary.samples])
    good = sum(sample.outcome == GOOD for sample in ordinary.samples)
    return Phase(name, good / seconds, latency_ms.get("p50", 0), latency_ms.get("p99", 0), ordinary.failed, others)


def _nobody(ready: threading.Event) -> dict[str, int]:
    ready.set()
    return {}


def _send_costly(
    url: str, pictures: list[bytes], seconds: float, stop: threading.Event, ready: threading.Event
) -> dict[str, int]:
    ready.set()
    with Sender(url, pictures, COSTLY_CLIENTS, TIMEOUT_S) as sender:
        load = Load(sender.send, stop)
        load.closed_loop(COSTLY_CLIENTS, None, seconds)
    return dict(Counter(sample.outcome for sample in load.results.samples))


def _be_slow(kind: str, url: str, seconds: float, ready: threading.Event) -> dict[str, int]:
    command = [sys.executable, "-m", "benchmarks.slow_clients", kind, url, "--seconds", str(seconds)]
    with subprocess.Popen(command, cwd=PROJECT_DIR, stdout=subprocess.PIPE, text=True) as process:
        lines = iter(process.stdout or [])
        next(lines, "")
        ready.set()
        figures: dict[str, int] = json.loads(next(lines, "{}"))
    return figures


if __name__ == "__main__":
    sys.exit(main())
