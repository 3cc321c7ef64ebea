"""A Redis server or a Sentinel as a process that can be stopped, killed, cut off and started again."""

import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from benchmarks.sentinel_view import has_role
from project import PROJECT_DIR
from tools.embedded_redis import free_port

PROBE_TIMEOUT_S = 1
# Without pauses that only large data need.
FAST_SYNC = ("--repl-diskless-sync-delay", "0", "--repl-ping-replica-period", "1")


class Part:
    """A process that can be stopped, killed and started again."""

    def __init__(self, command: Sequence[str], folder: Path) -> None:
        self._command = command
        self._folder = folder
        self.stopped = False
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def running(self) -> bool:
        """It has been started and not been killed; it may be stopped."""
        return self._process is not None

    def start(self, *arguments: str) -> None:
        """Start it, with more arguments."""
        command = [*self._command, *arguments]
        output = subprocess.DEVNULL
        # In a session of its own, so that a Ctrl-C does not stop it before its users.
        self._process = subprocess.Popen(
            command, cwd=self._folder, stdin=output, stdout=output, stderr=output, start_new_session=True
        )

    def stop(self) -> None:
        """Suspend it with SIGSTOP; the kernel still takes connections for it."""
        self._signal(signal.SIGSTOP)
        self.stopped = True

    def resume(self) -> None:
        """Let it go on."""
        self._signal(signal.SIGCONT)
        self.stopped = False

    def kill(self) -> None:
        """Kill it."""
        self._signal(signal.SIGKILL)
        if self._process:
            self._process.wait()
        self._process, self.stopped = None, False

    def _signal(self, number: int) -> None:
        if self._process:
            self._process.send_signal(number)


class RedisServer(Part):
    """A server; `cable` leads to it.

    Attributes:
        port: where Sentinels, replicas and clients reach it.
        address: that, with the host.
        client: a client of our own, which does not go through the cable.
    """

    def __init__(self, program: Path, folder: Path, options: Sequence[str], login: dict[str, Any]) -> None:
        own_port, self.port = free_port(), free_port()
        ports = ["--port", "0", "--tls-port", str(own_port)] if login.get("ssl") else ["--port", str(own_port)]
        command = [str(program), "--bind", "127.0.0.1", *ports, "--save", ""]
        announced = ["--replica-announce-ip", "127.0.0.1", "--replica-announce-port", str(self.port)]
        file = ["--dbfilename", f"{own_port}.rdb"]
        super().__init__([*command, *file, *announced, *FAST_SYNC, *options], folder)
        self.cable = Part([sys.executable, "-m", "benchmarks.cable", str(self.port), str(own_port)], PROJECT_DIR)
        self.client: Any = connect(own_port, **login)
        self.address = "127.0.0.1", self.port

    def has_role(self, role: str) -> bool:
        """Tell whether it is running, and a `master` or a connected `slave`."""
        return has_role(self.client, role)


def connect(port: int, **login: Any) -> Any:
    """Return a client of a port of the loopback interface."""
    options = {"socket_timeout": PROBE_TIMEOUT_S, "protocol": 2, "decode_responses": True} | login
    return redis.Redis("127.0.0.1", port, retry=Retry(NoBackoff(), 0), **options)
