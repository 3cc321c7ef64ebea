"""The `traceparent` header of W3C Trace Context: the trace, started elsewhere, that a request belongs to.

https://www.w3.org/TR/trace-context/
"""

import re

from logger import LogFields

_TRACEPARENT = re.compile(
    "(?P<version>(?!ff)[0-9a-f]{2})-(?P<ids>(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16})-(?P<flags>[0-9a-f]{2})(?P<rest>-.*)?",
    re.ASCII,
)
SAMPLED = 1


def parse_traceparent(header: object) -> str | None:
    """Return the header in the form of version 00; None when it is missing or invalid, and so ignored.

    Later versions may add fields; only the known ones are kept.
    """
    match = _TRACEPARENT.fullmatch(header) if isinstance(header, str) else None
    if match is None:
        return None
    if match["version"] == "00":
        return None if match["rest"] else match[0]
    return f"00-{match['ids']}-{int(match['flags'], 16) & SAMPLED:02x}"


def trace_fields(traceparent: str | None) -> LogFields:
    """Return the log's fields about a trace."""
    return LogFields(trace_id=traceparent[3:35]) if traceparent else LogFields()
