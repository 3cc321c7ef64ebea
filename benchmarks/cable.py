"""Forwards TCP connections to another port of this machine; stopped with SIGSTOP, it is a cable that was cut.

    python -m benchmarks.cable 20001 20002

Nothing is closed then, nothing answers, and what was sent arrives when it goes on.
"""

import argparse
import asyncio
from contextlib import suppress

CHUNK_BYTES = 2**16


def main() -> None:
    """Forward until the process is ended."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("listen", type=int, help="the port that takes connections")
    parser.add_argument("target", type=int, help="the port to which they go")
    args = parser.parse_args()
    asyncio.run(_forward(args.listen, args.target))


async def _forward(listen: int, target: int) -> None:
    async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there = await asyncio.open_connection("127.0.0.1", target)
        except OSError:
            writer.close()
            return
        await asyncio.gather(_copy(reader, there[1]), _copy(there[0], writer))

    async with await asyncio.start_server(forward, "127.0.0.1", listen) as server:
        await server.serve_forever()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(CHUNK_BYTES):
            writer.write(data)
            await writer.drain()
    writer.close()


if __name__ == "__main__":
    main()
