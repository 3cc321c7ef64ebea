"""One Redis Sentinel, which is asked where the master is."""

from typing import Any, NamedTuple

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from jobs.tls import tls_options
from logger import log
from redis_url import Address, SentinelUrl
from settings import Settings

# Of connecting to a Sentinel, and of its reply.
SENTINEL_TIMEOUT_S = 0.5


class SentinelAnswer(NamedTuple):
    """What a Sentinel says; each failover has a higher epoch."""

    epoch: int
    master: Address


class Sentinel:
    """A Sentinel; for one thread at a time.

    Args:
        settings: its user and password.
        url: TLS and its options, as of the Redis servers, and the name of the service.
        address: where it is.

    Attributes:
        failure: why it did not answer the last time; empty if it did.
    """

    def __init__(self, settings: Settings, url: SentinelUrl, address: Address) -> None:
        host, port = address
        login: dict[str, Any] = {
            "username": settings.sentinel_user or None,
            "password": settings.sentinel_password.get_secret_value() or None,
        }
        self._name = f"{host}:{port}"
        self._service = url.service
        self.failure = ""
        self._client: Any = redis.Redis(
            host,
            port,
            protocol=2,
            decode_responses=True,
            driver_info=None,
            socket_connect_timeout=SENTINEL_TIMEOUT_S,
            socket_timeout=SENTINEL_TIMEOUT_S,
            retry=Retry(NoBackoff(), 0),
            ssl=url.tls,
            **login,
            **(tls_options(login) if url.tls else {}),
            **{name: value for name, value in url.options.items() if name.startswith("ssl_")},
        )

    def ask(self) -> SentinelAnswer | None:
        """Return what it says; None if it does not answer."""
        try:
            # Sent together, so that no failover comes in between.
            with self._client.pipeline(transaction=False) as pipeline:
                pipeline.execute_command("SENTINEL MASTER", self._service)
                # While replicas are still being told, only this command names the new master.
                pipeline.execute_command("SENTINEL GET-MASTER-ADDR-BY-NAME", self._service)
                state, (host, port) = pipeline.execute()
            answer = SentinelAnswer(int(state["config-epoch"]), (host, int(port)))
        # TypeError: it has just forgotten the service.
        except (redis.RedisError, TypeError, ValueError, MemoryError) as error:
            self._note_failure(str(error) or type(error).__name__)
            return None
        self.failure = ""
        return answer

    def _note_failure(self, failure: str) -> None:
        if failure != self.failure:
            self.failure = failure
            log("sentinel_failed", level="warning", sentinel=self._name, error=failure)
