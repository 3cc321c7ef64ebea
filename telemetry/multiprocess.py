"""Metrics that the processes of one web server share, through files in a temporary folder.

Each process has files of its own, by number. When it has ended, the next one that starts goes on counting in them. So
there are never more files than processes at the same time, and counts never go back.

prometheus_client maps sparse files into memory. Where the file system is full, a write into such a hole kills the
process with SIGBUS, so the files are written here first, with room for all labels.
"""

import fcntl
import itertools
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from logger import log
from telemetry.metrics_folder import metrics_folder

# prometheus_client reads it when it is imported, so this module and its users import that library late.
FOLDER_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
GAUGES = "gauge_livesum_{}.db"
# The files of a process, as prometheus_client names them, by type of metric; and of the gauges, by mode.
FILES = ("counter_{}.db", "histogram_{}.db", GAUGES)
# Enough for every method with every endpoint and status. prometheus_client takes a file as it is.
FILE_BYTES = 256 * 1024
# prometheus_client keeps at the start of a file how much of it is used; with 0 it is empty.
UNUSED = bytes(4)


@contextmanager
def shared_metrics(processes: int) -> Iterator[None]:
    """Let all processes forked inside of this block share their metrics; the folder is removed at the end.

    Where no folder has room, each process counts for itself, and the log tells.

    Args:
        processes: how many there will be.
    """
    with metrics_folder(processes * len(FILES) * FILE_BYTES) as folder:
        if folder:
            os.environ[FOLDER_VARIABLE] = str(folder)
        try:
            yield
        finally:
            os.environ.pop(FOLDER_VARIABLE, None)


def join_shared_metrics() -> None:
    """Take files for this process, before its first metric; without room for them it counts for itself."""
    if not are_shared():
        return
    folder = Path(os.environ[FOLDER_VARIABLE])
    try:
        number = _take_number(folder)
        _clear_gauges(folder, number)
        _make_files(folder, number)
    except OSError as error:
        log("metrics_not_shared", level="warning", error=error)
        del os.environ[FOLDER_VARIABLE]
        return
    from prometheus_client import values

    values.ValueClass = values.MultiProcessValue(lambda: number)  # type: ignore[no-untyped-call]


def are_shared() -> bool:
    """Tell whether this process belongs to such a block."""
    return FOLDER_VARIABLE in os.environ


def forget_ended_processes() -> None:
    """Remove processes that have ended from the gauges; their counts remain.

    Without prometheus_client, which must not be imported before the fork: a process without room could not choose.
    """
    if not are_shared():
        return
    folder = Path(os.environ[FOLDER_VARIABLE])
    for path in folder.glob("*.lock"):
        if (lock := _lock(path)) is not None:
            _clear_gauges(folder, int(path.stem))
            os.close(lock)


def _take_number(folder: Path) -> int:
    """Return the first number that no living process has; it is ours until this process ends."""
    return next(number for number in itertools.count() if _lock(folder / f"{number}.lock") is not None)


def _lock(path: Path) -> int | None:
    """Return the open file if no other process has locked it."""
    lock = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(lock)
        if isinstance(error, BlockingIOError):
            return None
        raise
    return lock


def _clear_gauges(folder: Path, number: int) -> None:
    with suppress(FileNotFoundError), (folder / GAUGES.format(number)).open("r+b", buffering=0) as file:
        file.write(UNUSED)


def _make_files(folder: Path, number: int) -> None:
    """Make the files that an earlier process has not left."""
    unfinished = folder / f"{number}.unfinished"
    try:
        for file in (folder / name.format(number) for name in FILES):
            if not file.exists():
                # Under another name first, since the other processes read all files, also while this one is made.
                unfinished.write_bytes(bytes(FILE_BYTES))
                unfinished.rename(file)
    finally:
        unfinished.unlink(missing_ok=True)
