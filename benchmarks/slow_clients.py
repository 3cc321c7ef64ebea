"""Clients that hold connections and send next to nothing, in a process of their own.

    python -m benchmarks.slow_clients silent http://127.0.0.1:5000 --seconds 20

It prints a line when all connections are open. One that the server closes is opened again at once. At the end it
prints, as JSON, how many were opened, how many were closed by the server, and the answers that came.
"""

import argparse
import asyncio
import json
import resource
from collections import Counter
from typing import NamedTuple, cast
from urllib.parse import urlsplit

_POST = b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: image/png\r\n"
TRICKLE_S = 1.0
# At once, so that the listening socket's queue does not overflow.
OPENED_AT_ONCE = 100
SPARE_FILES = 100
LOOK_S = 0.1


class Kind(NamedTuple):
    """How many such clients there are, what each sends at first and every second, and whether that is answered."""

    connections: int
    begin: bytes
    every_second: bytes = b""
    is_answered: bool = False


KINDS = {
    "silent": Kind(4000, b""),
    "half-sent headers": Kind(1200, _POST),
    "a byte a second": Kind(1000, _POST + b"Content-Length: 100000\r\n\r\n", b"x"),
    "idle": Kind(2500, b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n", is_answered=True),
}


class _Client(asyncio.Protocol):
    def __init__(self, crowd: "_Crowd") -> None:
        self._crowd = crowd

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.write(self._crowd.kind.begin)
        self._crowd.transports.add(self._transport)

    def data_received(self, data: bytes) -> None:
        self._crowd.figures[data[9:12].decode(errors="replace")] += 1

    def connection_lost(self, _error: Exception | None) -> None:
        self._crowd.transports.discard(self._transport)
        self._crowd.closed()


class _Crowd:
    """Keeps all connections open."""

    def __init__(self, kind: Kind, host: str, port: int) -> None:
        self.kind = kind
        self.figures: Counter[str] = Counter()
        self.transports: set[asyncio.Transport] = set()
        self._address = host, port
        self._opening = asyncio.Semaphore(OPENED_AT_ONCE)
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_over = False

    async def stay(self, seconds: float) -> None:
        """Open all connections, and then keep them for so long."""
        for _ in range(self.kind.connections):
            self._open()
        await asyncio.gather(*self._tasks)
        while self.kind.is_answered and self.figures["200"] < self.kind.connections:
            await asyncio.sleep(LOOK_S)
        print("all connections are open", flush=True)
        end = asyncio.get_running_loop().time() + seconds
        while (left := end - asyncio.get_running_loop().time()) > 0:
            await asyncio.sleep(min(left, TRICKLE_S))
            for transport in self.transports:
                transport.write(self.kind.every_second)
        self._is_over = True

    def closed(self) -> None:
        """Open another one."""
        if not self._is_over:
            self.figures["closed"] += 1
            self._open()

    def _open(self) -> None:
        task = asyncio.get_running_loop().create_task(self._connect())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _connect(self) -> None:
        async with self._opening:
            while not self._is_over:
                try:
                    await asyncio.get_running_loop().create_connection(lambda: _Client(self), *self._address)
                except OSError:
                    self.figures["refused"] += 1
                    await asyncio.sleep(TRICKLE_S)
                else:
                    self.figures["opened"] += 1
                    return


def main() -> None:
    """Be slow for some seconds, and tell how that was received."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", choices=KINDS)
    parser.add_argument("url", help="of a web server")
    parser.add_argument("--seconds", type=float, default=20, help="(default: %(default)s)")
    args = parser.parse_args()
    kind, address = KINDS[args.kind], urlsplit(args.url)
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (kind.connections + SPARE_FILES, hard))
    print(json.dumps(asyncio.run(_run(kind, address.hostname or "", address.port or 80, args.seconds))))


async def _run(kind: Kind, host: str, port: int, seconds: float) -> dict[str, int]:
    crowd = _Crowd(kind, host, port)
    await crowd.stay(seconds)
    return dict(crowd.figures)


if __name__ == "__main__":
    main()
