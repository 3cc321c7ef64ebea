"""What the system says about processes: processor time, memory, and what they have loaded. Linux only, for /proc."""

import contextlib
import os
from pathlib import Path

MIB = 2**20


def group_of(leader: int) -> list[int]:
    """Return the processes of a process group: a server with its children."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if os.getpgid(int(folder.name)) == leader:
                found.append(int(folder.name))
    return found


def cpu_seconds(pids: list[int]) -> float:
    """Return the processor time that processes have taken so far, in seconds."""
    ticks = 0
    for pid in pids:
        times = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        ticks += int(times[11]) + int(times[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def resident_mib(pid: int) -> float:
    """Return the memory of one process, in MiB."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / MIB


def has_loaded(pid: int, library: str) -> bool:
    """Tell whether a process has a file with this in its path mapped into its memory."""
    return library in Path(f"/proc/{pid}/maps").read_text()
