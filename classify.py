"""Classify all pictures in folders, hundreds of thousands too, and write the answers to a table.

    python classify.py photos/ --out answers.csv
    python classify.py photos/ --out answers.csv --resume        go on, with what is new or changed since
    python classify.py '/data/**/2024-*.jpg' more.png --out answers.jsonl --url https://classifier.example.com

CSV has the most likely class of each file, JSON lines (.jsonl) have all classes of an answer. (.parquet is not written;
pandas and DuckDB make it of either.) As many requests are sent at once as the service bears: a refusal halves their
number, answers raise it again. While the service is away, everything waits.

Ctrl-C ends it early, within seconds. The exit code is 0 when all files were classified or refused by the service as no
pictures, 1 when one failed for another reason, 130 after Ctrl-C.
"""

import argparse
import sys
from pathlib import Path

from clients.classify import run_classify
from clients.options import add_common_options, file_name, positive, positive_count, timeout

CONCURRENCY = 64
WAIT_S = 5.0
GIVE_UP_S = 600.0


def main() -> int:
    """Classify the files and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "path",
        nargs="+",
        type=file_name,
        help="folders, pictures, or patterns in quotes, in which ** means any folders",
    )
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="the table, .csv or .jsonl")
    existing = parser.add_mutually_exclusive_group()
    existing.add_argument("--resume", action="store_true", help="add to the table the files that it lacks")
    existing.add_argument("--overwrite", action="store_true", help="replace the table")
    at_once_help = "requests at once, at most (default: %(default)d)"
    parser.add_argument("--concurrency", type=positive_count, default=CONCURRENCY, metavar="N", help=at_once_help)
    wait_help = "wait up to S seconds until the service is ready (default: %(default)g)"
    parser.add_argument("--wait", type=timeout, default=WAIT_S, metavar="S", help=wait_help)
    give_up_help = "end when the service has answered nothing for S seconds (default: %(default)g)"
    parser.add_argument("--give-up", type=positive, default=GIVE_UP_S, metavar="S", help=give_up_help)
    add_common_options(parser)
    return run_classify(parser.parse_args())


if __name__ == "__main__":
    sys.exit(main())
