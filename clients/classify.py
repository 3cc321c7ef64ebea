"""What `classify.py` does: send the files that are found, as many at once as the service bears, and write a table."""

import argparse
import math
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress

import requests

from clients.bulk import Bulk
from clients.classification import Classification
from clients.connections import Connections, environment_proxy
from clients.output import show_last
from clients.pace import Pace
from clients.progress import Progress, progress_bar, say
from clients.service import Service, explain
from clients.stop_signal import INTERRUPTED, stop_on_signal
from clients.table import Existing, Table, TableError, format_of

# The service answers within 30 s, or says that it does not.
TIMEOUT_S = 60.0
# A service that does not say in this time that it is ready is not.
READY_TIMEOUT_S = 5.0
# How often the progress is shown, and the signals are looked at.
TICK_S = 0.1
# What is in flight at the first Ctrl-C gets so long.
GRACE_S = 10.0
# A shorter trouble is not worth a line.
TROUBLE_S = 2.0


def run_classify(args: argparse.Namespace) -> int:
    """Classify the files, write the table, print a summary, and return the exit code."""
    existing = Existing.RESUME if args.resume else Existing.OVERWRITE if args.overwrite else Existing.REFUSE
    try:
        format_of(args.out)
        with Service(args.url, args.api_key) as service:
            service.wait_until_ready(args.wait)
            with Table(args.out, existing) as table:
                return _run(args, table, service)
    except TableError as error:
        return _fail(str(error))
    except requests.RequestException as error:
        return _fail(f"{args.url}: {explain(error)}")
    except OSError as error:
        return _fail(f"{error.filename or args.out}: {error.strerror}" if error.strerror else str(error))
    except KeyboardInterrupt:
        return INTERRUPTED


def _run(args: argparse.Namespace, table: Table, service: Service) -> int:
    pace = Pace(args.concurrency, args.give_up)
    connections = Connections(args.url, args.concurrency, TIMEOUT_S, args.api_key, environment_proxy(args.url))
    classification = Classification(connections, pace)
    bulk = Bulk(args.path, table, classification, pace, lambda: service.is_ready(READY_TIMEOUT_S))
    began = time.monotonic()
    with stop_on_signal() as stop, progress_bar(lambda: bulk.total, "files", stop) as show:
        with suppress(KeyboardInterrupt):  # the second Ctrl-C, with which requests in flight are given up
            bulk.start(args.concurrency)
            _watch(bulk, pace, stop, show)
        interrupted = stop.is_set()
    # What still comes is not written, so the summary is true.
    table.close()
    code = show_last(bulk.summary(time.monotonic() - began))
    if bulk.fatal:
        _say_how_to_resume(bulk.fatal, table)
        return 1
    if interrupted:
        _say_how_to_resume("Interrupted", table)
        return INTERRUPTED
    return 1 if bulk.to_repeat else code


def _watch(bulk: Bulk, pace: Pace, stop: threading.Event, show: Callable[[Progress], None]) -> None:
    """Show the progress until all is done, or until what was in flight at a signal has had its time."""
    end, told = math.inf, False
    while bulk.is_running and time.monotonic() < end:
        show(bulk)
        told = _tell_trouble(pace.trouble, told)
        if stop.is_set() and end == math.inf:
            end = time.monotonic() + GRACE_S
            bulk.stop()
        bulk.join(TICK_S)
    show(bulk)


def _tell_trouble(trouble: tuple[float, str] | None, told: bool) -> bool:
    """Say that the service does not answer, or again; return whether the user has been told that it does not."""
    if trouble and trouble[0] > TROUBLE_S and not told:
        say(f"The service does not classify ({trouble[1]}); trying again.")
        return True
    if told and not trouble:
        say("The service classifies again.")
    return told and trouble is not None


def _say_how_to_resume(why: str, table: Table) -> None:
    print(f"{why}. The same command with --resume goes on with {table.path}.", file=sys.stderr)


def _fail(reason: str) -> int:
    print(reason, file=sys.stderr)
    return 1
