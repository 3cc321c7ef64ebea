"""The app behind gunicorn: processes forked by a parent that restarts them, each with a pool of threads."""

import gc
import resource
import select
import socket
import sys
from typing import Any

from flask import Flask
from gunicorn.app.base import BaseApplication
from gunicorn.glogging import Logger
from gunicorn.workers.gthread import ThreadWorker

from jobs.client import JobClient
from jobs.monitor import QueueMonitor
from logger import log
from pictures.cell_pool import CellPool
from pictures.confinement import Confinement
from settings import Settings
from telemetry.multiprocess import forget_process, shared_metrics
from telemetry.web_metrics import WebMetrics
from web.app import create_app
from web.request_scope import RequestObserver

# Connections that a process keeps open besides those of requests in progress, and for how long.
IDLE_CONNECTIONS = 1000
KEEPALIVE_S = 75
LINGER_MS = 20
# Python's default is 700. A request's objects hold hardly any cycles, but looking for them cost 3 % of its time.
ALLOCATIONS_BETWEEN_COLLECTIONS = 50_000
# The client's connection, a reply channel and a connection for commands; and some to spare.
FILES_PER_THREAD = 4


def serve(settings: Settings) -> None:
    """Run one web server until it is told to stop."""
    check_port(settings.host, settings.port)
    _allow_open_files(FILES_PER_THREAD * settings.web_threads + IDLE_CONNECTIONS)
    log("web_server_starting", url=f"http://{_address(settings)}", processes=settings.web_processes)
    log("cells_confined", memory=True, files=True, privileges=True, system_calls=Confinement().filters_system_calls)
    with shared_metrics():
        WebServer(settings).run()


class WebServer(BaseApplication):  # type: ignore[misc]
    """gunicorn with our settings; it reads no file and no variable of its own."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        super().__init__()

    def load_config(self) -> None:
        """Tell gunicorn our settings."""
        settings = self._settings
        options: dict[str, object] = {
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
        monitor = QueueMonitor(settings)
        metrics = WebMetrics(monitor.state)
        cells = CellPool(settings, metrics)
        cells.start()
        jobs = JobClient(settings, metrics)
        app = create_app(settings, jobs, monitor, metrics, cells, _tracers(settings))
        _tune_garbage_collector()
        return app


def check_port(host: str, port: int) -> None:
    """End the program with one clear line where gunicorn would retry."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            sys.exit(f"cannot listen on {host}:{port} ({error.strerror}); choose another with PORT and HOST")


class _LingeringWorker(ThreadWorker):  # type: ignore[misc]
    """A thread stays with a connection whose next request comes at once: the poller costs half a request."""

    def handle(self, conn: Any) -> Any:
        """Answer one request, and then those that follow immediately."""
        while (kept := super().handle(conn)) is True and self.alive and _is_readable(conn.sock):
            pass
        return kept


class _GunicornLogger(Logger):  # type: ignore[misc]
    """Passes gunicorn's messages on to our own log format."""

    def setup(self, cfg: Any) -> None:
        self.error_log.propagate = True


def _is_readable(connection: socket.socket) -> bool:
    poller = select.poll()
    poller.register(connection, select.POLLIN)
    return bool(poller.poll(LINGER_MS))


def _tune_garbage_collector() -> None:
    """Exclude what exists now from garbage collection, and collect less often."""
    gc.freeze()
    gc.set_threshold(ALLOCATIONS_BETWEEN_COLLECTIONS)


def _tracers(settings: Settings) -> list[RequestObserver]:
    if settings.tracing == "off":
        return []
    from telemetry.tracing import RequestTracer, otlp_provider

    return [RequestTracer(otlp_provider("web", settings.name_of("web")))]


def _address(settings: Settings) -> str:
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    return f"{host}:{settings.port}"


def _allow_open_files(count: int) -> None:
    """Raise our own limit of open files, which often is 1024, as far as the system allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = count if hard == resource.RLIM_INFINITY else min(count, hard)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
