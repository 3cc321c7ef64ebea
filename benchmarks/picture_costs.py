"""What the costliest pictures within the limits cost the decoding processes, as a table.

    python -m benchmarks.picture_costs

Each picture is decoded in a cell of the fast lane and in one of the slow lane, which are new and have the limits of the
service.
"""

import argparse
import os
import socket
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from typing import NamedTuple

from benchmarks.costly_headers import COSTLY_HEADERS
from benchmarks.costly_pictures import COSTLY_PIXELS
from pictures.cell import CellLimits, run_cell
from pictures.cell_messages import ConnectionClosed, Kind, Message, receive_message, send_message
from pictures.confinement import Confinement, fork
from pictures.decoding import DecodingOptions
from pictures.lanes import lane_limits
from pictures.observers import Lane
from pictures.warm_up import warm_up
from settings import Settings

MIB = 1024 * 1024


class Cost(NamedTuple):
    """What a picture cost a cell, and what the cell said.

    Attributes:
        processor_s: processor time, with what it takes to start the cell.
        peak_bytes: peak memory of the cell, with what it has from the start.
        said: the kind of its answer; empty if it was killed.
    """

    processor_s: float
    peak_bytes: int
    said: str


def main() -> None:
    """Print the table."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    options, lanes = DecodingOptions.of(Settings(_env_file=None)), lane_limits(Settings(_env_file=None))  # type: ignore[call-arg]
    warm_up(options)
    confinement = Confinement()
    print("| picture | upload | fast lane | slow lane | peak memory | answer |\n|---|---|---|---|---|---|")
    for name, make in (COSTLY_PIXELS | COSTLY_HEADERS).items():
        upload = _made_elsewhere(make)
        fast, slow = (measure(upload, options, lanes[lane], confinement) for lane in (Lane.FAST, Lane.SLOW))
        peak, said = max(fast.peak_bytes, slow.peak_bytes), fast.said if fast.said == "pixels" else slow.said
        print(
            f"| {name} | {len(upload):,} bytes | {fast.processor_s:.2f} s | {slow.processor_s:.2f} s "
            f"| {peak / MIB:.0f} MiB | {said or 'too much time'} |",
            flush=True,
        )


def measure(upload: bytes, options: DecodingOptions, limits: CellLimits, confinement: Confinement) -> Cost:
    """Decode the upload in a new cell."""
    ours, theirs = socket.socketpair()
    with theirs:
        pid = fork(partial(run_cell, theirs, options, limits, confinement))
    with ours:
        try:
            send_message(ours, Message(Kind.UPLOAD, upload))
            said = receive_message(ours, options.shape.num_bytes).kind.name.lower().replace("_", " ")
        except ConnectionClosed:
            said = ""
    _pid, _status, usage = os.wait4(pid, 0)
    return Cost(usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024, said)


def _made_elsewhere(make: Callable[[], bytes]) -> bytes:
    """Make a picture in a process of its own, since a cell inherits this one's memory."""
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        return pool.submit(make).result()


if __name__ == "__main__":
    main()
