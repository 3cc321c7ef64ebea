"""Finds the keys and connections that remain in Redis after all its clients have stopped."""

import threading
import time
from typing import Any

from jobs.heartbeat import WORKERS_TTL_S
from jobs.protocol import Keys
from settings import Settings

CHECK_INTERVAL_S = 0.1


def find_leaks(client: Any, settings: Settings) -> list[str]:
    """Return the keys and connections that outlive their time.

    Unread results expire after RESULT_TTL_S and claims at their job's deadline, so this waits that long. It does not
    wait for the set of workers: that it has an expiry is enough.
    """
    end = time.monotonic() + max(settings.result_ttl_s, settings.request_timeout_s) + 1
    while (leaks := _keys(client, settings) + _connections(client)) and time.monotonic() < end:
        threading.Event().wait(CHECK_INTERVAL_S)
    return leaks


def _keys(client: Any, settings: Settings) -> list[str]:
    ttls = {key: client.ttl(key) for key in client.scan_iter()}
    if 0 <= ttls.get(Keys(settings).workers, -1) <= WORKERS_TTL_S:
        del ttls[Keys(settings).workers]
    return [f"key {key}, TTL {ttl_s} s" for key, ttl_s in ttls.items()]


def _connections(client: Any) -> list[str]:
    own = client.client_id()
    others = (each for each in client.client_list() if int(each["id"]) != own and not _keeps_redis_alive(each))
    return [f"connection from {each['addr']}, {each['cmd']}" for each in others]


def _keeps_redis_alive(connection: dict[str, str]) -> bool:
    """Tell whether it is that of a Sentinel, of a replica (S) or of a master (M)."""
    return connection["name"].startswith("sentinel-") or not {"S", "M"}.isdisjoint(connection["flags"])
