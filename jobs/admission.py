"""Whether the queue accepts jobs: a worker must be alive, and the list must have room for all of them."""

import math
import time
from contextlib import suppress
from typing import cast

import redis

from errors import ServiceUnavailable
from jobs.pipelined_connection import Command
from jobs.protocol import Keys
from settings import Settings

# ARGV[3] is how many jobs have just been pushed; all are taken back when one of them has no room. The push itself is a
# separate command of the same transaction, since a script would copy the 200 KB of each job several times. An error
# about the workers, which `pcall` returns as a table, must not end the script before the jobs are taken back. It reads
# the time itself, so that no job is refused while this process does not know yet that Redis's clock was set back.
_SCRIPT = """
local refusal
local pushed = tonumber(ARGV[3])
local time = redis.call('TIME')
local workers = redis.pcall('ZCOUNT', KEYS[2], time[1] + time[2] / 1e6 - ARGV[1], '+inf')
if type(workers) == 'table' then
  refusal = workers
elseif workers == 0 then
  refusal = 'no worker'
else
  local free = tonumber(ARGV[2]) - redis.call('LLEN', KEYS[1]) + pushed
  if free <= 0 then refusal = 'full' elseif free < pushed then refusal = 'too many' end
end
if refusal and pushed > 0 then redis.call('LTRIM', KEYS[1], 0, -1 - pushed) end
return refusal or 'open'
"""
# What clients are told, and when they may try again, in seconds.
_REFUSALS = {
    b"no worker": ("No worker is alive. Try again soon.", 5),
    b"full": ("The queue is full. Try again soon.", 1),
    b"too many": ("The queue has no room for so many pictures now. Try again soon, or send fewer at once.", 1),
}
# Others may be accepted all the same, so these are not remembered.
_PASSING = b"too many"
# After a refusal, requests are refused for this long without asking Redis.
REFUSAL_TTL_S = 0.1


class Admission:
    """Decides about jobs, and remembers refusals; safe to use from many threads."""

    def __init__(self, settings: Settings, client: redis.Redis) -> None:
        self._keys = Keys(settings)
        self._capacity = settings.queue_capacity
        self._grace_s = settings.worker_grace_s
        self._redis = client
        self._refused_at = -math.inf
        self._refusal: tuple[str, int] | None = None

    def check(self) -> None:
        """Refuse early while jobs are being refused; otherwise this costs nothing.

        Raises:
            ServiceUnavailable: the queue has just refused a job, or still would.
        """
        refusal = self._refusal
        if refusal is None:
            return
        if time.monotonic() - self._refused_at < REFUSAL_TTL_S:
            raise ServiceUnavailable(*refusal)
        with suppress(redis.RedisError):  # the push will tell
            self.enforce(cast(bytes, self._redis.eval(*self._arguments(pushed=0))))

    def command(self, pushed: int) -> Command:
        """Return the command that checks the jobs which the same transaction has just pushed, all or none of them."""
        return ("EVAL", *self._arguments(pushed))

    def enforce(self, outcome: bytes) -> None:
        """Act on the reply to `command`.

        Raises:
            ServiceUnavailable: the jobs were refused.
        """
        refusal = _REFUSALS.get(outcome)
        self._refusal = None if outcome == _PASSING else refusal
        if refusal:
            self._refused_at = time.monotonic()
            raise ServiceUnavailable(*refusal)

    def _arguments(self, pushed: int) -> tuple[str, int, str, str, float, int, int]:
        return _SCRIPT, 2, self._keys.queue, self._keys.workers, self._grace_s, self._capacity, pushed
