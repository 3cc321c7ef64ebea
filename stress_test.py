"""A load generator: many requests from many threads, and what became of them.

python stress_test.py --requests 500 --concurrency 32
"""

import argparse
import os
import statistics
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import requests

DEFAULT_IMAGE = Path(__file__).with_name("castle_image.jpg")
DEFAULT_URL = "http://127.0.0.1:5000"
TIMEOUT_S = 60


@dataclass
class Report:
    """What the threads have seen; filled by all of them.

    Attributes:
        outcomes: how many requests ended with each HTTP status, or with which error of the connection.
        latencies_s: how long each answered request took, in seconds.
    """

    outcomes: Counter[str] = field(default_factory=Counter)
    latencies_s: list[float] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, outcome: str, latency_s: float) -> None:
        """Count one request."""
        with self._lock:
            self.outcomes[outcome] += 1
            self.latencies_s.append(latency_s)

    @property
    def failed(self) -> int:
        """How many requests had another outcome than 200."""
        return self.outcomes.total() - self.outcomes["200"]


def main() -> int:
    """Send the requests, report, and return the exit code: 1 when a request failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=500, help="how many (default: %(default)s)")
    parser.add_argument("--concurrency", type=int, default=32, help="how many at once (default: %(default)s)")
    parser.add_argument("--image", type=Path, default=DEFAULT_IMAGE, help="what to send (default: the castle)")
    parser.add_argument("--url", default=DEFAULT_URL, help="where the service is (default: %(default)s)")
    parser.add_argument("--api-key", default=os.environ.get("API_KEY"), help="where one is needed (default: $API_KEY)")
    args = parser.parse_args()
    try:
        image = args.image.read_bytes()
    except OSError as error:
        parser.error(str(error))
    started = time.perf_counter()
    report = run(f"{args.url.rstrip('/')}/predict", image, args.requests, args.concurrency, args.api_key)
    print_report(report, time.perf_counter() - started)
    return 1 if report.failed else 0


def run(url: str, image: bytes, count: int, concurrency: int, api_key: str | None = None) -> Report:
    """Send `count` requests from `concurrency` threads; return when all threads have ended.

    Ctrl-C ends it early: requests that are under way are finished, no new ones are begun.
    """
    report = Report()
    tickets = iter(range(count))
    take = threading.Lock()
    stop = threading.Event()

    def work() -> None:
        with requests.Session() as session:
            if api_key:
                session.headers["Authorization"] = f"Bearer {api_key}"
            while not stop.is_set():
                with take:
                    if next(tickets, None) is None:
                        return
                send(session, url, image, report)

    threads = [threading.Thread(target=work) for _ in range(min(concurrency, count))]
    for thread in threads:
        thread.start()
    try:
        for thread in threads:
            thread.join()
    except KeyboardInterrupt:
        stop.set()
        for thread in threads:
            thread.join()
    return report


def send(session: requests.Session, url: str, image: bytes, report: Report) -> None:
    """Send one request and count it."""
    started = time.perf_counter()
    try:
        outcome = str(session.post(url, files={"image": image}, timeout=TIMEOUT_S).status_code)
    except requests.RequestException as error:
        outcome = type(error).__name__
    report.add(outcome, time.perf_counter() - started)


def print_report(report: Report, seconds: float) -> None:
    """Print counts, throughput and percentiles."""
    total = report.outcomes.total()
    print(f"{total} requests in {seconds:.1f} s: {total / seconds:.1f} a second, {report.failed} failed")
    for outcome, count in report.outcomes.most_common():
        print(f"  {outcome}: {count}")
    if total < 2:
        return
    cuts = statistics.quantiles(report.latencies_s, n=100, method="inclusive")
    shown = {"min": min(report.latencies_s), "p50": cuts[49], "p90": cuts[89], "p99": cuts[98]}
    shown["max"] = max(report.latencies_s)
    print("  latency: " + ", ".join(f"{name} {value * 1000:.0f} ms" for name, value in shown.items()))


if __name__ == "__main__":
    sys.exit(main())
