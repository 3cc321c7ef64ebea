"""The siege: it runs, and says when ordinary clients suffer."""

from dataclasses import replace

import pytest

from benchmarks.services import run_script
from benchmarks.siege import COSTLY, Phase, all_hold, holds

SLOW = ["silent", "half-sent headers", "a byte a second"]
ALONE = Phase("silent", requests_per_s=100, p50_ms=20, p99_ms=50, failed=0, others={})


def test_ordinary_clients_are_answered_beside_slow_ones() -> None:
    done = run_script("-m", "benchmarks.siege", "--seconds", "1", "--only", *SLOW)
    rows = done.stdout.splitlines()[:-1]
    names = ["alone", *SLOW, "alone again"]
    assert [row.startswith(f"{name} ") for name, row in zip(names, rows, strict=True)] == [True] * len(names), (
        done.stderr
    )
    assert all("failed 0" in row for row in rows)


@pytest.mark.parametrize(
    ("name", "changes", "good"),
    [
        (COSTLY, {"requests_per_s": 40, "p99_ms": 250}, True),
        (COSTLY, {"requests_per_s": 39}, False),
        (COSTLY, {"p99_ms": 251}, False),
        ("silent", {"requests_per_s": 90, "p99_ms": 100}, True),
        ("silent", {"requests_per_s": 89}, False),
        ("silent", {"p99_ms": 101}, False),
        ("silent", {"failed": 1}, False),
    ],
)
def test_it_fails_when_they_lose_too_much(name: str, changes: dict[str, float], good: bool) -> None:
    besieged = replace(ALONE, name=name, **changes)  # type: ignore[arg-type]
    assert holds(ALONE, besieged) is good
    assert all_hold([ALONE, ALONE, besieged, ALONE]) is good
