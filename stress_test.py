"""A load generator: many requests from many threads, and what became of them.

    python stress_test.py                                   500 requests, one every 0.05 s
    python stress_test.py --rate 50 --duration 60           50 a second for a minute
    python stress_test.py --concurrency 32 --requests 2000  2000, as many at once as 32 threads send
    python stress_test.py --image photos/ --image more.png --json report.json --plot report.png

With --rate (the open loop) requests are sent on time whatever the service does, as by independent users; latencies
count from when a request was due. With --concurrency (the closed loop) each thread waits for its answer before it sends
the next request, so a slow service slows the load; this shows how much the service can do.

Ctrl-C ends it early: requests in flight are finished (a second Ctrl-C gives them up), then the report is printed.
The exit code is 0 when all requests were answered with 200, 1 when not, 130 after Ctrl-C.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from clients.options import DEFAULT_IMAGE, add_common_options, file_name, positive, positive_count, timeout
from clients.stress import DEFAULT_RATE, DEFAULT_REQUESTS, UsageError, run_stress_test

TIMEOUT_S = 60.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Send the requests, report, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    end = parser.add_mutually_exclusive_group()
    end.add_argument("--requests", type=positive_count, metavar="N", help=f"how many (default: {DEFAULT_REQUESTS})")
    end.add_argument("--duration", type=positive, metavar="S", help="send for S seconds instead")
    loop = parser.add_mutually_exclusive_group()
    loop.add_argument("--rate", type=positive, metavar="R", help=f"per second (default: {DEFAULT_RATE:g})")
    loop.add_argument("--concurrency", type=positive_count, metavar="N", help="N at once instead")
    image_help = "a picture or a folder; may be given again, all are sent in turn (default: the castle)"
    parser.add_argument("--image", action="append", type=file_name, metavar="PATH", help=image_help)
    timeout_help = "give a request up when nothing comes for S seconds (default: %(default)g)"
    parser.add_argument("--timeout", type=timeout, default=TIMEOUT_S, metavar="S", help=timeout_help)
    retry_help = "send again, up to 3 times, what broke before an answer came (default: it has failed)"
    parser.add_argument("--retry", action="store_true", help=retry_help)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    parser.add_argument("--plot", type=Path, metavar="FILE.png", help="draw the latencies there (needs matplotlib)")
    add_common_options(parser)
    args = parser.parse_args(arguments)
    try:
        return run_stress_test(args, DEFAULT_IMAGE)
    except UsageError as error:
        parser.error(str(error))


if __name__ == "__main__":
    sys.exit(main())
