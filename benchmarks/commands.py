"""What the commands of this folder share: a network to serve, and a clean end on Ctrl-C."""

import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.colour_network import network_settings
from settings import PROJECT_DIR


def make_network(folder: Path) -> dict[str, object]:
    """Make the colour network, in a process of its own that takes TensorFlow with it; return the settings for it."""
    command = [sys.executable, "-m", "benchmarks.colour_network", str(folder)]
    subprocess.run(command, cwd=PROJECT_DIR, check=True, stderr=subprocess.DEVNULL)
    return network_settings(folder) | {"model_cache_dir": folder}


@contextmanager
def stop_on_signal() -> Iterator[threading.Event]:
    """Yield an event that the first Ctrl-C or SIGTERM sets; a second one does what it always does."""
    stop = threading.Event()
    numbers = (signal.SIGINT, signal.SIGTERM)
    old = {number: signal.getsignal(number) for number in numbers}

    def restore() -> None:
        for number, handler in old.items():
            signal.signal(number, handler)

    def first(_number: int, _frame: object) -> None:
        restore()
        stop.set()

    for number in numbers:
        signal.signal(number, first)
    yield stop
    restore()
