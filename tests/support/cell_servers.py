"""The programs that fork decoding processes, and these processes."""

import sys
from contextlib import suppress

import psutil

from pictures.cell_launcher import SERVER_MODULE


def cell_servers(module: str, parent: psutil.Process | None = None) -> list[psutil.Process]:
    """Return the programs that are alive.

    Args:
        module: which program.
        parent: who has started them; by default this process.
    """
    found = []
    for child in (parent or psutil.Process()).children():
        with suppress(psutil.NoSuchProcess):  # it has ended, perhaps without being waited for
            if child.cmdline()[:3] == [sys.executable, "-m", module]:
                found.append(child)
    return found


def idle_cell(web_server: int) -> psutil.Process:
    """Return the decoding process of a web server, given by its process id, that has decoded a single picture."""
    (process,) = psutil.Process(web_server).children()
    (program,) = cell_servers(SERVER_MODULE, process)
    (cell,) = program.children()
    return cell


def has_ended(process: psutil.Process) -> bool:
    """Tell whether a process has, be it waited for or not."""
    try:
        return bool(process.status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True
