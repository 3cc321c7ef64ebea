"""Fixtures of tests of the clients: a service, and what they find."""

import os
from collections.abc import Iterator
from pathlib import Path

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


@pytest.fixture
def refused_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that cannot be read."""
    folder, scandir = tmp_path / "refused", os.scandir
    folder.mkdir()

    def refuse(path: str) -> object:
        if str(path) == str(folder):
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    # No mode would keep the superuser out.
    monkeypatch.setattr(os, "scandir", refuse)
    return folder
