"""Tells whether the client of a request that is being answered has hung up."""

import select
import socket

from http_server.response import CONTINUE

# For the answer to a probe, a little more than a packet needs around the world.
PROBE_S = 0.3


class ClientWatch:
    """Looks at a connection from which nobody else reads or writes at that time.

    A client that closes its connection and one that only closes its sending side look the same at first: nothing more
    will come. So the second one gets an interim response, which every client of HTTP/1.1 has to ignore (RFC 9110,
    section 15.2), whereas the system of one that is gone resets the connection.

    Args:
        connection: to the client.
        may_probe: whether it speaks HTTP/1.1, and has read all that was written before.
    """

    def __init__(self, connection: socket.socket, may_probe: bool) -> None:
        self._connection = connection
        self._may_probe = may_probe
        self._probed = False
        self._gone = False

    def gone(self) -> bool:
        """Return whether the client has hung up; safe to call from any thread, as long as the request lasts."""
        try:
            self._gone = self._gone or (self._sends_no_more() and self._is_closed())
        except (OSError, ValueError):  # it has been reset, or closed by us
            self._gone = True
        return self._gone

    def _sends_no_more(self) -> bool:
        # Looking for the end with `recv` would not find it behind the next requests, which nobody reads yet.
        return self._has_happened(select.POLLRDHUP)

    def _is_closed(self) -> bool:
        if not self._may_probe:
            return True
        if self._probed:
            return self._has_happened(0)
        self._probed = True
        self._connection.send(CONTINUE, socket.MSG_DONTWAIT)
        return self._has_happened(0, PROBE_S)

    def _has_happened(self, event: int, within_s: float = 0) -> bool:
        poller = select.poll()
        poller.register(self._connection, event)  # errors and resets are told always
        return bool(poller.poll(within_s * 1000))
