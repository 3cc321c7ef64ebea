"""How much memory there is for this process: the machine's, or what its container or service may have."""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

CGROUPS = "sys/fs/cgroup"


def memory_bytes(root: Path = Path("/")) -> int:
    """Return the machine's memory, or the lowest limit of the control groups to which this process belongs.

    Args:
        root: of the file system, which a test may replace.
    """
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return min([machine, *_cgroup_limits(root)])


def _cgroup_limits(root: Path) -> Iterator[int]:
    """Yield the limits of the process's groups and of those above, as far as they can be seen."""
    for folder, file in _memory_groups(root):
        for each in (folder, *folder.parents):
            with suppress(OSError, ValueError):  # nothing is limited here: there is no such file, or it says "max"
                yield int((each / file).read_text())


def _memory_groups(root: Path) -> Iterator[tuple[Path, str]]:
    """Yield the folder of each group, and the name of the file that has its limit.

    https://docs.kernel.org/admin-guide/cgroup-v2.html and https://docs.kernel.org/admin-guide/cgroup-v1/memory.html.
    """
    try:
        groups = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:  # not on Linux
        return
    for group in groups:
        _number, controllers, path = group.split(":", 2)
        if not controllers:
            yield root / CGROUPS / path.lstrip("/"), "memory.max"
        elif "memory" in controllers.split(","):
            yield root / CGROUPS / "memory" / path.lstrip("/"), "memory.limit_in_bytes"
