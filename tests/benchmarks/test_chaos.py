"""A short run of what `make chaos` does for longer."""

import threading
from pathlib import Path

from benchmarks.chaos import chaos_fleet, run

SECONDS = 25
# With this seed the first seven faults are one of each kind.
SEED = 82


def test_no_injected_fault_spoils_an_answer(tmp_path: Path, colour_network: dict[str, object]) -> None:
    report = run(chaos_fleet(tmp_path, colour_network), SECONDS, SEED, threading.Event())
    assert report.faults["Redis restarted empty"] == 1
    assert report.correct > 0
    assert (report.wrong, report.lost, report.unexpected_exits, report.leaks) == ({}, {}, [], [])
