"""A progress bar for a load."""

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from tqdm import tqdm

from clients.load import Tick
from clients.report import Results


@contextmanager
def progress_bar(total: int | None, unit: str, stop: threading.Event) -> Iterator[Tick]:
    """Show a bar, where there is a terminal; yield what updates it.

    Args:
        total: the number of requests; None where it is not known.
        unit: what is counted, in the plural.
        stop: once it is set, the user is told what is still in flight.
    """
    tqdm.monitor_interval = 0  # or it would have a thread of its own
    told = False
    with tqdm(total=total, unit=f" {unit}", disable=None, miniters=0) as bar:

        def tick(results: Results) -> None:
            nonlocal told
            if stop.is_set() and not told:
                told = True
                note = f"Ending; {results.in_flight} {unit} are in flight. Ctrl-C again gives them up."
                bar.write(note, file=sys.stderr)
            bar.set_postfix(failed=results.failed, in_flight=results.in_flight, refresh=False)
            bar.update(len(results.samples) - bar.n)

        yield tick
