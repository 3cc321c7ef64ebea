"""The siege: it runs, and says when ordinary clients suffer."""

from dataclasses import replace

import pytest

from benchmarks.services import run_script
from benchmarks.siege import Phase, holds

ALONE = Phase("alone", requests_per_s=100, p50_ms=20, p99_ms=50, failed=0, costly={})


def test_ordinary_clients_are_answered_beside_the_costliest_pictures() -> None:
    done = run_script("-m", "benchmarks.siege", "--seconds", "5")
    assert "besieged" in done.stdout, done.stderr
    assert "failed 0" in done.stdout.splitlines()[2]


@pytest.mark.parametrize(
    ("changes", "good"),
    [
        ({"requests_per_s": 40, "p99_ms": 250}, True),
        ({"requests_per_s": 39}, False),
        ({"p99_ms": 251}, False),
        ({"failed": 1}, False),
    ],
)
def test_it_fails_when_they_lose_too_much(changes: dict[str, float], good: bool) -> None:
    assert holds(ALONE, replace(ALONE, **changes)) is good  # type: ignore[arg-type]
