"""Compares requests with 32 pictures with as many requests of one: pictures a second, and processor time a picture.

    python -m benchmarks.many_pictures
    python -m benchmarks.many_pictures --seconds 5 --rounds 4

The network costs next to nothing, so what is measured is the service. The sides take turns, and medians count.
"""

import argparse
import statistics
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from urllib3 import encode_multipart_formdata

from benchmarks.bench.closed_loop import TIMEOUT_S, Round
from benchmarks.bench.fleet_rounds import SERVERS, sender_round
from benchmarks.bench.networks_measured import COSTLESS, measured_network
from benchmarks.bench.pace import Pace
from benchmarks.bench.part import CASTLE
from benchmarks.colour_network import picture
from benchmarks.compare.body_sender import BodySender
from benchmarks.fleet import Fleet
from project import PROJECT_DIR

CACHE = PROJECT_DIR / ".cache" / "bench"
PICTURES = 32


@dataclass(frozen=True)
class Side:
    """A way to send pictures."""

    name: str
    pictures: int
    clients: int


SIDES = (
    Side("one request after the other, of one picture", 1, 1),
    Side("32 requests at once, of one picture", 1, 32),
    Side("one request after the other, of 32 pictures", PICTURES, 1),
    Side("4 requests at once, of 32 pictures", PICTURES, 4),
)


def main() -> int:
    """Measure, print the table and return the exit code: 1 when a request failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=5, help="of each round (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=4, help="of each side (default: %(default)s)")
    args = parser.parse_args()
    failures = 0
    with tempfile.TemporaryDirectory(prefix="many-pictures-") as scratch:
        for what, upload in (("64 x 48 pixels", picture()), ("castle", CASTLE.read_bytes())):
            measured = measure(Path(scratch), what, upload, Pace(rounds=args.rounds, seconds=args.seconds))
            print("\n".join(table(what, measured)), flush=True)
            failures += sum(sum(each.failures.values()) for rounds in measured.values() for each in rounds)
    print(f"requests that failed: {failures}")
    return 1 if failures else 0


def measure(scratch: Path, what: str, upload: bytes, pace: Pace) -> dict[Side, list[Round]]:
    """Start the service, and send the same picture in all ways, in turn."""
    folder = scratch / what
    folder.mkdir()
    measured: dict[Side, list[Round]] = defaultdict(list)
    with Fleet(folder, 1, 1, **measured_network(COSTLESS, CACHE).settings) as fleet:
        for _ in range(pace.rounds):
            for side in SIDES:
                body, content_type = form(upload, side.pictures)
                sender = BodySender(f"{fleet.urls()[0]}/predict", body, TIMEOUT_S, content_type)
                measured[side].append(sender_round(fleet, sender, side.clients, pace))
    return measured


def form(upload: bytes, count: int) -> tuple[bytes, str]:
    """Return the body of a request with this picture so many times, and its type."""
    return encode_multipart_formdata([("image", ("picture", upload))] * count)


def table(what: str, measured: dict[Side, list[Round]]) -> Iterator[str]:
    """Yield a line for each side."""
    names = (*SERVERS, "load generator")
    yield f"{what:45}  pictures/s  " + "  ".join(f"{name}, ms" for name in names)
    for side, rounds in measured.items():
        per_s = statistics.median(each.images_per_s for each in rounds) * side.pictures
        cpu_ms = {name: statistics.median(each.cpu_ms[name] for each in rounds) / side.pictures for name in names}
        yield f"{side.name:45}  {per_s:10.0f}  " + "  ".join(f"{cpu_ms[name]:{len(name) + 4}.2f}" for name in names)


if __name__ == "__main__":
    sys.exit(main())
