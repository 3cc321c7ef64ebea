"""Batch loops in tests take pictures of one pixel, and end at once when they are told to stop."""

import pytest

from jobs import consumer
from settings import Settings
from tests.conftest import MakeSettings
from tests.support.batch_loops import ONE_PIXEL


@pytest.fixture(autouse=True)
def short_pops(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(consumer, "POP_TIMEOUT_S", 0.05)


@pytest.fixture
def settings(make_settings: MakeSettings) -> Settings:
    return make_settings(**ONE_PIXEL)
