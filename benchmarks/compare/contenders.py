"""The services that are compared, ours and its peers: each starts, listens on loopback, and stops."""

import os
import signal
import uuid
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil

from benchmarks.bench.networks_measured import Network
from benchmarks.compare.body_sender import BodySender
from benchmarks.fleet import Fleet
from benchmarks.processes import cpu_seconds
from benchmarks.services import MARK, Process, wait_until
from clients.report import GOOD
from project import PROJECT_DIR
from tools.embedded_redis import free_port

PYTHON_OF_PEERS = PROJECT_DIR / ".venv-peers" / "bin" / "python"
# Ray takes half a minute on a busy machine.
START_TIMEOUT_S = 180
PROBE_TIMEOUT_S = 10
STOP_TIMEOUT_S = 20
# Mapped by every process that computes.
OPENVINO_LIBRARY = "libopenvino"


class NotStarted(Exception):
    """A service did not come up."""


class Contender(ABC):
    """One service; to be used with `with`, which starts it and waits until it has classified a picture.

    Args:
        network: what it serves.
        precision: "default", the service's own choice, or "float32".
        picture: the first one that it classifies.
        folder: for logs.
    """

    name: str

    def __init__(self, network: Network, precision: str, picture: bytes, folder: Path) -> None:
        self.network = network
        self.precision = precision
        self.folder = folder / uuid.uuid4().hex
        self._picture = picture

    @abstractmethod
    def __enter__(self) -> Self: ...

    @abstractmethod
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None: ...

    @property
    @abstractmethod
    def url(self) -> str:
        """Where pictures go."""

    @abstractmethod
    def cpu_seconds(self) -> float:
        """Return the processor time of all its processes so far."""

    @abstractmethod
    def kill_computing(self) -> None:
        """Kill a process that computes."""

    @abstractmethod
    def revive(self) -> None:
        """Do what whoever supervises the service would do: start again what has ended."""

    def answers(self) -> bool:
        """Tell whether a picture is classified."""
        with BodySender(self.url, self._picture, PROBE_TIMEOUT_S) as sender:
            return sender.request().outcome == GOOD


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


class Peer(Contender):
    """A server of `benchmarks/peers`, with libraries of its own."""

    module: str

    def __enter__(self) -> Self:
        self.folder.mkdir()
        self._mark = uuid.uuid4().hex
        self._port = free_port()
        try:
            self._start()
            wait_until(lambda: self.answers() or self._has_ended(), START_TIMEOUT_S)
            if self._has_ended():
                raise NotStarted(f"{self.name} ended while starting:\n{self._process.output[-2000:]}")
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stop()

    @property
    def url(self) -> str:
        """Where pictures go."""
        return f"http://127.0.0.1:{self._port}/predict"

    def cpu_seconds(self) -> float:
        """Return the processor time of the process tree."""
        return cpu_seconds([self._process.popen.pid])

    def kill_computing(self) -> None:
        """Kill the process that has computed most."""
        computing = [process for process in self._processes() if _computes(process)]
        if computing:
            max(computing, key=_used_s).kill()

    def revive(self) -> None:
        """Start the whole server again once it has ended; what it restarts itself is its own affair."""
        if self._has_ended():
            self._stop()
            self._start()

    def _start(self) -> None:
        options = {"port": str(self._port), "network": str(self.network.exported()), "precision": self.precision}
        words = [word for name, value in options.items() for word in (f"--{name}", value)]
        command = [str(PYTHON_OF_PEERS), "-m", f"benchmarks.peers.{self.module}", *words]
        self._process = Process(command, os.environ | {MARK: self._mark}, self.folder / "log")

    def _has_ended(self) -> bool:
        return self._process.popen.poll() is not None

    def _processes(self) -> Iterator[psutil.Process]:
        """Yield all processes that stem from the one that was started, whoever their parents are now."""
        for process in psutil.process_iter(["environ"]):
            if (process.info["environ"] or {}).get(MARK) == self._mark:
                yield process

    def _stop(self) -> None:
        with suppress(ProcessLookupError):
            self._process.popen.send_signal(signal.SIGTERM)
        psutil.wait_procs(list(self._processes()), STOP_TIMEOUT_S)
        for process in self._processes():
            with suppress(psutil.NoSuchProcess):
                process.kill()
        self._process.popen.wait()


def _computes(process: psutil.Process) -> bool:
    with suppress(psutil.Error):
        return any(OPENVINO_LIBRARY in mapped.path for mapped in process.memory_maps())
    return False


def _used_s(process: psutil.Process) -> float:
    with suppress(psutil.Error):
        times = process.cpu_times()
        return float(times.user + times.system)
    return 0.0


class MosecProcesses(Peer):
    """Two processes that decode and compute."""

    name = "mosec, processes"
    module = "serve_mosec_processes"


class MosecPipeline(Peer):
    """Decoders and one network."""

    name = "mosec, pipeline"
    module = "serve_mosec_pipeline"


class LitServe(Peer):
    """LitServe with its dynamic batches."""

    name = "LitServe"
    module = "serve_litserve"


class BentoML(Peer):
    """BentoML."""

    name = "BentoML"
    module = "serve_bentoml"


class RayServe(Peer):
    """Ray Serve."""

    name = "Ray Serve"
    module = "serve_ray"


PEERS: tuple[type[Contender], ...] = (MosecProcesses, MosecPipeline, LitServe, BentoML, RayServe)
CONTENDERS: tuple[type[Contender], ...] = (OurService, *PEERS)
