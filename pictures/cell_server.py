"""The program that forks decoding processes ("cells") on request, and tells how they ended.

A web server starts it with an empty environment and one socket. It imports Pillow once and has a single thread, so a
fork takes milliseconds and is safe at any time. Each request on the socket is one line:

    fork KIND   with a socket, on which the new cell takes pictures; the reply is its process id, or 0 without one
    reap PID    kills the cell if it has not ended; the reply is its exit status, as `subprocess` has it. A cell of a
                former server was killed with it

It ends when its socket is closed, and all cells with it.
"""

import ctypes
import json
import os
import signal
import socket
import sys
import warnings
from collections.abc import Callable
from functools import partial

from helpers import Crop, ImageShape
from pictures.cell import CellLimits, run_cell
from pictures.cell_messages import NO_PROCESS
from pictures.confinement import Confinement, fork
from pictures.decoding import DecodingOptions
from pictures.limits import Limits, raise_pillows_limit
from pictures.warm_up import warm_up

MAX_REQUEST_BYTES = 64
# A terminal or a supervisor may send them to all processes. Requests in hand still need cells, which end when their web
# server has gone.
STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGHUP)
# glibc maps blocks above the first limit separately and returns them to the system as soon as they are freed; free
# memory at the end of a heap above the second limit is returned, too. So large pictures leave nothing behind, and the
# memory of small ones is reused.
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
MMAP_THRESHOLD_BYTES = 2 * 1024 * 1024
TRIM_THRESHOLD_BYTES = 8 * 1024 * 1024


def main() -> None:
    """Serve requests until the socket is closed."""
    control = socket.socket(fileno=int(sys.argv[1]))
    configuration = json.loads(sys.argv[2])
    options = _options(configuration["options"])
    lanes = {name: CellLimits(*values) for name, values in configuration["lanes"].items()}
    _prepare(options)
    confinement = Confinement()
    cells: set[int] = set()
    while True:
        request, files, _flags, _address = socket.recv_fds(control, MAX_REQUEST_BYTES, 1)
        if not request:
            return
        word, _, argument = request.decode().partition(" ")
        if word == "fork":
            with socket.socket(fileno=files[0]) as connection:
                reply = _fork(partial(run_cell, connection, options, lanes[argument], confinement))
            if reply != NO_PROCESS:
                cells.add(reply)
        else:
            reply = _reap(int(argument), cells)
        control.sendall(b"%d\n" % reply)


def _options(values: list[list[float]]) -> DecodingOptions:
    shape, crop, limits = values
    return DecodingOptions(ImageShape(*shape), Crop(*crop), Limits(*limits))  # type: ignore[arg-type]


def _prepare(options: DecodingOptions) -> None:
    """Load everything that a cell may need, since a cell cannot open files."""
    for number in STOP_SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    warnings.simplefilter("ignore")  # about unusual pictures, which nobody would read
    raise_pillows_limit(options.limits.max_pixels)
    warm_up(options)
    try:
        libc = ctypes.CDLL(None)
        libc.mallopt(M_MMAP_THRESHOLD, MMAP_THRESHOLD_BYTES)
        libc.mallopt(M_TRIM_THRESHOLD, TRIM_THRESHOLD_BYTES)
    except AttributeError:  # where the C library is another one
        pass


def _fork(action: Callable[[], object]) -> int:
    try:
        return fork(action)
    except OSError:  # the cells that there are go on
        return NO_PROCESS


def _reap(pid: int, cells: set[int]) -> int:
    if pid not in cells:
        return -signal.SIGKILL
    cells.remove(pid)
    os.kill(pid, signal.SIGKILL)  # does nothing to a cell that has ended already
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


if __name__ == "__main__":
    main()
