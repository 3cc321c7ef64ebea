"""Everything from one command: Redis, a web server and a worker, a first picture, then service until Ctrl-C.

This is what `make run` starts, and with --demo what `make demo` does. In production the parts are started one by one;
see the README, which lists the settings, too.

    python run_all.py
    PORT=8000 MODEL=efficientnet_lite0 python run_all.py
    python run_all.py --demo
"""

import argparse
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import IO, cast

import requests

from embedded_redis import RedisNotFound, embedded_redis, free_port
from run_log import copy_output
from settings import PROJECT_DIR, Settings, load_settings

POLL_INTERVAL_S = 0.25
PORTS_TRIED = 100
# honcho numbers the ports of its processes in steps of 100, so the worker's must exist too.
HIGHEST_PORT = 65535 - 100


def main() -> int:
    """Run the parts until a signal comes or one of them ends; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--demo", action="store_true", help="on a free port, show what it does in a minute, then stop")
    demo = parser.parse_args().demo
    settings = load_settings()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _stop)
    port = free_port() if demo else _first_free_port(settings.host, settings.port)
    try:
        with _redis(settings) as redis_url, _parts(redis_url, port, "warning" if demo else settings.log_level) as parts:
            url = _url(settings.host, port)
            if demo:
                return _demonstrate(parts, url)
            _greet(parts, url)
            return parts.wait()
    except RedisNotFound as error:
        sys.exit(str(error))


def _stop(_number: int, _frame: object) -> None:
    """Leave by way of every `finally`, undisturbed by further signals."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    sys.exit(0)


def _first_free_port(host: str, wanted: int) -> int:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for port in range(wanted, min(wanted + PORTS_TRIED, HIGHEST_PORT + 1)):
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except OSError:
                continue
        if port != wanted:
            _say(f"Port {wanted} is taken; using {port} instead.")
        return port
    sys.exit(f"no free port from {wanted} on at {host}; choose another with PORT and HOST")


def _redis(settings: Settings) -> AbstractContextManager[str]:
    """Use the Redis that REDIS_URL names, or start one."""
    if "redis_url" in settings.model_fields_set:
        return nullcontext(settings.redis_url.get_secret_value())
    return embedded_redis()


@contextmanager
def _parts(redis_url: str, port: int, log_level: str) -> Iterator["subprocess.Popen[bytes]"]:
    """Run the Procfile; at the end stop all of its processes."""
    folder = os.path.dirname(sys.executable)
    path = os.pathsep.join([folder, os.environ.get("PATH", os.defpath)])
    environment = os.environ | {"REDIS_URL": redis_url, "PATH": path, "PYTHONUNBUFFERED": "1", "LOG_LEVEL": log_level}
    # The processes read .env themselves; honcho must not, as its PORT would win over ours.
    options = ["--app-root", str(PROJECT_DIR), "--procfile", "Procfile", "--env", os.devnull]
    command = [sys.executable, "-m", "honcho", *options, "start", "--port", str(port)]
    process = subprocess.Popen(command, cwd=PROJECT_DIR, env=environment, stdout=subprocess.PIPE)
    copying = copy_output(cast(IO[bytes], process.stdout))
    try:
        yield process
    finally:
        process.terminate()
        process.wait()
        copying.join()


def _greet(parts: "subprocess.Popen[bytes]", url: str) -> None:
    """Wait until the service is ready, classify the castle with the simplest client, and say where to go."""
    if _become_ready(parts, url):
        _run_client(url, "simple_request.py", "castle_image.jpg")
        _say(f"\nThe service is ready: open {url} in a browser. Ctrl-C stops it.\n")


def _demonstrate(parts: "subprocess.Popen[bytes]", url: str) -> int:
    """Show a picture's classes, what is said of a file that is none, and a short stress test; return the exit code."""
    _say("Starting Redis, a web server and a worker")
    if not _become_ready(parts, url):
        return parts.wait()
    codes = [
        _run_client(url, "simple_request.py", "castle_image.jpg"),
        _run_client(url, "simple_request.py", "README.md") != 1,  # it must be refused
        _run_client(url, "stress_test.py", "--requests", "100", "--concurrency", "8"),
    ]
    _say("\nStopping all of it")
    return int(any(codes))


def _become_ready(parts: "subprocess.Popen[bytes]", url: str) -> bool:
    """Wait until the service is ready; return False when it has ended instead."""
    while not _ready(url):
        if parts.poll() is not None:
            return False
        time.sleep(POLL_INTERVAL_S)
    return True


def _run_client(url: str, script: str, *arguments: str) -> int:
    """Run one of the clients before the user's eyes, and return its exit code."""
    _say(f"\n$ .venv/bin/python {' '.join([script, *arguments])}")
    return subprocess.run([sys.executable, script, *arguments, "--url", url], cwd=PROJECT_DIR).returncode


def _ready(url: str) -> bool:
    try:
        return requests.get(f"{url}/readyz", timeout=5).ok
    except requests.RequestException:
        return False


def _url(host: str, port: int) -> str:
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104  # nosec B104
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
