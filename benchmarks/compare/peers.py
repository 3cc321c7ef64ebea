"""The servers of `benchmarks/peers` as contenders."""

import os
import signal
import uuid
from collections.abc import Iterator
from contextlib import suppress
from types import TracebackType
from typing import Self

import psutil

from benchmarks.compare.contender import START_TIMEOUT_S, Contender, NotStarted
from benchmarks.processes import cpu_seconds
from benchmarks.services import MARK, Process, wait_until
from project import PROJECT_DIR
from tools.embedded_redis import free_port

PYTHON_OF_PEERS = PROJECT_DIR / ".venv-peers" / "bin" / "python"
STOP_TIMEOUT_S = 20
# Mapped by every process that computes.
OPENVINO_LIBRARY = "libopenvino"


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
