"""Remembers answers in Redis, as an option: the same picture for the same network is answered without computing.

An answer is filed under the network that gave it and the picture's bytes. Only the networks of workers that are alive
now are looked up, so what an old network said is not said any more when the last worker with it is gone. Whatever is
wrong with the cache, a request just goes its normal way.
"""

import hashlib
import time
from collections.abc import Callable, Sequence
from typing import cast

import PIL
import redis

from errors import QueueUnavailable
from helpers import DECODING_VERSION, image_formats
from job_protocol import Answer, Keys, WorkerInfo
from logger import log
from redis_connection import connect
from settings import Settings

# For so long the living workers' networks are remembered, and for so long a cache that failed is left alone.
REMEMBERED_S = 1
# What `Answer.from_json` raises for what it has not written.
UNREADABLE = (ValueError, TypeError, KeyError, AttributeError)


class AnswerCache:
    """Finds and keeps answers; safe to use from many threads. With CACHE_TTL_S=0 it never asks Redis for anything.

    Args:
        settings: CACHE_TTL_S, where Redis is, and how pictures are decoded.
        workers: tells which workers are alive, or raises QueueUnavailable.
    """

    def __init__(self, settings: Settings, workers: Callable[[], Sequence[WorkerInfo]]) -> None:
        self.enabled = settings.cache_ttl_s > 0
        self._ttl_s = settings.cache_ttl_s
        self._keys = Keys(settings)
        self._redis = connect(settings)
        self._workers = workers
        self._networks: list[str] = []
        self._ask_workers_at = 0.0
        self._rests_until = 0.0
        # All that decides whether these bytes are taken as a picture, and which pixels they become.
        size = (settings.image_width, settings.image_height, settings.image_chans, settings.max_image_pixels)
        self._decoding = repr((DECODING_VERSION, size, image_formats(), PIL.__version__)).encode()

    def name(self, upload: bytes) -> str:
        """Return the name under which this upload's answers are filed: 64 hexadecimal digits; empty when off."""
        return hashlib.sha256(self._decoding + hashlib.sha256(upload).digest()).hexdigest() if self.enabled else ""

    def find(self, name: str) -> Answer | None:
        """Return what a network that is alive has said about this picture, if that is known."""
        if not self.enabled or time.monotonic() < self._rests_until:
            return None
        try:
            keys = [self._keys.cached(network, name) for network in self._living_networks()]
            values = cast(list[bytes | None], self._redis.mget(keys)) if keys else []
            return next((Answer.from_json(value) for value in values if value), None)
        except (redis.RedisError, QueueUnavailable, *UNREADABLE) as error:
            self._rests_until = time.monotonic() + REMEMBERED_S
            log("cache_failed", level="warning", error=error)
            return None

    def keep(self, name: str, answer: Answer) -> None:
        """Remember a good answer for CACHE_TTL_S."""
        if not self.enabled or not answer.fingerprint or answer.error:
            return
        try:
            self._redis.set(self._keys.cached(answer.fingerprint, name), answer.to_json(), ex=self._ttl_s)
        except redis.RedisError as error:
            log("cache_failed", level="warning", error=error)

    def _living_networks(self) -> list[str]:
        now = time.monotonic()
        if now >= self._ask_workers_at:
            self._ask_workers_at = now + REMEMBERED_S  # first, so that only one thread asks
            self._networks = sorted({worker.fingerprint for worker in self._workers() if worker.fingerprint})
        return self._networks
