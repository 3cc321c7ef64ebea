"""Metrics that the processes of one web server share, through files in a temporary folder."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

# prometheus_client reads it when it is imported, so this module and its users import that library late.
FOLDER_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"


@contextmanager
def shared_metrics() -> Iterator[None]:
    """Let all processes forked inside of this block share their metrics; the folder is removed at the end."""
    parent = os.getpid()
    folder = os.environ[FOLDER_VARIABLE] = tempfile.mkdtemp(prefix="classifier-metrics-")
    try:
        yield
    finally:
        # The children leave this block, too, when they end.
        if os.getpid() == parent:
            del os.environ[FOLDER_VARIABLE]
            shutil.rmtree(folder, ignore_errors=True)


def are_shared() -> bool:
    """Tell whether this process belongs to such a block."""
    return FOLDER_VARIABLE in os.environ


def forget_process(pid: int) -> None:
    """Remove a process that has ended from the gauges; its counts remain."""
    from prometheus_client.multiprocess import mark_process_dead

    mark_process_dead(pid)  # type: ignore[no-untyped-call]
