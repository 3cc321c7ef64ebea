"""Tests of the queue run with the installed redis-server and with the packaged Valkey."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from jobs.consumer import JobConsumer
from settings import Settings
from tools.embedded_redis import embedded_redis, packaged_server


@pytest.fixture(scope="session", params=["redis-server", "valkey"])
def redis_url(request: pytest.FixtureRequest) -> Iterator[str]:
    if request.param == "valkey":
        server: Path | None = packaged_server()
    elif path := shutil.which("redis-server"):
        server = Path(path)
    else:
        pytest.skip("there is no redis-server; apt-get install redis-server")
    with embedded_redis(server) as url:
        yield url


@pytest.fixture
def consumer(settings: Settings) -> JobConsumer:
    return JobConsumer(settings, "w1", "m")
