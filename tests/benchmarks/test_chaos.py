"""Short runs of what `make chaos` does for longer."""

import threading
from pathlib import Path

import pytest

from benchmarks.chaos import chaos_fleet, run, run_on_a_network
from benchmarks.network_namespaces import missing

SECONDS = 25
# With this seed the first seven faults are one of each kind.
SEED = 82
# With this one the first fault is a Redis that is cut off.
NETWORK_SEED = 42


def test_no_injected_fault_spoils_an_answer(tmp_path: Path, colour_network: dict[str, object]) -> None:
    report = run(chaos_fleet(tmp_path, colour_network), SECONDS, SEED, threading.Event())
    assert report.faults["Redis restarted empty"] == 1
    assert report.correct > 0
    assert (report.wrong, report.lost, report.unexpected_exits, report.leaks) == ({}, {}, [], [])


def test_no_fault_of_the_network_spoils_an_answer(tmp_path: Path, colour_network: dict[str, object]) -> None:
    if reason := missing():
        pytest.skip(reason)
    report = run_on_a_network(tmp_path, colour_network, SECONDS, NETWORK_SEED, threading.Event())
    assert report.faults["Redis cut off"] >= 1
    assert report.correct > 0
    assert (report.wrong, report.lost, report.unexpected_exits, report.leaks) == ({}, {}, [], [])
