"""The Redis of `make run`: the one that REDIS_URL names, if it answers, or else one that is started."""

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import redis

from jobs.connection import connect
from settings import Settings
from tools.embedded_redis import EmbeddedRedis, RedisNotFound, started_redis

Started = EmbeddedRedis | None


@contextmanager
def run_redis(settings: Settings) -> Iterator[tuple[str, Started]]:
    """Yield the URL of a Redis that answers, and the server if it was started for that; end the program without one."""
    if "redis_url" in settings.model_fields_set:
        _check(settings)
        yield settings.redis_url.get_secret_value(), None
        return
    try:
        with started_redis() as server:
            yield server.url, server
    except RedisNotFound as error:
        sys.exit(str(error))


def stop_without(server: Started) -> None:
    """End the program if the server that was started has ended: nothing would be classified any more."""
    if server and server.process.poll() is not None:
        sys.exit("the Redis that this command had started has ended")


def _check(settings: Settings) -> None:
    """Send one command as the service does, since its own processes wait for Redis for as long as it takes."""
    logging.disable(logging.WARNING)  # what the connection says of each Sentinel
    try:
        with connect(settings) as client:
            client.time()  # PING is not among the rights of docs/security.md
    except redis.exceptions.NoPermissionError:  # which would name the user
        sys.exit("REDIS_URL: its user lacks rights in Redis; docs/security.md lists them")
    except (redis.RedisError, OSError) as error:
        sys.exit(f"REDIS_URL: no Redis answers there: {error}")
    finally:
        logging.disable(logging.NOTSET)
