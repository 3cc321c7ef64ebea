"""Which `traceparent` headers are valid, by the rules of W3C Trace Context."""

import pytest

from jobs.protocol import Job
from jobs.trace_context import parse_traceparent, trace_fields
from tests.conftest import PIXELS

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
SPAN = "00f067aa0ba902b7"
VALID = f"00-{TRACE}-{SPAN}-01"


def test_a_valid_header_is_returned_unchanged() -> None:
    assert parse_traceparent(VALID) == VALID
    assert parse_traceparent(f"00-{TRACE}-{SPAN}-00") == f"00-{TRACE}-{SPAN}-00"
    assert trace_fields(VALID) == {"trace_id": TRACE}


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        7,
        VALID.upper(),
        f"{VALID}-",
        f"{VALID}-more",
        f"{VALID}\n",
        f" {VALID}",
        f"{VALID},{VALID}",
        f"ff-{TRACE}-{SPAN}-01",
        f"0-{TRACE}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE[1:]}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}0-01",
        f"00-{TRACE}-{SPAN}-1",
        f"00-{TRACE}-{SPAN}-0x",
        f"00-{TRACE[:-1]}g-{SPAN}-01",
        f"00_{TRACE}_{SPAN}_01",
        f"00-{TRACE[:-1]}\u0661-{SPAN}-01",
        f"cc-{TRACE}-{SPAN}-01more",
    ],
)
def test_an_invalid_header_is_ignored(header: object) -> None:
    assert parse_traceparent(header) is None


def test_of_a_later_version_only_the_known_fields_are_kept() -> None:
    assert parse_traceparent(f"cc-{TRACE}-{SPAN}-ff-more-of-it") == VALID
    assert parse_traceparent(f"01-{TRACE}-{SPAN}-00") == f"00-{TRACE}-{SPAN}-00"


def parsed_job(**changes: object) -> Job:
    fields = {"id": "1", "image": "AAAA", "deadline": 1e9, "attempt": 1} | changes
    return Job.from_fields(fields, image_bytes=3)


def test_a_job_without_a_trace_is_compatible_with_older_versions() -> None:
    assert b"traceparent" not in Job("1", PIXELS, 1e9).to_json()
    assert parsed_job().traceparent is None
    assert parsed_job().queued_at is None


@pytest.mark.parametrize("value", ["soon", -1.0, 1e300, float("nan"), float("inf"), True, None, []])
def test_an_invalid_time_or_trace_is_ignored(value: object) -> None:
    job = parsed_job(queued_at=value, traceparent=value)
    assert (job.queued_at, job.traceparent) == (None, None)
