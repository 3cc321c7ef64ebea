"""What tests of faults measure and record."""

import logging
import threading
import time

from benchmarks.tally import Tally

# Of a refusal, and of anything else that needs no more than a retransmission or a new connection.
PROMISE_S = 3


def record(what: str, value: object) -> None:
    logging.getLogger(__name__).info("%s: %s", what, value)


def cut_for(seconds: float, tally: Tally) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        tally.outages.record()
        threading.Event().wait(0.05)


def has_recovered(tally: Tally) -> bool:
    """Tell whether there was a correct answer; until then the outage lasts, however slow the machine is."""
    tally.outages.record()
    return tally.slowest_recovery_s > 0


def seconds_since(began: float) -> float:
    return round(time.monotonic() - began, 1)
