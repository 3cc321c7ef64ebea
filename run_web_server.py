"""The web server: the app behind gunicorn, in several processes of many threads.

Start as many as you like behind any load balancer. All settings come from the environment or the file .env; the README
lists them.

    python run_web_server.py
    HOST=0.0.0.0 PORT=8000 WEB_PROCESSES=4 python run_web_server.py
    REDIS_URL=rediss://user:password@redis.internal:6379/0 python run_web_server.py
"""

import argparse
import resource
import select
import socket
import sys
from typing import Any

from flask import Flask
from gunicorn.app.base import BaseApplication
from gunicorn.glogging import Logger
from gunicorn.workers.gthread import ThreadWorker

from job_queue import JobQueue
from logger import configure_logging, log
from memory import keep_memory_for_pictures, spare_the_collector
from metrics import WebMetrics, forget_process, shared_by_processes
from queue_state import QueueWatch
from settings import Settings, load_settings
from web_app import create_app

# Connections that a process keeps open besides those whose requests it is working on, and for how long.
IDLE_CONNECTIONS = 1000
KEEPALIVE_S = 75
LINGER_MS = 20
# The client's connection, a subscription and a connection for commands; and some to spare.
FILES_PER_THREAD = 4


class WebServer(BaseApplication):  # type: ignore[misc]
    """The app behind gunicorn: processes forked by a watchful parent, each with a pool of threads."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        super().__init__()

    def load_config(self) -> None:
        """Tell gunicorn our settings; it reads no file and no variable of its own."""
        settings = self._settings
        options: dict[str, Any] = {
            "bind": _address(settings),
            "workers": settings.web_processes,
            "worker_class": _LingeringWorker,
            "threads": settings.web_threads,
            "worker_connections": settings.web_threads + IDLE_CONNECTIONS,
            "graceful_timeout": int(settings.request_timeout_s) + 1,
            "keepalive": KEEPALIVE_S,
            "control_socket_disable": True,
            "logger_class": _GunicornLogger,
            "child_exit": lambda _arbiter, process: forget_process(process.pid),
        }
        for name, value in options.items():
            self.cfg.set(name, value)

    def load(self) -> Flask:
        """Build the app; called in each process, after the fork, so that no connection is shared."""
        settings = self._settings
        metrics = WebMetrics(QueueWatch(settings).look)
        app = create_app(settings, JobQueue(settings, metrics), metrics)
        if settings.tracing == "otel":
            from tracing import otlp_provider, trace_requests

            trace_requests(app, otlp_provider("web", settings.name_of("web")))
        spare_the_collector()
        return app


class _LingeringWorker(ThreadWorker):  # type: ignore[misc]
    """Stays with a connection whose next request comes at once: the way through the poller costs half a request."""

    def handle(self, conn: Any) -> Any:
        """Answer one request, and then those that follow on its heels."""
        while (kept := super().handle(conn)) is True and self.alive and self._is_readable(conn.sock):
            pass
        return kept

    def _is_readable(self, connection: socket.socket) -> bool:
        poller = select.poll()
        poller.register(connection, select.POLLIN)
        return bool(poller.poll(LINGER_MS))


class _GunicornLogger(Logger):  # type: ignore[misc]
    """Passes gunicorn's messages on to our own format."""

    def setup(self, cfg: Any) -> None:
        self.error_log.propagate = True


def main() -> None:
    """Run one web server until it is told to stop."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    settings = load_settings()
    configure_logging(settings.name_of("web"), settings.log_format, settings.log_level)
    keep_memory_for_pictures()
    _check_port(settings.host, settings.port)
    _allow_open_files(FILES_PER_THREAD * settings.web_threads + IDLE_CONNECTIONS)
    log("web_server_starting", url=f"http://{_address(settings)}", processes=settings.web_processes)
    with shared_by_processes():
        WebServer(settings).run()


def _address(settings: Settings) -> str:
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    return f"{host}:{settings.port}"


def _check_port(host: str, port: int) -> None:
    """End the program with one clear line where gunicorn would try again and again."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            sys.exit(f"cannot listen on {host}:{port} ({error.strerror}); choose another with PORT and HOST")


def _allow_open_files(count: int) -> None:
    """Raise our own limit of open files, which often is 1024, as far as the system lets us."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = count if hard == resource.RLIM_INFINITY else min(count, hard)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


if __name__ == "__main__":
    main()
