"""Where the log is written: where nobody reads it, lines are lost and counted, and the service goes on.

A write to a full pipe, or to a terminal that was stopped with Ctrl-S, would otherwise block its thread, and then every
other at its next line.
"""

import os
import select
import socket
import stat
import time
from collections.abc import Callable
from functools import partial
from typing import TextIO

# How long a line waits for a slow reader. While lines are lost, none waits.
PATIENCE_S = 0.2

# Writes as much as there is room for and returns its length, or raises BlockingIOError.
Write = Callable[[bytes], int]


def unblocked(stream: TextIO, lines_lost: Callable[[int], str]) -> "TextIO | LossyStream":
    """Return a stream to the same place that never blocks for long; the same stream where that cannot happen.

    Args:
        stream: standard error, which may be closed.
        lines_lost: formats the line that says how many were lost; it precedes the first that is written again.
    """
    try:
        file = stream.fileno()
        mode = os.fstat(file).st_mode
    except (AttributeError, OSError, ValueError):
        return stream
    if stat.S_ISSOCK(mode):
        # With a number of its own, which it closes.
        write: Write = partial(_send, socket.socket(fileno=os.dup(file)))
    elif stat.S_ISFIFO(mode) or os.isatty(file):
        write = _writer(file)
    else:
        return stream
    return LossyStream(file, write, lines_lost)


class LossyStream:
    """Writes lines, or loses them; for one thread at a time, which is what a logging handler's lock ensures."""

    def __init__(self, file: int, write: Write, lines_lost: Callable[[int], str]) -> None:
        self._write = write
        self._lines_lost = lines_lost
        self._room = _poll(file)
        # Of a line that was begun. It is finished first, so that lines never mix.
        self._rest = b""
        self._lost = 0
        os.register_at_fork(after_in_child=self._leave_to_parent)

    def write(self, line: str) -> None:
        """Write a line, or count it as lost.

        Raises:
            OSError: the reader has gone, for example.
        """
        deadline = time.monotonic() + (0 if self._lost else PATIENCE_S)
        self._rest = self._push(self._rest, deadline)
        if self._lost and self._begin(self._lines_lost(self._lost), deadline):
            self._lost = 0
        if self._lost or not self._begin(line, deadline):
            self._lost += 1

    def _begin(self, line: str, deadline: float) -> bool:
        """Write a line, or the part that there is room for; return False if there is none."""
        if self._rest:
            return False
        data = line.encode(errors="backslashreplace")
        rest = self._push(data, deadline)
        if len(rest) == len(data):
            return False
        self._rest = rest
        return True

    def _push(self, data: bytes, deadline: float) -> bytes:
        """Write until the deadline; return what is left."""
        while data:
            try:
                data = data[self._write(data) :]
            except BlockingIOError:
                wait_s = deadline - time.monotonic()
                if wait_s <= 0 or not self._room.poll(wait_s * 1000):
                    break
        return data

    def _leave_to_parent(self) -> None:
        self._rest = b""
        self._lost = 0


def _writer(file: int) -> Write:
    """Open a pipe or terminal once more, as O_NONBLOCK would hold for all processes that share what was inherited."""
    try:
        return partial(os.write, os.open(f"/proc/self/fd/{file}", os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY))
    except OSError:  # it belongs to another user, for example
        return partial(_write_if_ready, _poll(file), file)


def _write_if_ready(room: select.poll, file: int, data: bytes) -> int:
    """Write what fits into a pipe that is not full; it blocks only if another process fills it at this moment."""
    if not room.poll(0):
        raise BlockingIOError
    return os.write(file, data[: select.PIPE_BUF])


def _send(connection: socket.socket, data: bytes) -> int:
    return connection.send(data, socket.MSG_DONTWAIT)


def _poll(file: int) -> select.poll:
    poll = select.poll()
    poll.register(file, select.POLLOUT)
    return poll
