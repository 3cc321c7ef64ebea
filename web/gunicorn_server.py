"""The processes of a web server: gunicorn forks and restarts them, each serves the app with our own HTTP server."""

import asyncio
import contextlib
import gc
import os
import resource
import signal
import socket
import sys
import time
from typing import Any

from flask import Flask
from gunicorn.app.base import BaseApplication
from gunicorn.glogging import Logger
from gunicorn.workers.base import Worker

from http_server.limits import Limits
from http_server.request import RequestRefused
from http_server.server import Server
from http_server.wsgi import Address
from jobs.client import JobClient
from jobs.master_connection import locate_master
from jobs.monitor import QueueMonitor
from listener import listen, take_offered
from logger import log
from pictures.cell_pool import CellPool
from pictures.confinement import Confinement
from settings import Settings
from telemetry.metrics_folder import SHARED_MEMORY
from telemetry.multiprocess import forget_ended_processes, join_shared_metrics, shared_metrics
from telemetry.web_metrics import WebMetrics
from web.app import create_app
from web.process_restarts import PatientArbiter, RestartPauses
from web.request_scope import RequestObserver
from web.server_identity import ServerIdentity
from web.spare_memory import SpareMemory
from web.uploads import max_body_bytes

# Connections that a process keeps open at most, whether or not they have a request in progress; each takes some 10 KB.
CONNECTIONS = 8192
NOTIFY_S = 1
STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT)
# Python's default is 700. A request's objects hold hardly any cycles, but looking for them cost 3 % of its time.
ALLOCATIONS_BETWEEN_COLLECTIONS = 50_000
# A reply channel, a connection for commands, a cell; and some to spare.
FILES_PER_THREAD = 4


def serve(settings: Settings) -> None:
    """Run one web server until it is told to stop."""
    listener = _listener(settings)
    others = FILES_PER_THREAD * settings.web_threads
    files = _allow_open_files(others + CONNECTIONS)
    limits = Limits(
        body_bytes=max_body_bytes(settings),
        pending_bytes=settings.max_pending_bytes,
        client_s=settings.client_timeout_s,
        connections=max(files // 2, files - others),
        threads=settings.web_threads,
    )
    log("web_server_starting", url=f"http://{_address(settings)}", processes=settings.web_processes)
    log("cells_confined", memory=True, files=True, privileges=True, system_calls=Confinement().filters_system_calls)
    locate_master(settings)
    with shared_metrics(settings.web_processes):
        WebServer(settings, limits, listener).run()


class WebServer(BaseApplication):  # type: ignore[misc]
    """gunicorn with our settings; it reads no file and no variable of its own."""

    def __init__(self, settings: Settings, limits: Limits, listener: socket.socket) -> None:
        self._listener = listener
        self.limits = limits
        self._settings = settings
        self._pauses = RestartPauses()
        self._identity = ServerIdentity.new(settings)
        super().__init__()

    def load_config(self) -> None:
        """Tell gunicorn our settings."""
        settings = self._settings
        options: dict[str, object] = {
            # gunicorn closes it by its number.
            "bind": f"fd://{self._listener.detach()}",
            "workers": settings.web_processes,
            "worker_class": _ServerProcess,
            # A process that stops says nothing meanwhile.
            "timeout": int(settings.request_timeout_s) + 30,
            "graceful_timeout": int(settings.request_timeout_s) + 1,
            "control_socket_disable": True,
            "logger_class": _GunicornLogger,
            "worker_tmp_dir": _heartbeat_folder(),
            "child_exit": lambda _arbiter, process: self._ended(process),
        }
        for name, value in options.items():
            self.cfg.set(name, value)

    def run(self) -> None:
        """Run until told to stop."""
        PatientArbiter(self, self._pauses).run()

    def load(self) -> Flask:
        """Build the app; called in each process, after the fork, so that no connection is shared."""
        settings = self._settings
        monitor = QueueMonitor(settings)
        join_shared_metrics()
        self.metrics = metrics = WebMetrics(monitor.state)
        cells = CellPool(settings, metrics)
        cells.start()
        jobs = JobClient(settings, metrics)
        app = create_app(settings, jobs, monitor, metrics, cells, _tracers(settings), self._identity)
        _tune_garbage_collector()
        return app

    def _ended(self, process: "_ServerProcess") -> None:
        forget_ended_processes()
        self._pauses.died(process.started)


class _ServerProcess(Worker):  # type: ignore[misc]
    """What each process does."""

    def __init__(self, *arguments: Any) -> None:
        self.started = time.monotonic()
        super().__init__(*arguments)

    def init_signals(self) -> None:
        """Leave signals to the event loop, and those that do not stop a process to gunicorn's parent process."""
        for number in STOP_SIGNALS:
            signal.signal(number, signal.SIG_DFL)
        for number in (signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2):
            signal.signal(number, signal.SIG_IGN)

    def run(self) -> None:
        """Serve until gunicorn says stop, or has gone."""
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        stop = asyncio.Event()
        for number in STOP_SIGNALS:
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        server = Server(self.wsgi, self.app.limits, self._refused)
        server.listen([listener.sock for listener in self.sockets])
        spare_memory = SpareMemory()
        while not stop.is_set() and os.getppid() == self.ppid:
            self.notify()
            spare_memory.give_back()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), NOTIFY_S)
        self.notify()
        await server.drain()
        for number in STOP_SIGNALS:  # another one would find the event loop closed
            asyncio.get_running_loop().remove_signal_handler(number)
            signal.signal(number, signal.SIG_IGN)

    def _refused(self, refusal: RequestRefused, client: Address) -> None:
        self.app.metrics.refused(refusal.status)
        log("request_refused", id=refusal.id, status=refusal.status.value, address=client.host, reason=refusal.detail)


class _GunicornLogger(Logger):  # type: ignore[misc]
    """Passes gunicorn's messages on to our own log format."""

    def setup(self, cfg: Any) -> None:
        self.error_log.propagate = True


def _listener(settings: Settings) -> socket.socket:
    """Listen, or end the program with one clear line."""
    try:
        return take_offered() or listen(settings.host, settings.port)
    except OSError as error:
        reason = error.strerror or error
        sys.exit(f"cannot listen on {settings.host}:{settings.port} ({reason}); choose another with PORT and HOST")


def _heartbeat_folder() -> str | None:
    """Return where gunicorn keeps the empty files that tell that a process lives: in memory, where that exists."""
    return str(SHARED_MEMORY) if os.access(SHARED_MEMORY, os.W_OK | os.X_OK) else None


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


def _allow_open_files(count: int) -> int:
    """Raise our own limit of open files, which often is 1024, as far as the system allows; return the limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = count if hard == resource.RLIM_INFINITY else min(count, hard)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    return most
