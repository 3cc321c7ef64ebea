"""Faults of the cache: requests are then processed as without a cache."""

import pytest
import redis
from flask.testing import FlaskClient

from errors import ServiceUnavailable
from jobs.protocol import WorkerInfo
from settings import Settings
from tests.conftest import Client, MakeSettings, picture
from tests.web.result_cache.cached_fleet import Fleet, cached_keys, http_client, is_cached, post
from tools.embedded_redis import embedded_redis, free_port
from web import result_cache


def test_results_of_workers_without_a_fingerprint_are_not_cached(
    http: FlaskClient, fleet: Fleet, settings: Settings, client: Client
) -> None:
    fleet.serve("")
    assert [is_cached(post(http)) for _ in range(2)] == [False, False]
    assert cached_keys(client, settings) == []


def test_a_cached_result_that_cannot_be_read_is_computed_again(
    http: FlaskClient, settings: Settings, client: Client
) -> None:
    post(http)
    for junk in ("junk", "{}", "[]", '{"predictions": 5}'):
        client.set(cached_keys(client, settings)[0], junk)
        assert not is_cached(post(http))
        assert is_cached(post(http))


def test_the_cache_is_bypassed_while_redis_is_down_and_used_again_afterwards(
    make_settings: MakeSettings, fleet: Fleet
) -> None:
    port = free_port()
    http = http_client(make_settings(cache_ttl_s=60, redis_url=f"redis://127.0.0.1:{port}/0"), fleet)
    assert [is_cached(post(http)) for _ in range(2)] == [False, False]
    with embedded_redis(port=port):
        assert [is_cached(post(http)) for _ in range(2)] == [False, True]


def test_the_cache_is_bypassed_when_the_workers_cannot_be_listed(
    http: FlaskClient, settings: Settings, fleet: Fleet
) -> None:
    post(http)

    def unreachable() -> list[WorkerInfo]:
        raise ServiceUnavailable("The queue is out of reach.")

    fleet.workers = unreachable  # type: ignore[method-assign]
    assert not is_cached(post(http_client(settings, fleet)))


def test_new_results_are_not_cached_while_redis_is_out_of_memory(make_settings: MakeSettings, fleet: Fleet) -> None:
    with embedded_redis() as url, redis.Redis.from_url(url) as client:
        http = http_client(make_settings(cache_ttl_s=60, redis_url=url), fleet)
        post(http)
        client.config_set("maxmemory", "1")
        assert [is_cached(post(http, picture("blue"))) for _ in range(2)] == [False, False]
        assert is_cached(post(http))


def test_a_cache_that_failed_is_not_used_for_a_moment(
    make_settings: MakeSettings, fleet: Fleet, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(result_cache, "NETWORKS_TTL_S", 3600)
    cache = result_cache.ResultCache(
        make_settings(cache_ttl_s=60, redis_url=f"redis://127.0.0.1:{free_port()}/0"), fleet.workers
    )
    assert [cache.find(["name"]) for _ in range(3)] == [[None]] * 3
    assert caplog.text.count("cache_failed") == 1
