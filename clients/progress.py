"""A progress bar for many requests."""

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

from tqdm import tqdm


class Progress(Protocol):
    """How far it has come."""

    @property
    def finished(self) -> int:
        """How many have ended, well or not."""

    @property
    def failed(self) -> int:
        """How many of these failed."""

    @property
    def in_flight(self) -> int:
        """How many have begun and not ended."""


@contextmanager
def progress_bar(
    total: Callable[[], int | None], unit: str, stop: threading.Event
) -> Iterator[Callable[[Progress], None]]:
    """Show a bar, where there is a terminal; yield what updates it.

    Args:
        total: returns the number of requests; None where it is not known, or not yet.
        unit: what is counted, in the plural.
        stop: once it is set, the user is told what is still in flight.
    """
    tqdm.monitor_interval = 0  # or it would have a thread of its own
    told = False
    with tqdm(total=total(), unit=f" {unit}", disable=None, miniters=0) as bar:

        def tick(progress: Progress) -> None:
            nonlocal told
            if stop.is_set() and not told:
                told = True
                say(f"Ending; {progress.in_flight} {unit} are in flight. Ctrl-C again gives them up.")
            bar.total = total()
            bar.set_postfix(failed=progress.failed, in_flight=progress.in_flight, refresh=False)
            bar.update(progress.finished - bar.n)

        yield tick


def say(text: str) -> None:
    """Print a line on standard error, above the bar where there is one."""
    tqdm.write(text, file=sys.stderr)
