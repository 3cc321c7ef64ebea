"""The programs that fork decoding processes, as this process has started them."""

import sys
from contextlib import suppress

import psutil


def cell_servers(module: str) -> list[psutil.Process]:
    """Return those that are alive.

    Args:
        module: which program.
    """
    found = []
    for child in psutil.Process().children():
        with suppress(psutil.NoSuchProcess):  # it has ended, perhaps without being waited for
            if child.cmdline()[:3] == [sys.executable, "-m", module]:
                found.append(child)
    return found
