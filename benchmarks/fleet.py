"""Redis, web servers and workers as processes that can be started and stopped one by one."""

import signal
import sys
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import redis

from benchmarks.services import Process, Services, answers, wait_until
from settings import Settings
from tools.embedded_redis import embedded_redis, free_port


@dataclass(eq=False)
class Server:
    """One process of the fleet.

    Attributes:
        url: of a web server; empty for a worker.
        ready: it has started up.
        suspended: it is stopped with SIGSTOP.
        draining: it gets no new requests.
    """

    process: Process
    url: str = ""
    ready: bool = False
    suspended: bool = False
    draining: bool = False

    def signal(self, number: int) -> None:
        """Send a signal; nothing happens if the process has ended."""
        self.process.popen.send_signal(number)

    def suspend(self) -> None:
        """Stop the process until `resume`."""
        self.signal(signal.SIGSTOP)
        self.suspended = True

    def resume(self) -> None:
        """Let a suspended process continue."""
        self.signal(signal.SIGCONT)
        self.suspended = False

    def has_started(self) -> bool:
        """Tell whether it accepts requests or jobs."""
        return answers(f"{self.url}/livez") if self.url else "worker_started" in self.process.output


class Fleet:
    """The processes of one run; to be used with `with`, which starts and stops all of them.

    Args:
        folder: for the logs.
        web_servers: their number.
        workers: their number.
        values: settings that differ from the defaults.

    Attributes:
        unexpected_exits: which processes ended by themselves, or with another exit code than 0.
    """

    # Arguments of Python; subclasses run other programs.
    WEB_SERVER: tuple[str, ...] = ("run_web_server.py",)
    WORKER: tuple[str, ...] = ("run_model_server.py",)

    def __init__(self, folder: Path, web_servers: int, workers: int, **values: object) -> None:
        self._redis_port = free_port()
        values = {"redis_url": f"redis://127.0.0.1:{self._redis_port}/0", "server_name": "fleet"} | values
        self.settings = Settings(_env_file=None, **values)  # type: ignore[call-arg, arg-type]
        self._folder = folder
        self._services = Services(self.settings, folder)
        self._redis = ExitStack()
        self._redis_client = redis.Redis(port=self._redis_port, decode_responses=True)
        self._redis_is_up = False
        self._sizes = web_servers, workers
        self._servers: list[Server] = []
        self._retired: list[Server] = []
        self.unexpected_exits: list[str] = []

    def __enter__(self) -> Self:
        self.start_redis()
        web_servers, workers = self._sizes
        for _ in range(web_servers):
            self.start_web_server()
        for _ in range(workers):
            self.start_worker()
        wait_until(self.is_complete)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for server in self._servers:
            server.signal(signal.SIGCONT)
        self._services.close()
        for client in self.redis_clients:
            client.close()
        self.stop_redis()

    @property
    def redis_clients(self) -> list[Any]:
        """A client of each Redis server, that of the master first."""
        # The type stubs of redis-py say that almost everything may be awaitable.
        return [self._redis_client]

    @property
    def redis_client(self) -> Any:
        """A client of the Redis server that holds the queue."""
        return self.redis_clients[0]

    @property
    def redis_is_up(self) -> bool:
        """Tell whether Redis takes jobs."""
        return self._redis_is_up

    @property
    def workers(self) -> list[Server]:
        """The current workers, without retired ones."""
        return [server for server in self._servers if not server.url]

    @property
    def web_servers(self) -> list[Server]:
        """The current web servers, without retired ones."""
        return [server for server in self._servers if server.url]

    def urls(self) -> list[str]:
        """Return the addresses of the web servers that accept requests."""
        return [server.url for server in self.web_servers if server.ready and not server.draining]

    def can_work(self) -> bool:
        """Tell whether Redis and at least one worker are available."""
        return self.redis_is_up and any(worker.ready and not worker.suspended for worker in self.workers)

    def check(self) -> None:
        """Update which processes are ready and which have ended."""
        for server in self._servers:
            server.ready = server.ready or server.has_started()
        for server in [server for server in self._servers + self._retired if server.process.popen.poll() is not None]:
            if server in self._servers or server.process.popen.returncode != 0:
                self.unexpected_exits.append(f"{server.process.log.name} ended with {server.process.popen.returncode}")
            self._remove(server)

    def is_complete(self) -> bool:
        """Check, and tell whether all processes are ready and all retired ones have ended."""
        self.check()
        sizes = len(self.web_servers), len(self.workers)
        return sizes == self._sizes and not self._retired and all(server.ready for server in self._servers)

    def start_redis(self) -> None:
        """Start an empty Redis, always on the same port."""
        self._redis.enter_context(embedded_redis(port=self._redis_port))
        self._redis_is_up = True

    def stop_redis(self) -> None:
        """Stop Redis and lose all its data."""
        self._redis_is_up = False
        self._redis.close()

    def start_worker(self) -> None:
        """Start a worker without waiting until it is ready."""
        self._servers.append(Server(self._services.start_command([sys.executable, *self.WORKER])))

    def start_web_server(self) -> None:
        """Start a web server without waiting until it is ready."""
        port = free_port()
        process = self._services.start_command([sys.executable, *self.WEB_SERVER], PORT=port)
        self._servers.append(Server(process, f"http://127.0.0.1:{port}"))

    def add_workers(self, count: int) -> None:
        """Start more workers and wait until they are ready."""
        self._sizes = self._sizes[0], self._sizes[1] + count
        for _ in range(count):
            self.start_worker()
        wait_until(self.is_complete)

    def kill(self, server: Server) -> None:
        """Kill a process and wait until it has ended."""
        server.signal(signal.SIGKILL)
        server.process.popen.wait()
        self._remove(server)

    def retire(self, server: Server) -> None:
        """Have a process finish its work and end, without waiting for it."""
        self._remove(server)
        self._retired.append(server)
        server.signal(signal.SIGTERM)

    def retire_all(self) -> None:
        """Retire all web servers, then all workers, and wait until they have ended."""
        for servers in (self.web_servers, self.workers):
            for server in servers:
                self.retire(server)
            wait_until(self._none_is_retiring)

    def _none_is_retiring(self) -> bool:
        self.check()
        return not self._retired

    def running(self) -> list[str]:
        """Return the command lines of all processes of the fleet that still run."""
        return self._services.running()

    def logged(self, action: str) -> int:
        """Return the number of lines with this action in all logs."""
        return sum(log.read_text().count(f" {action} ") for log in self._folder.glob("*.log"))

    def _remove(self, server: Server) -> None:
        for servers in (self._servers, self._retired):
            if server in servers:
                servers.remove(server)
