"""The socket on which a web server listens: its own, or one that `make run` has opened for it.

Nobody else gets a port between its choice and its use, and what answers there is the web server that took the socket.
"""

import os
import socket
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

BACKLOG = 2048
# In the environment of the process that shall take a socket: where it is offered.
OFFER_VARIABLE = "LISTENER_OFFER"


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens; connections wait in it until they are accepted.

    Raises:
        OSError: the port is taken, or the address is not this machine's.
    """
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener


@contextmanager
def offered(listener: socket.socket) -> Iterator[dict[str, str]]:
    """Give a socket to the first process that calls `take_offered`, and close it here.

    By name, since what starts the processes of `make run` closes all files that they would inherit.

    Yields:
        what that process needs in its environment.
    """
    with tempfile.TemporaryDirectory() as folder, listener, socket.socket(socket.AF_UNIX) as door:
        path = os.path.join(folder, "listener")
        door.bind(path)
        door.listen()
        thread = threading.Thread(target=_give, args=(door, listener), name="listener-offer")
        thread.start()
        try:
            yield {OFFER_VARIABLE: path}
        finally:
            # Wakes the thread if nobody has come.
            with socket.socket(socket.AF_UNIX) as waker, suppress(OSError):
                waker.connect(path)
            thread.join()


def take_offered() -> socket.socket | None:
    """Return the socket that is offered to this process, if there is one.

    Raises:
        OSError: it is offered no more.
    """
    path = os.environ.pop(OFFER_VARIABLE, None)
    if path is None:
        return None
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(path)
        _, files, _, _ = socket.recv_fds(connection, 1, 1)
    if not files:
        raise ConnectionAbortedError("the socket is offered no more")
    return socket.socket(fileno=files[0])


def _give(door: socket.socket, listener: socket.socket) -> None:
    taker, _ = door.accept()
    with taker, listener, suppress(OSError):
        socket.send_fds(taker, [b"."], [listener.fileno()])
