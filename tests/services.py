"""Starts the real scripts as processes, waits for them by what they answer, and leaves nothing running."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable
from pathlib import Path

import requests

from embedded_redis import free_port
from settings import PROJECT_DIR, Settings

TIMEOUT_S = 120
MARK = "PROCESSES_OF_TEST"


def wait_until(condition: Callable[[], object], timeout_s: float = TIMEOUT_S) -> None:
    """Wait for a condition instead of sleeping for a time."""
    end = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end, "the condition never came true"
        threading.Event().wait(0.02)


class Process:
    """One script that runs, with its output in a file."""

    def __init__(self, command: list[str], environment: dict[str, str], log: Path) -> None:
        self.log = log
        with log.open("wb") as output:
            self.popen = subprocess.Popen(
                command,
                cwd=PROJECT_DIR,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def output(self) -> str:
        """All that it has printed so far."""
        return self.log.read_text()

    def signal_group(self, number: int) -> None:
        """Send a signal to the process and its children, as a terminal does."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.popen.pid, number)

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Ask it to stop, and return its exit code."""
        self.popen.send_signal(number)
        return self.popen.wait(TIMEOUT_S)


class Services:
    """The processes of one test, on one Redis and with one set of settings."""

    def __init__(self, settings: Settings, folder: Path) -> None:
        self._settings = settings
        self._folder = folder
        self._processes: list[Process] = []
        self.mark = uuid.uuid4().hex

    def start(self, script: str, **changes: object) -> Process:
        """Start a script with these settings in its environment."""
        return self.start_command([sys.executable, script], **changes)

    def start_module(self, module: str, **changes: object) -> Process:
        """Start a module of the tests with these settings in its environment."""
        return self.start_command([sys.executable, "-m", module], **changes)

    def start_command(self, command: list[str], **changes: object) -> Process:
        """Start any command with these settings in its environment."""
        values = self._settings.model_dump(exclude_unset=True) | {k.lower(): v for k, v in changes.items()}
        values["redis_url"] = values.get("redis_url") and self._settings.redis_url.get_secret_value()
        variables = {name.upper(): str(value) for name, value in values.items() if value is not None}
        environment = os.environ | {"PYTHONUNBUFFERED": "1", MARK: self.mark} | variables
        process = Process(command, environment, self._folder / f"{len(self._processes)}.log")
        self._processes.append(process)
        return process

    def start_worker(self, **changes: object) -> Process:
        """Start a worker and wait until it takes jobs."""
        worker = self.start("run_model_server.py", **changes)
        wait_until(lambda: "worker_started" in worker.output or worker.popen.poll() is not None)
        assert worker.popen.poll() is None, worker.output
        return worker

    def start_web_server(self, **changes: object) -> tuple[Process, str]:
        """Start a web server and wait until it answers; return its URL, too."""
        port = free_port()
        web_server = self.start("run_web_server.py", PORT=port, **changes)
        url = f"http://127.0.0.1:{port}"
        wait_until(lambda: answers(f"{url}/livez") or web_server.popen.poll() is not None)
        assert web_server.popen.poll() is None, web_server.output
        return web_server, url

    def running(self) -> list[str]:
        """The command lines of all processes that came from this test and still run, children of children too."""
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if f"{MARK}={self.mark}".encode() in (folder / "environ").read_bytes():
                    found.append((folder / "cmdline").read_text().replace("\0", " "))
        return found

    def close(self) -> None:
        """Stop everything, at last by force."""
        for process in self._processes:
            process.signal_group(signal.SIGTERM)
        for process in self._processes:
            try:
                process.popen.wait(TIMEOUT_S)
            except subprocess.TimeoutExpired:
                process.signal_group(signal.SIGKILL)
                process.popen.wait()


def redis_servers_of(process: Process) -> list[Path]:
    """The /proc folders of the Redis servers that a process has started; their environment cannot be read."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            name, _, rest = stat.read_text().partition("(")[2].rpartition(")")
            if name in ("redis-server", "valkey-server") and int(rest.split()[1]) == process.popen.pid:
                found.append(stat.parent)
    return found


def answers(url: str) -> bool:
    """Tell whether a GET gives 200."""
    try:
        return requests.get(url, timeout=5).ok
    except requests.RequestException:
        return False


def run_script(script: str, *arguments: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    """Run a script to its end and return what it printed."""
    return subprocess.run(
        [sys.executable, script, *arguments],
        cwd=PROJECT_DIR,
        env=os.environ | variables,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
    )
