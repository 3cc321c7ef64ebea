"""Kills one of two cells behind nginx as a whole, under load, and counts what clients see.

    python -m benchmarks.cells

A cell is a Redis with a web server and a worker of its own. The exit code is 1 when an answer was wrong or a request
lost: nginx sends what a dead cell did not answer to the other one.
"""

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from benchmarks.commands import make_network
from benchmarks.fleet import Fleet
from benchmarks.load import running_clients
from benchmarks.nginx import find_nginx, nginx_command
from benchmarks.services import answers, wait_until
from benchmarks.tally import Outages, Tally
from tools.embedded_redis import free_port

# How long clients send before and after a cell is killed.
SECONDS = 10
CELL = {"web_processes": 1, "batch_size": 4}
# Another cell may have room, and workers that are alive.
_ALSO_WHEN_REFUSED = {"error timeout non_idempotent": "error timeout http_503 non_idempotent"}


def main() -> int:
    """Run, print what clients saw and return the exit code."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    folder = Path(tempfile.mkdtemp(prefix="cells-"))
    try:
        tally = run(folder, make_network(folder), SECONDS)
    finally:
        shutil.rmtree(folder)
    print(f"right answers {tally.correct}, wrong {tally.wrong.total()}, lost {tally.lost.total()}")
    print(f"slowest answer {tally.slowest_answer_s:.1f} s, first one after the kill {tally.slowest_recovery_s:.2f} s")
    for problem in [*tally.wrong, *tally.lost]:
        print(problem)
    return 1 if tally.wrong or tally.lost else 0


def run(folder: Path, network: Mapping[str, object], seconds: float) -> Tally:
    """Start two cells and nginx, send pictures, and kill a cell half-way.

    Args:
        folder: for logs and temporary files.
        network: the settings that serve the colour network.
        seconds: how long clients send before and after the kill.
    """
    tally = Tally(Outages())
    with ExitStack() as stack:
        cells = [stack.enter_context(Fleet(_folder(folder, name), 1, 1, **CELL, **network)) for name in ("a", "b")]
        url = stack.enter_context(_nginx(_folder(folder, "nginx"), [cell.urls()[0] for cell in cells]))
        with running_clients(lambda: [url], tally, seed=1):
            threading.Event().wait(seconds)
            tally.expect_recovery()
            _kill(cells[0])
            threading.Event().wait(seconds)
    return tally


@contextmanager
def _nginx(folder: Path, urls: Sequence[str]) -> Iterator[str]:
    """Run nginx in front of web servers, and yield its URL."""
    address = f"127.0.0.1:{free_port()}"
    web_servers = [url.removeprefix("http://") for url in urls]
    nginx = subprocess.Popen(nginx_command(find_nginx() or "nginx", folder, address, web_servers, _ALSO_WHEN_REFUSED))
    try:
        wait_until(lambda: answers(f"http://{address}/livez"))
        yield f"http://{address}"
    finally:
        nginx.terminate()
        nginx.wait()


def _folder(parent: Path, name: str) -> Path:
    folder = parent / name
    folder.mkdir()
    return folder


def _kill(cell: Fleet) -> None:
    """Kill every process of a cell at once."""
    servers = [*cell.web_servers, *cell.workers]
    redis_pid = cell.redis_client.info("server")["process_id"]
    for server in servers:
        server.process.signal_group(signal.SIGKILL)
    os.kill(redis_pid, signal.SIGKILL)
    for server in servers:
        cell.kill(server)


if __name__ == "__main__":
    sys.exit(main())
