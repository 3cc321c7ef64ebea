"""A load generator: many requests from many threads, and what became of them.

    python stress_test.py                                   500 requests, one every 0.05 s
    python stress_test.py --rate 50 --duration 60           50 a second for a minute
    python stress_test.py --concurrency 32 --requests 2000  2000, as many at once as 32 threads send
    python stress_test.py --image photos/ --image more.png --json report.json --plot report.png

With --rate (the open loop) requests are begun on time whatever the service does, as independent users would; latencies
count from when a request was due. With --concurrency (the closed loop) each thread waits for its answer before it sends
the next request, so a slow service slows the load; this shows how much the service can do.

Ctrl-C ends it early: requests under way are finished (a second Ctrl-C gives them up), then the report is printed.
The exit code is 0 when all requests were answered with 200, 1 when not, 130 after Ctrl-C.
"""

import argparse
import json
import math
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path

from tqdm import tqdm

from client_options import DEFAULT_IMAGE, add_service_options, pictures, positive, positive_count
from load_test.load import MOST_UNDER_WAY, Load, Tick
from load_test.report import Report
from load_test.results import Results
from load_test.sender import Sender
from load_test.stopping import stop_on_signal

DEFAULT_REQUESTS = 500
DEFAULT_RATE = 20.0
TIMEOUT_S = 60.0
INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Send the requests, report, and return the exit code."""
    parser = _parser()
    args = parser.parse_args(arguments)
    images = _checked(args, parser)
    count = _count(args)
    rate = None if args.concurrency else args.rate or DEFAULT_RATE
    connections = args.concurrency or MOST_UNDER_WAY
    with (
        Sender(args.url, images, connections, args.timeout, args.api_key) as sender,
        stop_on_signal() as stop,
        _progress(count, stop) as tick,
    ):
        load = Load(sender.send, stop, tick)
        # The second one, with which requests that are under way are given up.
        with suppress(KeyboardInterrupt):
            if rate and count:
                load.open_loop(rate, count)
            else:
                load.closed_loop(args.concurrency, count, args.duration)
        interrupted = stop.is_set()
    report = Report.of(load.results, rate, args.concurrency)
    print(report.text())
    try:
        _save(load.results, report, args)
    except OSError as error:
        parser.exit(1, f"{error.filename}: {error.strerror}\n")
    if interrupted:
        return INTERRUPTED
    return 0 if report.good else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    end = parser.add_mutually_exclusive_group()
    end.add_argument("--requests", type=positive_count, metavar="N", help=f"how many (default: {DEFAULT_REQUESTS})")
    end.add_argument("--duration", type=positive, metavar="S", help="send for so many seconds instead")
    loop = parser.add_mutually_exclusive_group()
    loop.add_argument("--rate", type=positive, metavar="R", help=f"a second (default: {DEFAULT_RATE:g})")
    loop.add_argument("--concurrency", type=positive_count, metavar="N", help="so many at once instead")
    image_help = "a picture or a folder; may be given again, all are sent in turn (default: the castle)"
    parser.add_argument("--image", action="append", metavar="PATH", help=image_help)
    timeout_help = "give a request up when nothing comes for so long (default: %(default)g)"
    parser.add_argument("--timeout", type=positive, default=TIMEOUT_S, metavar="S", help=timeout_help)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    parser.add_argument("--plot", type=Path, metavar="FILE.png", help="draw the latencies there (needs matplotlib)")
    add_service_options(parser)
    return parser


def _checked(args: argparse.Namespace, parser: argparse.ArgumentParser) -> list[bytes]:
    """Read the pictures; end the program, before any load, where the options cannot be followed."""
    for path in (args.json, args.plot):
        if path and not path.absolute().parent.is_dir():
            parser.error(f"there is no folder {path.absolute().parent}")
    if args.plot and args.plot.suffix != ".png":
        parser.error(f"--plot: {args.plot} does not end in .png")
    if args.plot and not find_spec("matplotlib"):
        parser.error(f"--plot needs matplotlib: {sys.executable} -m pip install matplotlib")
    try:
        return [Path(name).read_bytes() for name in pictures(args.image or [str(DEFAULT_IMAGE)])]
    except OSError as error:
        parser.error(f"{error.filename}: {error.strerror}")


def _count(args: argparse.Namespace) -> int | None:
    """Return how many requests there will be; None where that depends on how long they take."""
    if args.duration is None:
        return args.requests or DEFAULT_REQUESTS
    return None if args.concurrency else math.ceil(args.duration * (args.rate or DEFAULT_RATE))


@contextmanager
def _progress(total: int | None, stop: threading.Event) -> Iterator[Tick]:
    """Show a bar, where there is a terminal; yield what updates it."""
    tqdm.monitor_interval = 0  # or it would have a thread of its own
    told = False
    with tqdm(total=total, unit=" requests", disable=None, miniters=0) as bar:

        def tick(results: Results) -> None:
            nonlocal told
            if stop.is_set() and not told:
                told = True
                note = f"Ending; {results.under_way} requests are under way. Ctrl-C again gives them up."
                bar.write(note, file=sys.stderr)
            bar.set_postfix(failed=results.failed, under_way=results.under_way, refresh=False)
            bar.update(len(results.samples) - bar.n)

        yield tick


def _save(results: Results, report: Report, args: argparse.Namespace) -> None:
    if args.json:
        args.json.write_text(json.dumps(asdict(report), indent=2) + "\n")
    if args.plot and results.samples:
        # Here, since it is large and often not installed.
        from load_test.plot import save_plot

        save_plot(results, report, args.plot)


if __name__ == "__main__":
    sys.exit(main())
