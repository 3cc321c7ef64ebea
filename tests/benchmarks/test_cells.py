"""Two cells behind nginx, as `python -m benchmarks.cells` has them for longer."""

from pathlib import Path

from benchmarks.cells import run
from tests.support.nginx import installed_nginx

SECONDS = 3


def test_when_a_whole_cell_is_killed_no_client_notices(tmp_path: Path, colour_network: dict[str, object]) -> None:
    installed_nginx()
    tally = run(tmp_path, colour_network, SECONDS)
    assert (tally.wrong, tally.lost, tally.refused) == ({}, {}, {})
    assert tally.correct > 20
    assert 0 < tally.slowest_recovery_s < SECONDS
