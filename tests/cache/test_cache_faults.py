"""Whatever is wrong with the cache, a request goes its normal way."""

import pytest
import redis
from flask.testing import FlaskClient

import answer_cache
from embedded_redis import embedded_redis, free_port
from errors import QueueUnavailable
from job_protocol import WorkerInfo
from settings import Settings
from tests.cache.cached_fleet import Fleet, cached_keys, is_cached, post, serving
from tests.conftest import Client, MakeSettings, picture


def test_workers_that_do_not_tell_their_network_are_not_cached(
    http: FlaskClient, fleet: Fleet, settings: Settings, client: Client
) -> None:
    fleet.serve("")
    assert [is_cached(post(http)) for _ in range(2)] == [False, False]
    assert cached_keys(client, settings) == []


def test_a_cached_answer_that_cannot_be_read_is_computed_again(
    http: FlaskClient, settings: Settings, client: Client
) -> None:
    post(http)
    for junk in ("junk", "{}", "[]", '{"predictions": 5}'):
        client.set(cached_keys(client, settings)[0], junk)
        assert not is_cached(post(http))
        assert is_cached(post(http))


def test_while_redis_is_away_the_cache_steps_aside_and_is_there_again_with_it(
    make_settings: MakeSettings, fleet: Fleet
) -> None:
    port = free_port()
    http = serving(make_settings(cache_ttl_s=60, redis_url=f"redis://127.0.0.1:{port}/0"), fleet)
    assert [is_cached(post(http)) for _ in range(2)] == [False, False]
    with embedded_redis(port=port):
        assert [is_cached(post(http)) for _ in range(2)] == [False, True]


def test_when_redis_cannot_tell_the_workers_the_cache_steps_aside(
    http: FlaskClient, settings: Settings, fleet: Fleet
) -> None:
    post(http)

    def out_of_reach() -> list[WorkerInfo]:
        raise QueueUnavailable("The queue is out of reach.")

    fleet.workers = out_of_reach  # type: ignore[method-assign]
    assert not is_cached(post(serving(settings, fleet)))


def test_without_memory_in_redis_the_cache_steps_aside(make_settings: MakeSettings, fleet: Fleet) -> None:
    with embedded_redis() as url, redis.Redis.from_url(url) as client:
        http = serving(make_settings(cache_ttl_s=60, redis_url=url), fleet)
        post(http)
        client.config_set("maxmemory", "1")
        assert [is_cached(post(http, picture("blue"))) for _ in range(2)] == [False, False]
        assert is_cached(post(http))


def test_a_cache_that_failed_is_left_alone_for_a_moment(
    make_settings: MakeSettings, fleet: Fleet, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(answer_cache, "REMEMBERED_S", 3600)
    cache = answer_cache.AnswerCache(
        make_settings(cache_ttl_s=60, redis_url=f"redis://127.0.0.1:{free_port()}/0"), fleet.workers
    )
    assert [cache.find("name") for _ in range(3)] == [None] * 3
    assert caplog.text.count("cache_failed") == 1
