"""Classifies a large folder with `classify.py`, breaks the service and the client meanwhile, and checks the table.

    python -m benchmarks.folder --files 100000

While the files are classified, workers and a process of the web server are killed and Redis is restarted empty. In the
middle the client gets a Ctrl-C, and another one goes on with --resume. At the end each file must have one row, which is
right, and the client's memory must not have grown; otherwise the exit code is 1.
"""

import argparse
import os
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import psutil

from benchmarks.chaos import QUICK_RECOVERY
from benchmarks.commands import make_network
from benchmarks.fleet import Fleet
from benchmarks.picture_folder import TableCheck, make_files
from benchmarks.processes import resident_mib
from benchmarks.services import Process
from clients.stop_signal import INTERRUPTED, stop_on_signal

WEB_SERVERS, WORKERS = 1, 2
SAMPLES = 10
TICK_S = 0.25
REDIS_AWAY_S = 2.0
# What allocators and the hashes of 100,000 files (2 MiB) may take more after the first sample of a client.
MEMORY_GROWTH_MIB = 5.0


class Sample(NamedTuple):
    """The client after some files."""

    client: int
    files: int
    files_per_s: float
    resident_mib: float


@dataclass(frozen=True)
class FolderReport:
    """What has come of a run."""

    samples: list[Sample]
    exit_codes: list[int]
    check: TableCheck

    @property
    def growth_mib(self) -> float:
        """How much a client's memory has grown at most, from its first sample to a later one."""
        first: dict[int, float] = {}
        return max(
            (each.resident_mib - first.setdefault(each.client, each.resident_mib) for each in self.samples), default=0
        )

    @property
    def good(self) -> bool:
        """Whether everything was right."""
        return self.check.good and self.exit_codes == [INTERRUPTED, 0] and self.growth_mib <= MEMORY_GROWTH_MIB

    def table(self) -> str:
        """Return the figures for a terminal."""
        lines = ["client    files  files/s  resident, MiB"]
        lines += [f"{s.client:6}  {s.files:7}  {s.files_per_s:7.1f}  {s.resident_mib:13.1f}" for s in self.samples]
        check = self.check
        lines.append(f"rows {check.lines}, twice {check.twice}, missing {check.missing}, wrong {dict(check.wrong)}")
        lines.append(f"exit codes {self.exit_codes}, memory grew by {self.growth_mib:.1f} MiB at most")
        return "\n".join([*lines, "PASSED" if self.good else "FAILED"])


class FolderRun:
    """Clients, one after the other, on one folder.

    Args:
        fleet: the service, started.
        folder: for the pictures, the table and what the clients print.
        files: the number of pictures.
    """

    def __init__(self, fleet: Fleet, folder: Path, files: int) -> None:
        self._fleet = fleet
        self._folder = folder
        self._files = files
        self._pictures, self._table = folder / "pictures", folder / "answers.csv"
        self._clients: list[Process] = []
        self._exit_codes: list[int] = []
        self._samples: list[Sample] = []
        self._latest = Sample(1, 0, 0.0, 0.0)

    def run(self, stop: threading.Event) -> FolderReport:
        """Make the files, classify them, and check the table."""
        make_files(self._pictures, self._files)
        faults: Sequence[Callable[[], None]] = (
            self._kill_worker,
            self._restart_redis,
            self._interrupt,
            self._kill_web_process,
            self._kill_worker,
        )
        self._start()
        for number, fault in enumerate(faults, start=1):
            self._wait_for(self._files * number // (len(faults) + 1), stop)
            _say(f"{self._rows()} files: {fault.__name__.strip('_').replace('_', ' ')}")
            fault()
        self._wait_for(self._files, stop)
        self._exit_codes.append(self._clients[-1].popen.wait())
        # Of both clients there is also a sample from their end.
        self._samples.append(self._latest)
        return FolderReport(self._samples, self._exit_codes, TableCheck.of(self._table, self._pictures))

    def _start(self, *options: str) -> None:
        paths = [str(self._pictures), "--out", str(self._table)]
        command = [sys.executable, "classify.py", *paths, "--url", self._fleet.urls()[0], *options]
        log = self._folder / f"client{len(self._clients)}.log"
        self._clients.append(Process(command, dict(os.environ), log))
        self._began, self._rows_before = time.monotonic(), self._rows()

    def _wait_for(self, rows: int, stop: threading.Event) -> None:
        """Wait until the table has so many rows, or its client has ended, and take samples."""
        client = self._clients[-1]
        while (count := self._rows()) < rows and client.popen.poll() is None:
            if stop.wait(TICK_S):
                client.stop(signal.SIGKILL)
            if sample := self._sample(count):
                self._latest = sample
                if count >= self._files * (len(self._samples) + 1) // SAMPLES:
                    self._samples.append(sample)
                    _say(sample)

    def _sample(self, rows: int) -> Sample | None:
        """Return how the client is doing; None before its first row, and once it has ended."""
        rate = (rows - self._rows_before) / (time.monotonic() - self._began)
        resident = resident_mib(self._clients[-1].popen.pid)
        return Sample(len(self._clients), rows, rate, resident) if rate and resident else None

    def _rows(self) -> int:
        """Count the table's lines, less its header."""
        try:
            with self._table.open("rb") as file:
                return max(0, sum(block.count(b"\n") for block in iter(lambda: file.read(2**20), b"")) - 1)
        except FileNotFoundError:
            return 0

    def _kill_worker(self) -> None:
        self._fleet.kill(self._fleet.workers[0])
        self._fleet.start_worker()

    def _restart_redis(self) -> None:
        self._fleet.stop_redis()
        threading.Event().wait(REDIS_AWAY_S)
        self._fleet.start_redis()

    def _kill_web_process(self) -> None:
        psutil.Process(self._fleet.web_servers[0].process.popen.pid).children()[0].kill()

    def _interrupt(self) -> None:
        self._samples.append(self._latest)
        self._exit_codes.append(self._clients[-1].stop(signal.SIGINT))
        self._start("--resume")


def main() -> int:
    """Run, print the table and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=100_000, help="their number (default: %(default)s)")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="folder-") as name, stop_on_signal() as stop:
        folder = Path(name)
        with folder_fleet(folder, make_network(folder)) as fleet:
            report = FolderRun(fleet, folder, args.files).run(stop)
    print(report.table())
    return 0 if report.good else 1


def folder_fleet(folder: Path, network: Mapping[str, object]) -> Fleet:
    """Return the fleet of a run, not yet started."""
    return Fleet(folder, WEB_SERVERS, WORKERS, **QUICK_RECOVERY, **network)


def _say(what: object) -> None:
    print(what, flush=True)


if __name__ == "__main__":
    sys.exit(main())
