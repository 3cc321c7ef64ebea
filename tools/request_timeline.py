"""The path of one request through all processes, as a timeline, from their log lines.

python -m tools.request_timeline ID                       # from the log of `make run`; what `make logs ID=...` does
python -m tools.request_timeline ID web.log worker.log    # from other files
journalctl | python -m tools.request_timeline ID -        # from standard input
"""

import argparse
import json
import re
import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import chain
from pathlib import Path

from logger import quote
from tools.run_log import log_files

# Whatever a process manager has put in front is skipped.
_TEXT_LINE = re.compile(
    r"(?P<timestamp>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z) "
    r"(?P<server>\S+) (?P<script>\S+) (?P<action>\S+)(?P<fields>.*)"
)
_FIELD = re.compile(r' (\w+)=("(?:[^"\\]|\\.)*"|\S*)')
_JSON_LINE = re.compile(r'\{"timestamp": .*\}')
HEAD = ("timestamp", "server", "script", "action")
# The fields that name a request.
NAMES = ("id", "ids", "trace_id", "channel")


@dataclass(frozen=True)
class Event:
    """A line of the log."""

    timestamp: str
    server: str
    script: str
    action: str
    fields: dict[str, str]

    @property
    def time(self) -> datetime:
        """When it was written, in UTC."""
        return datetime.fromisoformat(self.timestamp)

    @property
    def began(self) -> datetime:
        """When the reported action began; only the last line of a request tells how long it took, if it is whole."""
        if self.action == "request_answered":
            with suppress(KeyError, ValueError):
                return self.time - timedelta(milliseconds=float(self.fields["ms"]))
        return self.time


def main() -> int:
    """Print the timeline and return the exit code: 1 when the log knows no such request."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("id", metavar="ID", help="the answer's X-Request-ID, a trace id, or the beginning of either")
    parser.add_argument("logs", nargs="*", metavar="LOG", help="a file, or - for standard input")
    args = parser.parse_args()
    if not args.id:
        parser.error("ID is required: make logs ID=...")
    logs = args.logs or log_files()
    if not logs:
        parser.error("there is no log yet: `make run` begins one; other logs follow ID")
    try:
        found = events(_lines(logs), args.id)
    except OSError as error:
        parser.error(str(error))
    if not found:
        print(f"The log has no line of {args.id!r}.", file=sys.stderr)
        return 1
    print(timeline(found))
    return 0


def events(lines: Iterable[str], name: str) -> list[Event]:
    """Return the events of the request or trace whose id begins with `name`, the oldest first."""
    # Most lines are about other requests, and need no parsing.
    parsed = (_parse(line) for line in lines if name in line)
    return sorted((event for event in parsed if event and _is_about(event, name)), key=lambda event: event.time)


def timeline(events: list[Event]) -> str:
    """Return a line per event: milliseconds since the request came, server, script, action, fields."""
    start = min(event.began for event in events)
    several = len({event.fields["id"] for event in events if "id" in event.fields}) > 1
    rows = [
        (
            f"{(event.time - start) / timedelta(milliseconds=1):.0f} ms",
            event.server,
            event.script,
            event.action,
            " ".join(f"{key}={value}" for key, value in event.fields.items() if several or key != "id"),
        )
        for event in events
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    lines = (
        f"{row[0]:>{widths[0]}}  {row[1]:{widths[1]}}  {row[2]:{widths[2]}}  {row[3]:{widths[3]}}  {row[4]}".rstrip()
        for row in rows
    )
    return "\n".join([f"0 ms is {start.isoformat(timespec='milliseconds')}", *lines])


def _lines(logs: Iterable[str | Path]) -> Iterator[str]:
    for log in logs:
        if log == "-":
            yield from sys.stdin
        else:
            with open(log, errors="replace") as lines:
                yield from lines


def _parse(line: str) -> Event | None:
    if match := _JSON_LINE.search(line):
        try:
            fields = {key: quote(value) for key, value in json.loads(match[0]).items()}
            head = [fields.pop(name) for name in HEAD]
        except (ValueError, KeyError):
            return None
    elif match := _TEXT_LINE.search(line):
        head, fields = list(match.group(*HEAD)), dict(_FIELD.findall(match["fields"]))
    else:
        return None
    timestamp, server, script, action = head
    return Event(timestamp, server, script, action, fields)


def _is_about(event: Event, name: str) -> bool:
    words = (re.split("[,:]", event.fields.get(key, "")) for key in NAMES)
    return any(word.startswith(name) for word in chain.from_iterable(words))


if __name__ == "__main__":
    sys.exit(main())
