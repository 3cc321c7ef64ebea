"""TLS without logging in: the first reply that redis-py needs to see on a new connection.

After the handshake a server sends session tickets (RFC 8446, 4.6.1). redis-py takes whatever has come before the first
command for the rest of an earlier reply, connects anew, and fails when that happens twice. Reading a reply takes the
tickets away, and whoever logs in reads one.
"""

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import redis
from redis.connection import Connection


def read_first_reply(connection: Connection) -> None:
    """Prepare a new connection as redis-py does, and have the server answer; to be its `redis_connect_func`."""
    connection.on_connect()  # type: ignore[no-untyped-call]
    connection.send_command("PING")  # type: ignore[no-untyped-call]
    with suppress(redis.ResponseError):  # a refusal is a reply, too
        connection.read_response()


def tls_options(login: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a connection with TLS needs besides its certificates.

    Args:
        login: with `username` or `password`, if there are any.
    """
    return {} if login.get("username") or login.get("password") else {"redis_connect_func": read_first_reply}
