"""Our service as a contender."""

from types import TracebackType
from typing import Self

from benchmarks.compare.contender import START_TIMEOUT_S, Contender
from benchmarks.fleet import Fleet
from benchmarks.processes import cpu_seconds
from benchmarks.services import wait_until


class OurService(Contender):
    """Redis, a web server, and workers."""

    name = "this service"
    workers = 1

    def __enter__(self) -> Self:
        self.folder.mkdir()
        precision = "auto" if self.precision == "default" else self.precision
        values = self.network.settings | {"precision": precision, "crop_mode": "center"}
        self._fleet = Fleet(self.folder, 1, self.workers, **values)
        self._fleet.__enter__()
        wait_until(self.answers, START_TIMEOUT_S)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._fleet.__exit__(kind, error, traceback)

    @property
    def url(self) -> str:
        """Where pictures go."""
        return f"{self._fleet.web_servers[0].url}/predict"

    def cpu_seconds(self) -> float:
        """Return the processor time of the web server, the workers and Redis."""
        servers = [server.process.popen.pid for server in [*self._fleet.web_servers, *self._fleet.workers]]
        return cpu_seconds([*servers, self._fleet.redis_client.info("server")["process_id"]])

    def kill_computing(self) -> None:
        """Kill the oldest worker."""
        self._fleet.kill(self._fleet.workers[0])

    def revive(self) -> None:
        """Start a worker for one that was killed."""
        for _ in range(self.workers - len(self._fleet.workers)):
            self._fleet.start_worker()


class OurServiceWithTwoWorkers(OurService):
    """As docs/operations.md has it for those who want no gap when a worker dies."""

    workers = 2
