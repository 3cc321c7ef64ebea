"""Connections that follow the master, wherever Redis Sentinel says it is.

redis-py's own ask Sentinel only in `connect`, which pipelined connections do not call, and keep a connection whose
server has vanished.
"""

import socket
import ssl
from contextlib import suppress
from typing import Any

import redis
from redis.connection import Connection, ConnectionPool, SSLConnection

from jobs.master_locator import MasterLocator, master_locator
from redis_url import Address, is_sentinel_url, parse_sentinel_url
from settings import Settings

# Errors of a server that is not the master any more, not yet, or has lost its replicas. redis-py drops the code of
# those that have a class.
_CLASSES = (redis.ReadOnlyError, redis.exceptions.MasterDownError)
_CODES = ("UNBLOCKED ", "NOREPLICAS ")


class NotTheMaster(redis.ConnectionError):
    """The server does not take writes. The connection has been closed, and the next one goes to the master."""


class MasterConnection(Connection):
    """A connection to the master, wherever it is when it connects.

    Args:
        locator: knows where that is.
        options: of redis-py's connection.
    """

    def __init__(self, *, locator: MasterLocator, **options: Any) -> None:
        super().__init__(**options)  # type: ignore[no-untyped-call]
        self._locator = locator
        self._is_connecting = False

    @property
    def is_in_use(self) -> bool:
        """Tell whether it is open or being opened."""
        return self._is_connecting or self.is_connected

    @property
    def address(self) -> Address:
        """Where it is, or was last, connected to."""
        return self.host, self.port

    @property
    def is_former(self) -> bool:
        """Tell whether it leads, or led, to another server than the master."""
        return self._locator.known not in (None, self.address)

    def connect_check_health(self, check_health: bool = True, retry_socket_connect: bool = True) -> None:
        """Connect to the master; every call that connects comes here. Ask again when it is not where it was."""
        if self.is_connected:
            return
        master = self._locator.locate()
        self._is_connecting = True
        try:
            self._connect_to(master, check_health, retry_socket_connect)
        except (redis.ConnectionError, redis.TimeoutError):
            tried, master = master, self._locator.ask()
            if master == tried:
                raise
            self._connect_to(master, check_health, retry_socket_connect)
        finally:
            self._is_connecting = False

    def _connect_to(self, master: Address, *options: bool) -> None:
        self.host, self.port = master
        # Before connecting, since a server that was cut off would be waited for though another has been elected.
        self._locator.register(self)
        super().connect_check_health(*options)

    def on_connect_check_health(self, check_health: bool = True) -> None:
        """Log in, and make sure that the server is the master: Sentinel may be late, or away."""
        super().on_connect_check_health(check_health)
        self.send_command("ROLE")  # type: ignore[no-untyped-call]
        if self.read_response()[0] not in (b"master", "master"):
            raise NotTheMaster(f"{self.host}:{self.port} is not the master")

    def read_response(self, *args: Any, **options: Any) -> Any:
        """Read a reply. Close the connection when it says that the server is not the master.

        Raises:
            NotTheMaster: it does.
        """
        try:
            response: Any = super().read_response(*args, **options)
        except redis.ResponseError as error:
            self._check_error(error)
            raise
        if isinstance(response, list):  # of a transaction
            for part in response:
                self._check_error(part)
        return response

    def shut_down(self) -> None:
        """Have whoever uses the connection find it closed; from any thread."""
        _shut_down(self._sock)

    def _check_error(self, error: object) -> None:
        if isinstance(error, _CLASSES) or (isinstance(error, redis.ResponseError) and str(error).startswith(_CODES)):
            self.disconnect()  # type: ignore[no-untyped-call]
            self._locator.ask()  # who tries again had better know
            raise NotTheMaster(f"{self.host}:{self.port}: {error}") from error


class SecureMasterConnection(MasterConnection, SSLConnection):
    """The same with TLS, whose handshake ends, too, when the master is another one."""

    _in_handshake: socket.socket | None = None

    def shut_down(self) -> None:
        """Have whoever uses the connection, or is just making it, find it closed; from any thread."""
        super().shut_down()
        _shut_down(self._in_handshake)

    def _wrap_socket_with_ssl(self, sock: socket.socket) -> ssl.SSLSocket:
        # A duplicate, since that of TLS is only there after the handshake, for which a master that hangs never answers.
        with sock.dup() as self._in_handshake:
            secured: ssl.SSLSocket = super()._wrap_socket_with_ssl(sock)  # type: ignore[no-untyped-call]
        return secured


def _shut_down(sock: socket.socket | None) -> None:
    if sock:
        with suppress(OSError):  # another thread may have closed it
            # Not that of TLS, after which a thread that just sends would do so in clear text.
            socket.socket.shutdown(sock, socket.SHUT_RDWR)


def connect_to_master(settings: Settings, **options: Any) -> redis.Redis:
    """Return a client of the master, which connects on first use.

    Args:
        settings: where the Sentinels are.
        options: of redis-py's connections, where REDIS_URL does not say otherwise.
    """
    url = parse_sentinel_url(settings.redis_url.get_secret_value())
    kind = SecureMasterConnection if url.tls else MasterConnection
    return redis.Redis.from_pool(ConnectionPool(kind, **options | url.options, locator=master_locator(settings)))


def locate_master(settings: Settings) -> None:
    """Have processes that are forked later know the master, should no Sentinel answer then.

    Without Sentinel, or while none answers, this does nothing.
    """
    if is_sentinel_url(settings.redis_url.get_secret_value()):
        master_locator(settings).ask_alone()


def locator_of(client: redis.Redis) -> MasterLocator | None:
    """Return what a client follows; None if it always has the same server."""
    locator: MasterLocator | None = client.connection_pool.connection_kwargs.get("locator")
    return locator
