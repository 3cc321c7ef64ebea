"""Metrics that the processes of one web server share, through files in a temporary folder.

prometheus_client maps sparse files into memory. Where the file system is full, a write into such a hole kills the
process with SIGBUS, so the files of each process are written here first, with room for all labels.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from logger import log
from telemetry.metrics_folder import metrics_folder

# prometheus_client reads it when it is imported, so this module and its users import that library late.
FOLDER_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
# The files of a process, as prometheus_client names them, by type of metric; and of the gauges, by mode.
FILES = ("counter_{}.db", "histogram_{}.db", "gauge_livesum_{}.db")
# Enough for every method with every endpoint and status. prometheus_client takes a file as it is.
FILE_BYTES = 256 * 1024


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
    """Make the files of this process, before its first metric; without room for them it counts for itself."""
    if not are_shared():
        return
    files = [Path(os.environ[FOLDER_VARIABLE], name.format(os.getpid())) for name in FILES]
    unfinished = Path(os.environ[FOLDER_VARIABLE], f"{os.getpid()}.unfinished")
    try:
        for file in files:
            # Under another name first, since the other processes read all files, also while this one is made.
            unfinished.write_bytes(bytes(FILE_BYTES))
            unfinished.rename(file)
    except OSError as error:
        log("metrics_not_shared", level="warning", error=error)
        del os.environ[FOLDER_VARIABLE]
        for file in (unfinished, *files):
            file.unlink(missing_ok=True)


def are_shared() -> bool:
    """Tell whether this process belongs to such a block."""
    return FOLDER_VARIABLE in os.environ


def forget_process(pid: int) -> None:
    """Remove a process that has ended from the gauges; its counts remain.

    Without prometheus_client, which must not be imported before the fork: a process without room could not choose.
    """
    if are_shared():
        for name in FILES:
            if name.startswith("gauge"):
                Path(os.environ[FOLDER_VARIABLE], name.format(pid)).unlink(missing_ok=True)
