"""The service beside mosec, LitServe, BentoML and Ray Serve: the same network, pictures, clients and cores.

    python -m benchmarks.compare --only "this service" "mosec, processes" --rounds 2

The servers of the peers are in `benchmarks/peers`, written as their documentation recommends. Contenders take turns;
medians of their rounds count. The exit code is 1 when a target was missed. Linux only.
"""

import argparse
import json
import os
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

from tqdm import tqdm

from benchmarks.bench.__main__ import CACHE
from benchmarks.bench.networks_measured import RESNET50, measured_network
from benchmarks.bench.part import Step
from benchmarks.bench.report import machine
from benchmarks.bench.row import table
from benchmarks.compare.cases import CASTLE_NAME, cases, computes_bfloat16, pictures
from benchmarks.compare.contender import Contender
from benchmarks.compare.faults import kill_repeatedly, send_broken
from benchmarks.compare.our_service import OurService, OurServiceWithTwoWorkers
from benchmarks.compare.peers import PEERS, PYTHON_OF_PEERS
from benchmarks.compare.plot import save_plot
from benchmarks.compare.rounds import Rounds
from benchmarks.compare.summary import faults_table, medians, rows, served_table

CONTENDERS: tuple[type[Contender], ...] = (OurService, *PEERS)


def main() -> int:
    """Measure, write the files, print the tables and return the exit code."""
    names = [kind.name for kind in CONTENDERS]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=names, metavar="NAME", default=names, help="; ".join(names))
    parser.add_argument("--rounds", type=int, default=3, help="of each contender (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=4, help="of each load in a round (default: %(default)s)")
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 8, 32], help="default: 1 8 32")
    parser.add_argument(
        "--fault-seconds", type=float, default=60, help="0 leaves the faults out (default: %(default)s)"
    )
    parser.add_argument("--json", type=Path, default=CACHE / "compare.json", help="default: %(default)s")
    parser.add_argument("--plot", type=Path, default=CACHE / "compare.png", help="default: %(default)s")
    args = parser.parse_args()
    contenders = [kind for kind in CONTENDERS if kind.name in args.only]
    if contenders != [OurService] and not PYTHON_OF_PEERS.exists():
        parser.error("the peers are not installed; `make compare` does that")
    return _run(args, contenders)


def _run(args: argparse.Namespace, contenders: list[type[Contender]]) -> int:
    files, where = pictures(), machine()
    kills: list[dict[str, Any]] = []
    uploads: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory(prefix="compare-") as scratch:
        plan = cases(args.clients, computes_bfloat16())
        rounds = Rounds(contenders, plan, files, args.seconds, CACHE, Path(scratch))
        steps = rounds.steps(args.rounds)
        if args.fault_seconds:
            for kind in contenders:
                run = partial(_break, kind, files[CASTLE_NAME], args.fault_seconds, Path(scratch), kills, uploads)
                steps.append(Step(f"faults, {kind.name}", run))
        _do(steps)
    found = medians(rounds.served)
    targets = rows(found, rounds.bare, len(os.sched_getaffinity(0)))
    document = {"machine": where, "served": rounds.served, "bare": rounds.bare, "kills": kills, "uploads": uploads}
    args.json.write_text(json.dumps(document | {"not_measured": rounds.failed}, indent=2) + "\n")
    save_plot(found, args.plot)
    print(served_table(found))
    if args.fault_seconds:
        print(faults_table(kills, uploads))
    print("\n" + table(targets))
    for reason in rounds.failed:
        print(f"\nNOT MEASURED: {reason}")
    print(f"\nAll figures are in {args.json}, the graphs in {args.plot}.")
    return 0 if all(row.good for row in targets) and not rounds.failed else 1


def _do(steps: list[Step]) -> None:
    with tqdm(steps, unit="step", disable=None) as bar:
        for step in bar:
            bar.set_description(step.what)
            step.run()


def _break(
    kind: type[Contender],
    picture: bytes,
    seconds: float,
    scratch: Path,
    kills: list[dict[str, Any]],
    uploads: list[dict[str, Any]],
) -> None:
    kind = OurServiceWithTwoWorkers if kind is OurService else kind
    with kind(measured_network(RESNET50, CACHE), "default", picture, scratch) as contender:
        uploads.append(send_broken(contender))
        kills.append(kill_repeatedly(contender, picture, seconds))


if __name__ == "__main__":
    sys.exit(main())
