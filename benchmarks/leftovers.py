"""What is in Redis when everything that used it has stopped."""

import threading
import time
from typing import Any

from job_protocol import Keys
from job_source import WORKERS_TTL_S
from settings import Settings

LOOK_INTERVAL_S = 0.1


def left_behind(client: Any, settings: Settings) -> list[str]:
    """Return keys and connections that outlive their time.

    Answers that nobody reads live for RESULT_TTL_S and claims until their job's deadline, so there is something to
    wait for. The set of workers is not waited for: it is enough that it will expire.
    """
    end = time.monotonic() + max(settings.result_ttl_s, settings.request_timeout_s) + 1
    while (left := _keys(client, settings) + _connections(client)) and time.monotonic() < end:
        threading.Event().wait(LOOK_INTERVAL_S)
    return left


def _keys(client: Any, settings: Settings) -> list[str]:
    found = {key: client.ttl(key) for key in client.scan_iter()}
    if 0 <= found.get(Keys(settings).workers, -1) <= WORKERS_TTL_S:
        del found[Keys(settings).workers]
    return [f"{key}, to live {ttl_s} s" for key, ttl_s in found.items()]


def _connections(client: Any) -> list[str]:
    own = client.client_id()
    return [f"connection from {it['addr']}, {it['cmd']}" for it in client.client_list() if int(it["id"]) != own]
