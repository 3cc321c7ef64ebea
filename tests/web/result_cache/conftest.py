"""Fixtures of the cache tests: a web app with a cache, in front of stub workers."""

import pytest
from flask.testing import FlaskClient

from settings import Settings
from tests.conftest import MakeSettings
from tests.web.result_cache.cached_fleet import Fleet, http_client
from web import result_cache


@pytest.fixture(autouse=True)
def _living_networks_are_not_cached(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(result_cache, "NETWORKS_TTL_S", 0)


@pytest.fixture
def fleet() -> Fleet:
    return Fleet()


@pytest.fixture
def settings(make_settings: MakeSettings) -> Settings:
    return make_settings(cache_ttl_s=60)


@pytest.fixture
def http(settings: Settings, fleet: Fleet) -> FlaskClient:
    return http_client(settings, fleet)
