"""Starts the real scripts as processes, waits until they answer, and stops them all; for benchmarks and tests."""

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

import psutil
import requests
from pydantic import SecretStr

from benchmarks.processes import process_tree
from listener import listen, offered
from project import PROJECT_DIR
from settings import Settings
from tools.embedded_redis import free_port

TIMEOUT_S = 120
# Characters of each process.
OUTPUT_SHOWN = 2000
# In the environment of every process started here, so that their descendants are found too.
MARK = "PROCESSES_OF_TEST"


def wait_until(condition: Callable[[], object], timeout_s: float = TIMEOUT_S) -> None:
    """Wait until a condition is true.

    Raises:
        TimeoutError: it was not in time.
    """
    end = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(f"the condition was still false after {timeout_s:g} s")
        threading.Event().wait(0.02)


class Process:
    """A running command whose output goes to a log file."""

    def __init__(self, command: list[str], environment: dict[str, str], log: Path) -> None:
        self.name = " ".join(command[:3])
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
        """Everything it has printed so far."""
        return self.log.read_text()

    def signal_group(self, number: int) -> None:
        """Send a signal to the process group, as a terminal does."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.popen.pid, number)

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send a signal, wait for the end and return the exit code."""
        self.popen.send_signal(number)
        return self.popen.wait(TIMEOUT_S)


class Services:
    """Processes that share one Redis and one set of settings.

    Args:
        settings: passed to each process in its environment.
        folder: for the logs.
    """

    def __init__(self, settings: Settings, folder: Path) -> None:
        self._settings = settings
        self._folder = folder
        self._processes: list[Process] = []
        self.mark = uuid.uuid4().hex

    def start(self, script: str, **changes: object) -> Process:
        """Start a script with these settings in its environment."""
        return self.start_command([sys.executable, script], **changes)

    def start_module(self, module: str, **changes: object) -> Process:
        """Start a module with these settings in its environment."""
        return self.start_command([sys.executable, "-m", module], **changes)

    def start_command(self, command: list[str], **changes: object) -> Process:
        """Start any command with these settings in its environment."""
        values = self._settings.model_dump(exclude_unset=True) | {k.lower(): v for k, v in changes.items()}
        variables = {name.upper(): _text(value) for name, value in values.items() if value is not None}
        environment = os.environ | {"PYTHONUNBUFFERED": "1", MARK: self.mark} | variables
        process = Process(command, environment, self._folder / f"{len(self._processes)}.log")
        self._processes.append(process)
        return process

    def start_worker(self, **changes: object) -> Process:
        """Start a worker and wait until it takes jobs."""
        worker = self.start("run_model_server.py", **changes)
        wait_until(lambda: "worker_started" in worker.output or worker.popen.poll() is not None)
        _check_running(worker)
        return worker

    def start_web_server(self, **changes: object) -> tuple[Process, str]:
        """Start a web server and wait until it answers; return it with its URL.

        It is given a socket, so that nobody takes its port meanwhile and answers in its place.
        """
        listener = listen("127.0.0.1", free_port())
        port = listener.getsockname()[1]
        with offered(listener) as offer:
            web_server = self.start("run_web_server.py", PORT=port, **offer, **changes)
            url = f"http://127.0.0.1:{port}"
            wait_until(lambda: answers(f"{url}/livez") or web_server.popen.poll() is not None)
        _check_running(web_server)
        return web_server, url

    @property
    def output(self) -> str:
        """The end of what each process has printed so far."""
        return "\n".join(f"{process.name}:\n{process.output[-OUTPUT_SHOWN:]}" for process in self._processes)

    def running(self) -> list[str]:
        """Return the command lines of all processes started here that still run, with their descendants."""
        running = psutil.process_iter(["cmdline", "environ"])
        ours = [process.info for process in running if (process.info["environ"] or {}).get(MARK) == self.mark]
        return [" ".join(info["cmdline"] or []) for info in ours]

    def close(self) -> None:
        """Stop everything; kill what has not ended in time."""
        for process in self._processes:
            process.signal_group(signal.SIGTERM)
        for process in self._processes:
            try:
                process.popen.wait(TIMEOUT_S)
            except subprocess.TimeoutExpired:
                process.signal_group(signal.SIGKILL)
                process.popen.wait()


def _text(value: object) -> str:
    return str(value.get_secret_value() if isinstance(value, SecretStr) else value)


def _check_running(process: Process) -> None:
    if process.popen.poll() is not None:
        raise RuntimeError(f"the process ended while starting:\n{process.output}")


def redis_servers_of(process: Process) -> list[Path]:
    """Return the /proc folders of the Redis servers that a process has started.

    They are found by name, since Redis overwrites its environment.
    """
    found = []
    for child in process_tree(process.popen.pid)[1:]:
        with contextlib.suppress(psutil.NoSuchProcess):  # a short command of a library, which has just ended
            if child.name() in ("redis-server", "valkey-server"):
                found.append(Path("/proc") / str(child.pid))
    return found


def answers(url: str) -> bool:
    """Tell whether a GET gives 200, without any proxy."""
    with requests.Session() as session:
        session.trust_env = False
        try:
            return session.get(url, timeout=5).ok
        except requests.RequestException:
            return False


def run_script(script: str, *arguments: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    """Run a script to its end and return its output and exit code."""
    return subprocess.run(
        [sys.executable, script, *arguments],
        cwd=PROJECT_DIR,
        env=os.environ | variables,
        capture_output=True,
        text=True,
        timeout=2 * TIMEOUT_S,
    )
