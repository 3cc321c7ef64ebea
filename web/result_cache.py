"""An optional cache of results in Redis: the same picture for the same network is answered without computing.

A result is stored under the network that made it and the hash of the picture's bytes. Only the networks of living
workers are looked up, so answers of a retired network are never served. Whatever is wrong with the cache, a request
goes its normal way.
"""

import hashlib
import time
from collections.abc import Callable, Sequence
from importlib.metadata import version
from typing import cast

import redis

from errors import ServiceUnavailable
from jobs.hang_detector import connect_impatiently
from jobs.protocol import JobResult, Keys, WorkerInfo
from logger import log
from pictures.decoding import DECODING_VERSION, DecodingOptions
from pictures.formats import accepted_formats
from settings import Settings

# How long the living networks are cached, and how long a cache that failed is not used.
NETWORKS_TTL_S = 1


class ResultCache:
    """Finds and stores results; safe to use from many threads. With CACHE_TTL_S=0 it never asks Redis for anything.

    Args:
        settings: CACHE_TTL_S, where Redis is, and how pictures are decoded.
        workers: returns the living workers, or raises ServiceUnavailable.
    """

    def __init__(self, settings: Settings, workers: Callable[[], Sequence[WorkerInfo]]) -> None:
        self.enabled = settings.cache_ttl_s > 0
        self._ttl_s = settings.cache_ttl_s
        self._keys = Keys(settings)
        self._redis = connect_impatiently(settings)
        self._workers = workers
        self._networks: list[str] = []
        self._refresh_networks_at = 0.0
        self._suspended_until = 0.0
        # Everything that decides whether these bytes are accepted as a picture, and which pixels they become.
        options = DecodingOptions.of(settings)
        libraries = [version(name) for name in ("pillow", "pillow-heif")]
        self._decoding = repr((DECODING_VERSION, options, accepted_formats(), libraries)).encode()

    def name(self, upload: bytes) -> str:
        """Return the name under which this upload's results are stored: 64 hexadecimal digits; empty when disabled."""
        return hashlib.sha256(self._decoding + hashlib.sha256(upload).digest()).hexdigest() if self.enabled else ""

    def find(self, names: Sequence[str]) -> list[JobResult | None]:
        """Return for each picture the result of a living network, if there is one."""
        none: list[JobResult | None] = [None] * len(names)
        if not self.enabled or time.monotonic() < self._suspended_until:
            return none
        try:
            networks = self._living_networks()
            if not networks:
                return none
            keys = [self._keys.cached(network, name) for name in names for network in networks]
            values, each = cast(list[bytes | None], self._redis.mget(keys)), len(networks)
            return [_first_result(values[start : start + each]) for start in range(0, len(values), each)]
        except (redis.RedisError, ServiceUnavailable, ValueError) as error:
            self._suspended_until = time.monotonic() + NETWORKS_TTL_S
            log("cache_failed", level="warning", error=error)
            return none

    def store(self, name: str, result: JobResult) -> None:
        """Store a good result for CACHE_TTL_S."""
        if not self.enabled or not result.fingerprint or result.error:
            return
        try:
            self._redis.set(self._keys.cached(result.fingerprint, name), result.to_json(), ex=self._ttl_s)
        except redis.RedisError as error:
            log("cache_failed", level="warning", error=error)

    def _living_networks(self) -> list[str]:
        now = time.monotonic()
        if now >= self._refresh_networks_at:
            self._refresh_networks_at = now + NETWORKS_TTL_S  # first, so that only one thread asks
            self._networks = sorted({worker.fingerprint for worker in self._workers() if worker.fingerprint})
        return self._networks


def _first_result(values: Sequence[bytes | None]) -> JobResult | None:
    return next((JobResult.from_json(value) for value in values if value), None)
