"""Readiness, with a real Redis: broken data is never a 500, and the reason says what is wrong."""

import pytest
from flask.testing import FlaskClient

from jobs.monitor import QueueMonitor
from jobs.protocol import Keys
from settings import Settings
from tests.conftest import Client
from tests.support.stub_queue import StubQueue
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
