"""Processor time, memory and libraries of a server: its process and all descendants."""

from collections.abc import Iterable
from contextlib import suppress

import psutil

MIB = 2**20


def process_tree(pid: int) -> list[psutil.Process]:
    """Return a process and all its descendants; nothing when it has ended."""
    try:
        root = psutil.Process(pid)
        return [root, *root.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def cpu_seconds(pids: Iterable[int]) -> float:
    """Return the processor time that process trees have used so far, including children that have ended."""
    seconds = 0.0
    for process in _members(pids):
        with suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            # The kernel adds the time of an ended child to its parent.
            seconds += times.user + times.system + times.children_user + times.children_system
    return seconds


def resident_mib(pid: int) -> float:
    """Return the resident memory of a process tree, in MiB; shared pages count once per process."""
    resident_bytes = 0
    for process in _members([pid]):
        with suppress(psutil.NoSuchProcess):
            resident_bytes += process.memory_info().rss
    return resident_bytes / MIB


def has_loaded(pid: int, library: str) -> bool:
    """Tell whether a process has mapped a file with this text in its path."""
    return any(library in mapped.path for mapped in psutil.Process(pid).memory_maps())


def _members(pids: Iterable[int]) -> Iterable[psutil.Process]:
    return (process for pid in pids for process in process_tree(pid))
