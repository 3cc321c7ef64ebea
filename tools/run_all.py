"""Everything with one command: Redis, a web server and a worker, a first picture, then service until Ctrl-C.

This is what `make run` starts, and with --demo what `make demo` does. In production the parts are started one by one;
see docs/operations.md.

    python -m tools.run_all
    PORT=8000 MODEL=efficientnet_lite0 python -m tools.run_all
    python -m tools.run_all --demo
"""

import argparse
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import IO, cast

from clients.options import service_url
from clients.service import Service
from listener import listen, offered
from project import PROJECT_DIR
from settings import Settings, load_settings
from tools.embedded_redis import PORTS
from tools.run_log import RUN_LOG, copy_output
from tools.run_redis import Started, run_redis, stop_without

POLL_INTERVAL_S = 0.25
PROBE_TIMEOUT_S = 5
# Besides the download of the weights: for imports and the export of the network, also on a slow machine.
START_TIMEOUT_S = 300
PORTS_TRIED = 100
# honcho numbers the ports of its processes in steps of 100, so the worker's must exist, too.
HIGHEST_PORT = 65535 - 100


def main() -> int:
    """Run the parts until a signal comes or one of them ends; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--demo", action="store_true", help="on a free port, show what it does in a minute, then stop")
    demo = parser.parse_args().demo
    settings = load_settings()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _stop)
    if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:  # else it was started by nohup
        signal.signal(signal.SIGHUP, _stop)
    _check_temporary_folder()
    listener = _listen(settings, demo)
    url = service_url(settings.host, listener.getsockname()[1])
    with (
        run_redis(settings) as (redis_url, redis_server),
        _parts(settings, redis_url, listener, quiet=demo) as parts,
    ):
        show = _Show(settings, parts, url, redis_server)
        return show.demo() if demo else show.greeting() or show.wait()


def _stop(_number: int, _frame: object) -> None:
    """Leave through every `finally`, undisturbed by further signals."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    sys.exit(0)


def _check_temporary_folder() -> None:
    try:
        tempfile.gettempdir()
    except OSError as error:
        sys.exit(f"{error}; is the disk full? TMPDIR names another folder")


def _listen(settings: Settings, demo: bool) -> socket.socket:
    """Listen on PORT if it was set, otherwise on the first free one from its default on; for the demo on any.

    The port is ours from here on, whatever else is started on this machine.
    """
    asked_for = "port" in settings.model_fields_set
    last = settings.port if asked_for else min(settings.port + PORTS_TRIED, HIGHEST_PORT)
    for port in random.sample(PORTS, PORTS_TRIED) if demo else range(settings.port, last + 1):
        with suppress(OSError):
            return listen(settings.host, port)
    instead = "choose another with PORT" if asked_for else "choose one with PORT and HOST"
    sys.exit(f"port {settings.port} of {settings.host} is taken, or the address is not this machine's; {instead}")


@contextmanager
def _parts(
    settings: Settings, redis_url: str, listener: socket.socket, quiet: bool
) -> Iterator["subprocess.Popen[bytes]"]:
    """Run the Procfile, with its web server on that socket; at the end stop all of its processes."""
    port = listener.getsockname()[1]
    path = os.pathsep.join([os.path.dirname(sys.executable), os.environ.get("PATH", os.defpath)])
    environment = os.environ | {"REDIS_URL": redis_url, "PATH": path, "PYTHONUNBUFFERED": "1"}
    environment["LOG_LEVEL"] = "warning" if quiet else settings.log_level
    # The processes read .env themselves; honcho must not, as its PORT would win over ours.
    options = ["--app-root", str(PROJECT_DIR), "--procfile", "Procfile", "--env", os.devnull]
    # Each line names its process and time already.
    command = [sys.executable, "-m", "honcho", *options, "start", "--port", str(port), "--no-prefix"]
    with offered(listener) as offer:
        # In a session of its own: a terminal that closes would end honcho at once, and leave its processes running.
        process = subprocess.Popen(
            command, cwd=PROJECT_DIR, env=environment | offer, stdout=subprocess.PIPE, start_new_session=True
        )
        output = cast(IO[bytes], process.stdout)
        copying = copy_output(output, as_json=settings.log_format == "json")
        try:
            yield process
        finally:
            process.terminate()
            process.wait()
            copying.join()
            output.close()


class _Show:
    """What people see besides the log; where the log is JSON, it goes to standard error."""

    def __init__(
        self, settings: Settings, parts: "subprocess.Popen[bytes]", url: str, redis_server: Started = None
    ) -> None:
        self._output = sys.stderr if settings.log_format == "json" else sys.stdout
        self._start_timeout_s = settings.download_timeout_s + START_TIMEOUT_S
        self._parts = parts
        self._url = url
        self._redis_server = redis_server

    def greeting(self) -> int:
        """Wait until the service is ready, classify the castle, say where to go; return the exit code."""
        if not self._become_ready():
            return self._failure()
        self._run_client("simple_request.py", "castle_image.jpg")
        self._say(f"\nThe service is ready: open {self._url} in a browser. Ctrl-C stops it.\n")
        return 0

    def demo(self) -> int:
        """Show a picture's classes, the answer to another file, and a short stress test; return the exit code."""
        self._say("Starting Redis, a web server and a worker")
        if not self._become_ready():
            return self._failure()
        codes = [
            self._run_client("simple_request.py", "castle_image.jpg"),
            self._run_client("simple_request.py", "README.md") != 1,  # it must be refused
            self._run_client("stress_test.py", "--requests", "100", "--concurrency", "8"),
        ]
        self._say("\nStopping everything")
        return int(any(codes))

    def wait(self) -> int:
        """Wait until a part ends; return the exit code."""
        while not self._has_ended():
            time.sleep(POLL_INTERVAL_S)
        return self._parts.wait()

    def _has_ended(self) -> bool:
        """Tell whether a part has. Without the Redis that was started, end the program."""
        stop_without(self._redis_server)
        return self._parts.poll() is not None

    def _become_ready(self) -> bool:
        """Wait until the service is ready; return False if it has ended, or takes too long."""
        end = time.monotonic() + self._start_timeout_s
        with Service(self._url) as service:
            while not service.is_ready(PROBE_TIMEOUT_S):
                if self._has_ended() or time.monotonic() > end:
                    return False
                time.sleep(POLL_INTERVAL_S)
        return True

    def _failure(self) -> int:
        if self._parts.poll() is None:
            self._say(f"The service was not ready after {self._start_timeout_s:g} s; the log is in {RUN_LOG}.")
        return self._parts.poll() or 1

    def _run_client(self, script: str, *arguments: str) -> int:
        """Run one of the clients before the user's eyes, and return its exit code."""
        self._say(f"\n$ .venv/bin/python {' '.join([script, *arguments])}")
        command = [sys.executable, script, *arguments, "--url", self._url]
        return subprocess.run(command, cwd=PROJECT_DIR, stdout=self._output).returncode

    def _say(self, text: str) -> None:
        print(text, file=self._output, flush=True)


if __name__ == "__main__":
    sys.exit(main())
