"""A Redis that hangs instead of refusing: nobody waits for it longer than is promised."""

from collections.abc import Iterator

import pytest
import requests

from benchmarks.services import Services, wait_until
from settings import Settings
from tests.conftest import MakeSettings
from tests.support.clients import label, post, posting
from tests.support.faults import FAST_DETECTION, start_faulty_worker
from tests.support.hanging_redis import silent_server, suspended_redis, unreachable_server
from tools.embedded_redis import embedded_redis

PROMISE_S = 3
# Everything that asks Redis before a job is queued.
EVERYTHING = {"RATE_LIMIT": "1000/minute", "CACHE_TTL_S": 60}


@pytest.fixture
def redis_of_our_own() -> Iterator[str]:
    with embedded_redis() as url:
        yield url


@pytest.fixture
def settings(redis_of_our_own: str, colour_settings: MakeSettings) -> Settings:
    return colour_settings(redis_url=redis_of_our_own, **FAST_DETECTION)


def assert_refused_in_time(url: str) -> None:
    """New requests and probes get their answers, within what is promised for each."""
    refused = post(url, "red")
    assert (refused.status_code, refused.headers["Retry-After"]) == (503, "5")
    assert refused.elapsed.total_seconds() < PROMISE_S
    for path, status in (("livez", 200), ("readyz", 503), ("metrics", 200), ("status.json", 200)):
        answer = requests.get(f"{url}/{path}", timeout=60)
        assert (path, answer.status_code) == (path, status)
        assert answer.elapsed.total_seconds() < PROMISE_S
    again = post(url, "red")
    assert again.status_code == 503
    assert again.elapsed.total_seconds() < 1


def test_while_redis_is_suspended_new_requests_are_refused_and_those_in_hand_are_answered_when_it_wakes(
    redis_of_our_own: str, services: Services
) -> None:
    worker = start_faulty_worker(services, delay_s=3)
    web_server, url = services.start_web_server(**EVERYTHING)
    with posting(url, "blue", "green") as futures:
        wait_until(lambda: worker.output.count("job_claimed") == 2)
        with suspended_redis(redis_of_our_own):
            assert_refused_in_time(url)
            assert not any(future.done() for future in futures)
        assert [label(future.result()) for future in futures] == ["blue", "green"]
    wait_until(lambda: post(url, "red").status_code == 200)
    assert web_server.output.index("redis_hangs") < web_server.output.index("redis_answers")


def test_a_request_in_hand_gets_504_at_its_deadline_while_redis_is_suspended(
    redis_of_our_own: str, services: Services
) -> None:
    worker = start_faulty_worker(services, delay_s=3)
    _, url = services.start_web_server(REQUEST_TIMEOUT_S=6)
    with posting(url, "blue") as (future,):
        wait_until(lambda: "job_claimed" in worker.output)
        with suspended_redis(redis_of_our_own):
            response = future.result()
    assert response.status_code == 504
    assert 6 <= response.elapsed.total_seconds() < 7.5


class TestBlackHole:
    """In the place of Redis is something that never answers."""

    @pytest.fixture(params=[silent_server, unreachable_server])
    def settings(self, request: pytest.FixtureRequest, make_settings: MakeSettings) -> Iterator[Settings]:
        with request.param() as redis_url:
            yield make_settings(redis_url=redis_url, **FAST_DETECTION)

    def test_requests_are_refused_in_time(self, services: Services) -> None:
        _, url = services.start_web_server(**EVERYTHING)
        assert_refused_in_time(url)
