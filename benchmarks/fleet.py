"""A Redis, web servers and workers as processes, which can be stopped and started one by one."""

import signal
import sys
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import redis

from embedded_redis import embedded_redis, free_port
from settings import Settings
from tests.services import Process, Services, answers, wait_until


@dataclass(eq=False)
class Server:
    """One process of the fleet.

    Attributes:
        url: where a web server listens; empty for a worker.
        ready: it has started up.
        stopped: it has been halted with SIGSTOP.
        retiring: no new requests are sent to it.
    """

    process: Process
    url: str = ""
    ready: bool = False
    stopped: bool = False
    retiring: bool = False

    def signal(self, number: int) -> None:
        """Send it a signal; it may have ended already."""
        self.process.popen.send_signal(number)

    def has_started(self) -> bool:
        """Tell whether it can do its work."""
        return answers(f"{self.url}/livez") if self.url else "worker_started" in self.process.output


class Fleet:
    """The processes of one run; to be used with `with`, which starts all and stops all.

    Args:
        folder: for their logs.
        web_servers: how many.
        workers: how many.
        values: the settings that differ from the defaults.
    """

    # What Python is told to run; a fleet of other programs has others.
    WEB_SERVER: tuple[str, ...] = ("run_web_server.py",)
    WORKER: tuple[str, ...] = ("run_model_server.py",)

    def __init__(self, folder: Path, web_servers: int, workers: int, **values: object) -> None:
        self._redis_port = free_port()
        values |= {"redis_url": f"redis://127.0.0.1:{self._redis_port}/0", "server_name": "fleet"}
        self.settings = Settings(_env_file=None, **values)  # type: ignore[call-arg, arg-type]
        self._folder = folder
        self._services = Services(self.settings, folder)
        self._redis = ExitStack()
        # The type stubs of redis-py say that almost everything may be awaitable.
        self.redis_client: Any = redis.Redis(port=self._redis_port, decode_responses=True)
        self.redis_is_up = False
        self._sizes = web_servers, workers
        self._servers: list[Server] = []
        self._leaving: list[Server] = []
        self.bad_ends: list[str] = []

    def __enter__(self) -> Self:
        self.start_redis()
        web_servers, workers = self._sizes
        for _ in range(web_servers):
            self.start_web_server()
        for _ in range(workers):
            self.start_worker()
        wait_until(self.is_whole)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for server in self._servers:
            server.signal(signal.SIGCONT)
        self._services.close()
        self.redis_client.close()
        self.stop_redis()

    @property
    def workers(self) -> list[Server]:
        """The workers that belong to the fleet now."""
        return [server for server in self._servers if not server.url]

    @property
    def web_servers(self) -> list[Server]:
        """The web servers that belong to the fleet now."""
        return [server for server in self._servers if server.url]

    def urls(self) -> list[str]:
        """Return where clients may send their requests."""
        return [server.url for server in self.web_servers if server.ready and not server.retiring]

    def can_work(self) -> bool:
        """Tell whether Redis and at least one worker are there."""
        return self.redis_is_up and any(worker.ready and not worker.stopped for worker in self.workers)

    def look(self) -> None:
        """Find out who has started up and who has ended."""
        for server in self._servers:
            server.ready = server.ready or server.has_started()
        for server in [server for server in self._servers + self._leaving if server.process.popen.poll() is not None]:
            if server in self._servers or server.process.popen.returncode != 0:
                self.bad_ends.append(f"{server.process.log.name} ended with {server.process.popen.returncode}")
            self._remove(server)

    def is_whole(self) -> bool:
        """Look, and tell whether everything that should run is ready and nothing else runs."""
        self.look()
        sizes = len(self.web_servers), len(self.workers)
        return sizes == self._sizes and not self._leaving and all(server.ready for server in self._servers)

    def start_redis(self) -> None:
        """Start an empty Redis, always on the same port."""
        self._redis.enter_context(embedded_redis(port=self._redis_port))
        self.redis_is_up = True

    def stop_redis(self) -> None:
        """Stop Redis; all that was in it is lost."""
        self.redis_is_up = False
        self._redis.close()

    def start_worker(self) -> None:
        """Start a worker, without waiting for it."""
        self._servers.append(Server(self._services.start_command([sys.executable, *self.WORKER])))

    def start_web_server(self) -> None:
        """Start a web server, without waiting for it."""
        port = free_port()
        process = self._services.start_command([sys.executable, *self.WEB_SERVER], PORT=port)
        self._servers.append(Server(process, f"http://127.0.0.1:{port}"))

    def add_workers(self, count: int) -> None:
        """Start more workers, and wait until they are ready."""
        self._sizes = self._sizes[0], self._sizes[1] + count
        for _ in range(count):
            self.start_worker()
        wait_until(self.is_whole)

    def kill(self, server: Server) -> None:
        """End a process at once."""
        server.signal(signal.SIGKILL)
        server.process.popen.wait()
        self._remove(server)

    def let_go(self, server: Server) -> None:
        """Ask a process to stop when it has finished what it has in hand."""
        self._remove(server)
        self._leaving.append(server)
        server.signal(signal.SIGTERM)

    def let_all_go(self) -> None:
        """Stop all web servers, then all workers, and wait until they have ended."""
        for servers in (self.web_servers, self.workers):
            for server in servers:
                self.let_go(server)
            wait_until(self._nobody_is_leaving)

    def _nobody_is_leaving(self) -> bool:
        self.look()
        return not self._leaving

    def running(self) -> list[str]:
        """Return the command lines of all of the fleet's processes."""
        return self._services.running()

    def logged(self, action: str) -> int:
        """Return how many lines of all logs tell of this action."""
        return sum(log.read_text().count(f" {action} ") for log in self._folder.glob("*.log"))

    def _remove(self, server: Server) -> None:
        for servers in (self._servers, self._leaving):
            if server in servers:
                servers.remove(server)
