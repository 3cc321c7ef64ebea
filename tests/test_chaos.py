"""A short run of what `make chaos` does for longer."""

import threading
from pathlib import Path

from benchmarks.chaos import chaos_fleet, run

SECONDS = 25
# With it each kind of action is among the first seven.
SEED = 82


def test_a_monkey_that_breaks_the_service_spoils_no_answer(tmp_path: Path, colour_network: dict[str, object]) -> None:
    figures = run(chaos_fleet(tmp_path, colour_network), SECONDS, SEED, threading.Event())
    assert figures.actions["Redis restarted empty"] == 1
    assert figures.right > 0
    assert (figures.wrong, figures.lost, figures.bad_ends, figures.left_behind) == ({}, {}, [], [])
