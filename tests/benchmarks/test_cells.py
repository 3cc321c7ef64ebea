"""Two cells behind nginx, as `python -m benchmarks.cells` has them for longer."""

from pathlib import Path

import pytest

from benchmarks.cells import find_nginx, run

SECONDS = 3


def test_when_a_whole_cell_is_killed_no_client_notices(tmp_path: Path, colour_network: dict[str, object]) -> None:
    if not find_nginx():
        pytest.skip("there is no nginx; apt-get install nginx-light")
    tally = run(tmp_path, colour_network, SECONDS)
    assert (tally.wrong, tally.lost, tally.refused) == ({}, {}, {})
    assert tally.correct > 20
    assert 0 < tally.slowest_recovery_s < SECONDS
