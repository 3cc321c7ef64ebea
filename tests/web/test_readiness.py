"""Readiness, with a real Redis: broken data is never a 500, and the reason says what is wrong."""

import pytest
import redis
from flask.testing import FlaskClient

from jobs.monitor import QueueMonitor
from jobs.protocol import Keys
from settings import Settings
from tests.conftest import Client, MakeSettings, heartbeat
from tests.support.stub_queue import StubQueue
from tools.embedded_redis import embedded_redis, free_port
from web.app import create_app

pytestmark = pytest.mark.usefixtures("live_worker")


@pytest.fixture
def http(settings: Settings) -> FlaskClient:
    return create_app(settings, StubQueue(), QueueMonitor(settings)).test_client()  # type: ignore[arg-type]


def readiness(http: FlaskClient) -> tuple[int, dict[str, object]]:
    response = http.get("/readyz")
    assert response.json is not None
    return response.status_code, response.json


@pytest.mark.parametrize("name", [b"w2", b"\xff"])
def test_a_heartbeat_that_cannot_be_read_does_not_make_the_service_unready(
    name: bytes, http: FlaskClient, client: Client, keys: Keys
) -> None:
    client.zadd(keys.workers, {name: client.time()[0] + 60})
    client.set(keys.worker("").encode() + name, "junk")
    status, answer = readiness(http)
    assert (status, len(answer["workers"])) == (200, 1)  # type: ignore[arg-type]


@pytest.mark.parametrize("refusal", ["READONLY", "NOREPLICAS", "OOM"])
def test_a_redis_that_refuses_to_write_makes_the_service_unready_and_only_that_is_the_reason(
    refusal: str, make_settings: MakeSettings
) -> None:
    with embedded_redis() as url, redis.Redis.from_url(url) as client:
        settings = make_settings(redis_url=url)
        http = create_app(settings, StubQueue(), QueueMonitor(settings)).test_client()  # type: ignore[arg-type]
        with heartbeat(settings):
            assert readiness(http)[0] == 200
            if refusal == "READONLY":
                client.replicaof("127.0.0.1", free_port())
            else:
                client.config_set(*{"NOREPLICAS": ("min-replicas-to-write", 1), "OOM": ("maxmemory", 1)}[refusal])
            status, answer = readiness(http)
            assert (status, answer["reason"]) == (503, f"Redis refuses writes ({refusal}). Try again soon.")


@pytest.mark.parametrize("key", ["queue", "workers"])
def test_a_key_of_the_wrong_type_makes_the_service_unready_with_a_reason(
    key: str, http: FlaskClient, client: Client, keys: Keys
) -> None:
    assert readiness(http)[0] == 200
    name = getattr(keys, key)
    client.delete(name)
    client.set(name, "x")
    status, answer = readiness(http)
    assert status == 503
    assert str(answer["reason"]).startswith(f"The key {name} has the wrong type")
