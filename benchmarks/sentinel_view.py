"""What Sentinels know: which server is the master, and whether they see all others."""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Any

import redis

SERVERS, SENTINELS, QUORUM = 3, 3, 2
SERVICE = "mymaster"
# Shorter ones take a busy machine for a dead one.
DOWN_AFTER_MS, FAILOVER_TIMEOUT_MS = 2000, 6000
# Without it, Sentinels notice servers that have come back after 10 s.
_PERIOD_MS = 500

Address = tuple[str, int]


def named_master(sentinels: Iterable[Any]) -> Address | None:
    """Return the master that Sentinels name, with the highest epoch; None when none answers."""
    states = [state for client in sentinels if (state := _state(client))]
    return max(states)[1] if states else None


def all_see_all(sentinels: Iterable[Any], master: Address) -> bool:
    """Tell whether each Sentinel knows this master, all its replicas and all other Sentinels, and finds them well.

    One that still takes a replica for a master would make a replica of it again, also after it has become the master.
    """
    return all(_sees_all(client, master) for client in sentinels)


def watch_closely(sentinels: Sequence[Any]) -> bool:
    """Have the Sentinels notice servers that have come back at once; return False when one does not answer."""
    periods = "INFO-PERIOD", _PERIOD_MS, "PUBLISH-PERIOD", _PERIOD_MS
    with suppress(redis.RedisError):
        return all(client.execute_command("SENTINEL DEBUG", *periods) for client in sentinels)
    return False


def has_role(server: Any, role: str) -> bool:
    """Tell whether a server answers, and is a `master` or a connected `slave`."""
    with suppress(redis.RedisError):
        now = server.role()
        return bool(now[0] == role and (role == "master" or now[3] == "connected"))
    return False


def has_replicas(server: Any) -> bool:
    """Tell whether a server is a master whose replicas all get what it writes.

    It sends nothing to a new one, connected or not, before that has reported for the first time, within a second.
    """
    with suppress(redis.RedisError):
        role, _, replicas = server.role()[:3]
        return role == "master" and len(replicas) == SERVERS - 1 and all(int(offset) for *_, offset in replicas)
    return False


def monitoring(master: Address) -> list[str]:
    """Return the lines of a Sentinel's file that have it watch a master."""
    host, port = master
    return [
        f"sentinel monitor {SERVICE} {host} {port} {QUORUM}",
        f"sentinel down-after-milliseconds {SERVICE} {DOWN_AFTER_MS}",
        f"sentinel failover-timeout {SERVICE} {FAILOVER_TIMEOUT_MS}",
    ]


def _state(client: Any) -> tuple[int, Address] | None:
    """Return a Sentinel's epoch, and the master that it names."""
    with suppress(redis.RedisError):
        state = client.execute_command("SENTINEL MASTER", SERVICE)
        host, port = client.execute_command("SENTINEL GET-MASTER-ADDR-BY-NAME", SERVICE)
        return int(state["config-epoch"]), (host, int(port))
    return None


def _sees_all(client: Any, master: Address) -> bool:
    with suppress(redis.RedisError):
        state = client.execute_command("SENTINEL MASTER", SERVICE)
        replicas = client.execute_command("SENTINEL SLAVES", SERVICE)
        usable = [replica for replica in replicas if replica["flags"] == replica["role-reported"] == "slave"]
        numbers = state["num-other-sentinels"], len(usable), state["flags"], (state["ip"], state["port"])
        return bool(numbers == (SENTINELS - 1, SERVERS - 1, "master", master))
    return False
