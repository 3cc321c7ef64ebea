"""A web server with a cache, in front of workers that a test can change."""

import pytest
from flask.testing import FlaskClient

import answer_cache
from settings import Settings
from tests.cache.cached_fleet import Fleet, serving
from tests.conftest import MakeSettings


@pytest.fixture(autouse=True)
def _workers_are_asked_for_every_request(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answer_cache, "REMEMBERED_S", 0)


@pytest.fixture
def fleet() -> Fleet:
    return Fleet()


@pytest.fixture
def settings(make_settings: MakeSettings) -> Settings:
    return make_settings(cache_ttl_s=60)


@pytest.fixture
def http(settings: Settings, fleet: Fleet) -> FlaskClient:
    return serving(settings, fleet)
