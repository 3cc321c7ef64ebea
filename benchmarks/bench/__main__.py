"""The performance benchmark: the service compared with the bare network and with the original protocol.

    python -m benchmarks.bench --quick --only resnet50 costless

Each target is one row of the table; the exit code is 1 when one was missed. Linux only.
"""

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

from tqdm import tqdm

from benchmarks.bench.pace import FULL, QUICK, Pace
from benchmarks.bench.part import Part
from benchmarks.bench.part_costless import CostlessPart
from benchmarks.bench.part_original import OriginalPart, OriginalResNet50Part
from benchmarks.bench.part_resnet50 import ResNet50Part
from benchmarks.bench.part_scaling import ScalingPart
from benchmarks.bench.part_sizes import SizesPart
from benchmarks.bench.part_start import StartPart
from benchmarks.bench.plot import save_plot
from benchmarks.bench.report import machine, report
from benchmarks.bench.row import Row, at_most
from benchmarks.bench.summary import summary
from project import PROJECT_DIR

PARTS: tuple[type[Part], ...] = (
    ResNet50Part,
    CostlessPart,
    OriginalPart,
    OriginalResNet50Part,
    ScalingPart,
    StartPart,
    SizesPart,
)
CACHE = PROJECT_DIR / ".cache" / "bench"


def main() -> int:
    """Measure, write the files, print the table and return the exit code."""
    names = [part.name for part in PARTS]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="shorter and fewer rounds, for a first impression")
    parser.add_argument("--only", nargs="+", choices=names, metavar="NAME", help=", ".join(names))
    parser.add_argument("--json", type=Path, default=CACHE / "report.json", help="default: %(default)s")
    parser.add_argument("--plot", type=Path, default=CACHE / "report.png", help="default: %(default)s")
    args = parser.parse_args()
    rows = run(QUICK if args.quick else FULL, args.only or names, CACHE, args.json, args.plot)
    print("\n" + summary(rows, json.loads(args.json.read_text())))
    print(f"\nAll figures are in {args.json}, the graphs in {args.plot}.")
    return 0 if all(row.good for row in rows) else 1


def run(pace: Pace, names: list[str], cache: Path, json_file: Path, plot_file: Path) -> list[Row]:
    """Run the parts with these names, write both files and return the rows."""
    where, began = machine(), time.monotonic()
    with tempfile.TemporaryDirectory(prefix="bench-") as scratch:
        parts = [part(pace, cache, Path(scratch)) for part in PARTS if part.name in names]
        measure(parts)
    failed = sum(sum(each.failures.values()) for part in parts for each in part.rounds())
    rows = [*(row for part in parts for row in part.rows()), at_most("all", "requests that failed", failed, 0)]
    document = report(where, time.monotonic() - began, rows, parts)
    json_file.parent.mkdir(parents=True, exist_ok=True)
    json_file.write_text(json.dumps(document, indent=2) + "\n")
    save_plot(document, plot_file)
    return rows


def measure(parts: list[Part]) -> None:
    """Run the steps of all parts under one progress bar."""
    plans = [(part, part.steps()) for part in parts]
    with tqdm(total=sum(len(steps) for _, steps in plans), unit="step", disable=None) as bar:
        for part, steps in plans:
            with part.stack:
                for step in steps:
                    bar.set_description(step.what)
                    step.run()
                    bar.update()


if __name__ == "__main__":
    sys.exit(main())
