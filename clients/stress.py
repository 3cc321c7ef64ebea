"""What `stress_test.py` does: check its options, send the load under a progress bar, report."""

import argparse
import json
import math
import sys
from contextlib import suppress
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path

from clients.load import MAX_IN_FLIGHT, Load
from clients.output import show_last
from clients.picture_files import find_pictures, read_picture
from clients.progress import progress_bar
from clients.report import Report, Results
from clients.sender import Sender
from clients.stop_signal import INTERRUPTED, stop_on_signal

DEFAULT_REQUESTS = 500
DEFAULT_RATE = 20.0


class UsageError(Exception):
    """The options are invalid."""


def run_stress_test(args: argparse.Namespace, default_image: Path) -> int:
    """Send the requests, report, and return the exit code.

    Raises:
        UsageError: the options are invalid; nothing has been sent.
    """
    try:
        return _run(args, _read_images(args, default_image))
    except KeyboardInterrupt:
        return INTERRUPTED


def _run(args: argparse.Namespace, images: list[bytes]) -> int:
    count = _count(args)
    rate = None if args.concurrency else args.rate or DEFAULT_RATE
    connections = args.concurrency or MAX_IN_FLIGHT
    with (
        Sender(args.url, images, connections, args.timeout, args.api_key, args.retry) as sender,
        stop_on_signal() as stop,
        progress_bar(lambda: count, "requests", stop) as tick,
    ):
        load = Load(sender.send, stop, tick)
        with suppress(KeyboardInterrupt):  # the second Ctrl-C, with which requests in flight are given up
            if rate and count:
                load.open_loop(rate, count)
            else:
                load.closed_loop(args.concurrency, count, args.duration)
        interrupted = stop.is_set()
    report = Report.of(load.results, rate, args.concurrency, sender.retries)
    try:
        not_saved = _save(load.results, report, args)
    finally:
        # After the files, since perhaps nobody reads it; but whatever becomes of these.
        not_shown = show_last(report.text())
    if not_saved or not_shown:
        return 1
    if interrupted:
        return INTERRUPTED
    return 0 if report.good else 1


def _read_images(args: argparse.Namespace, default_image: Path) -> list[bytes]:
    for path in (args.json, args.plot):
        if path and not path.absolute().parent.is_dir():
            raise UsageError(f"there is no folder {path.absolute().parent}")
    if args.plot and args.plot.suffix != ".png":
        raise UsageError(f"--plot: {args.plot} does not end in .png")
    if args.plot and not find_spec("matplotlib"):
        raise UsageError(f"--plot needs matplotlib: {sys.prefix}/bin/pip install matplotlib")
    try:
        return [read_picture(name) for name in find_pictures(args.image or [str(default_image)])]
    except OSError as error:
        raise UsageError(f"{error.filename}: {error.strerror}") from error


def _count(args: argparse.Namespace) -> int | None:
    """Return the number of requests; None where it depends on how long they take."""
    if args.duration is None:
        return args.requests or DEFAULT_REQUESTS
    return None if args.concurrency else math.ceil(args.duration * (args.rate or DEFAULT_RATE))


def _save(results: Results, report: Report, args: argparse.Namespace) -> int:
    """Write the files that were asked for, and return the exit code."""
    path = args.json
    try:
        if args.json:
            args.json.write_text(json.dumps(asdict(report), indent=2) + "\n")
        if args.plot and results.samples:
            # Here, since matplotlib is large and often not installed.
            from clients.plot import save_plot

            path = args.plot
            save_plot(results, report, args.plot)
    except OSError as error:
        print(f"{path}: {error.strerror}", file=sys.stderr)
        return 1
    return 0
