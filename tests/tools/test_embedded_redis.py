"""The Redis of `make run` and the tests."""

import pytest

from tools.embedded_redis import RedisNotFound, embedded_redis


def test_a_server_that_already_answers_on_the_port_is_not_taken_for_ours() -> None:
    with embedded_redis() as url:
        port = int(url.removesuffix("/0").rpartition(":")[2])
        with pytest.raises(RedisNotFound, match="did not start"), embedded_redis(port=port):
            pass
