"""Fixtures of tests of how pictures are sent again."""

from collections.abc import Iterator

import pytest

from clients import pace
from tests.support.busy_service import Busy, busy_service


@pytest.fixture
def busy() -> Iterator[Busy]:
    """A service made by hand."""
    with busy_service() as server:
        yield server


@pytest.fixture
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits that take no time."""
    monkeypatch.setattr(pace, "FIRST_WAIT_S", 0.001)
    monkeypatch.setattr(pace, "LONGEST_WAIT_S", 0.01)
