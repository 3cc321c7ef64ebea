"""How often the running service is right: send it labelled pictures, count right answers, compare two runs.

    python -m tools.accuracy pictures/                               # a subfolder a class: pictures/castle/1.jpg
    python -m tools.accuracy imagenet/                               # or names with WordNet ids: n02980441_1.jpg
    python -m tools.accuracy labels.csv                              # or a file with the columns path,label
    python -m tools.accuracy pictures/ --json center.json
    python -m tools.accuracy pictures/ --compare center.json         # after a change of the service

`make accuracy PICTURES=pictures/ OPTIONS="--json center.json"` does the same. The exit code is 1 when a picture failed.
"""

import argparse
import sys
from pathlib import Path

from clients.options import add_common_options, positive_count
from clients.service import Service
from clients.stop_signal import INTERRUPTED
from tools.accuracy_comparison import Comparison
from tools.accuracy_report import Report, ReportError
from tools.accuracy_run import classify_all
from tools.labelled_pictures import LabelError, find_labelled

DEFAULT_CONCURRENCY = 8
PROBE_TIMEOUT_S = 10
USAGE = 2


def main() -> int:
    """Send the pictures, report, and return the exit code."""
    args = _arguments()
    try:
        pictures = find_labelled(_source(args.pictures))
        before = Report.read(args.compare) if args.compare else None
        _check_output(args.json)
    except (LabelError, ReportError) as error:
        return _fail(str(error), USAGE)
    with Service(args.url, args.api_key) as service:
        if not service.is_ready(PROBE_TIMEOUT_S):
            return _fail(f"{args.url}: the service is not ready; `make run` starts it, --url names another", 1)
    outcomes, interrupted = classify_all(pictures, args.url, args.api_key, args.concurrency)
    report = Report.of(outcomes, pictures)
    print(report.summary.text())
    if before:
        print(f"\n{Comparison.of(before, report).text()}")
    try:
        if args.json:
            report.write(args.json)
    except OSError as error:
        return _fail(f"{args.json}: {error.strerror}", 1)
    return INTERRUPTED if interrupted else int(bool(report.summary.failed))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pictures", metavar="PICTURES", help="a folder, or a CSV file with the columns path,label")
    concurrency_help = "pictures that are sent at once (default: %(default)d)"
    parser.add_argument(
        "--concurrency", type=positive_count, default=DEFAULT_CONCURRENCY, metavar="N", help=concurrency_help
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures and all answers there")
    parser.add_argument("--compare", type=Path, metavar="FILE", help="what --json of an earlier run wrote")
    add_common_options(parser)
    return parser.parse_args()


def _source(text: str) -> Path:
    if not text:
        raise LabelError("PICTURES is required: make accuracy PICTURES=folder")
    return Path(text)


def _check_output(file: Path | None) -> None:
    """Complain before the run rather than after it."""
    if file and not file.absolute().parent.is_dir():
        raise ReportError(f"--json {file}: there is no folder {file.absolute().parent}")


def _fail(reason: str, code: int) -> int:
    print(reason, file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
