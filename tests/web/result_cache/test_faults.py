"""Faults of the cache: requests are then processed as without a cache."""

import re

import pytest
import redis
from flask.testing import FlaskClient

from benchmarks.services import wait_until
from errors import ServiceUnavailable
from jobs.monitor import QueueMonitor
from jobs.protocol import JobResult, Keys, Prediction, WorkerInfo
from project import PROJECT_DIR
from settings import Settings
from tests.conftest import INFO, Client, MakeSettings, heartbeat, picture
from tests.support.fake_worker import process_jobs, submitted_job
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


def test_with_the_eviction_policy_of_the_compose_file_a_full_cache_makes_room_for_heartbeats_and_jobs(
    make_settings: MakeSettings,
) -> None:
    policy = re.search(r"--maxmemory-policy, ([a-z-]+)", (PROJECT_DIR / "deploy" / "compose.yaml").read_text())
    assert policy
    with embedded_redis() as url, redis.Redis.from_url(url, decode_responses=True) as client:
        settings = make_settings(cache_ttl_s=60, redis_url=url)
        client.config_set("maxmemory", int(client.info("memory")["used_memory"]) + 2_000_000)
        client.config_set("maxmemory-policy", policy[1])
        cache, keys = result_cache.ResultCache(settings, lambda: [INFO]), Keys(settings)
        long = JobResult("1", "w1", "m", (Prediction("label" * 2000, 1.0),), fingerprint="f")
        with heartbeat(settings):
            for number in range(400):
                cache.store(str(number), long)
            # Redis counts in seconds how long a key is unused; a heartbeat is never unused for so long.
            newest = keys.cached("f", "399")
            wait_until(lambda: not client.exists(newest) or client.object("idletime", newest) >= 2)
            with submitted_job(settings) as future:
                wait_until(lambda: client.llen(keys.queue) or future.done())
                assert client.llen(keys.queue)
                process_jobs(settings, 1)
                assert future.result().id == "a" * 32
            assert [worker.name for worker in QueueMonitor(settings).workers()] == ["w1"]


def test_a_cache_that_failed_is_not_used_for_a_moment(
    make_settings: MakeSettings, fleet: Fleet, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(result_cache, "NETWORKS_TTL_S", 3600)
    cache = result_cache.ResultCache(
        make_settings(cache_ttl_s=60, redis_url=f"redis://127.0.0.1:{free_port()}/0"), fleet.workers
    )
    assert [cache.find(["name"]) for _ in range(3)] == [[None]] * 3
    assert caplog.text.count("cache_failed") == 1
