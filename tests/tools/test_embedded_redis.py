"""The Redis of `make run` and the tests."""

import socket

import pytest
import redis

from tools import embedded_redis as module
from tools.embedded_redis import RedisNotFound, embedded_redis, free_port


def test_a_server_that_already_answers_on_the_port_is_not_taken_for_ours() -> None:
    with embedded_redis() as url:
        port = int(url.removesuffix("/0").rpartition(":")[2])
        with pytest.raises(RedisNotFound, match="did not start"), embedded_redis(port=port):
            pass


def test_a_port_that_is_taken_before_the_server_has_it_is_given_up_for_another(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        chosen = iter([taken.getsockname()[1], free_port()])
        monkeypatch.setattr(module, "free_port", lambda: next(chosen))
        with embedded_redis() as url, redis.Redis.from_url(url) as client:
            assert client.ping()
