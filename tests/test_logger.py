"""The log: one line per event, in the same format for our own events and those of libraries."""

import itertools
import json
import logging
import os
import pty
import re
import select
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

import log_output
from logger import configure_logging, log
from project import PROJECT_DIR

# More than any pipe, terminal or socket holds.
MANY_LINES = 5000
LOGGING_PACKAGES = ("http_server", "inference", "jobs", "pictures", "telemetry", "web", "worker")


@pytest.fixture(autouse=True)
def restore_logging() -> Iterator[None]:
    root = logging.getLogger()
    loggers = (root, logging.getLogger("service"))
    handlers, levels = root.handlers[:], [logger.level for logger in loggers]
    yield
    root.handlers[:] = handlers
    for logger, level in zip(loggers, levels, strict=True):
        logger.setLevel(level)
    logging.captureWarnings(False)


@pytest.fixture(autouse=True)
def script_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["/some/where/run_web_server.py"])


def test_an_event_is_one_line_of_time_server_script_action_and_fields(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("myhost-web", "text", "info")
    log("job_queued", id="4f0c", attempt=1)
    line = capsys.readouterr().err
    assert re.fullmatch(
        r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z myhost-web run_web_server.py job_queued id=4f0c attempt=1\n", line
    )


def test_clients_cannot_break_or_forge_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("web", "text", "info")
    log("request_answered", path="/x\n2026-01-01T00:00:00.000Z web forged id=1", name="a b=\u2028c\x1b[31m")
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert "\\u001b" in lines[0]


def test_json_lines_have_the_same_fields(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("web", "json", "info")
    log("job_done", id="4f0c", inference_ms=1.5)
    event = json.loads(capsys.readouterr().err)
    assert event["timestamp"].endswith("Z")
    del event["timestamp"]
    assert event == {
        "server": "web",
        "script": "run_web_server.py",
        "action": "job_done",
        "id": "4f0c",
        "inference_ms": 1.5,
    }


def test_records_of_libraries_have_the_same_format(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("web", "text", "info")
    logging.getLogger("some.library").warning("two words")
    assert capsys.readouterr().err.endswith(
        'web run_web_server.py library level=warning logger=some.library message="two words"\n'
    )


def test_a_traceback_is_on_the_line_of_its_event(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("web", "text", "info")
    try:
        raise ZeroDivisionError
    except ZeroDivisionError:
        log("unexpected_error", level="error", exc_info=True)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert "ZeroDivisionError" in lines[0]


def test_the_documentation_explains_every_event() -> None:
    code = [file.read_text() for package in LOGGING_PACKAGES for file in (PROJECT_DIR / package).glob("**/*.py")]
    actions = set(re.findall(r'\b(?:log|LogOnce)\(\s*"([a-z_]+)"', "".join(code)))
    assert len(actions) > 50
    rows = re.findall(r"^\| (`[a-z_]+.*?`) \|", (PROJECT_DIR / "docs" / "operations.md").read_text(), re.MULTILINE)
    names = re.findall("`([a-z_…]+)`", "".join(rows))
    families = tuple(name.removesuffix("…") for name in names if name.endswith("…"))
    assert {action for action in actions if not action.startswith(families)} - set(names) == set()


def test_events_below_the_log_level_are_not_logged(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("web", "text", "warning")
    log("job_done")
    log("job_expired", level="warning")
    assert "job_done" not in (errors := capsys.readouterr().err)
    assert "job_expired level=warning" in errors


@pytest.fixture(params=["pipe", "pipe of another user", "terminal", "socket"])
def reader(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """The file at the other end of standard error."""
    with ExitStack() as at_end:
        if request.param == "socket":
            ours, theirs = socket.socketpair()
            reader, writer = ours.detach(), theirs.detach()
        else:
            reader, writer = pty.openpty() if request.param == "terminal" else os.pipe()
        # Last, since that wakes a thread which waits for the reader.
        stream = os.fdopen(writer, "w", buffering=1)
        at_end.callback(stream.close)
        at_end.callback(os.close, reader)
        os.set_blocking(reader, False)
        monkeypatch.setattr(sys, "stderr", stream)
        if request.param == "pipe of another user":
            with monkeypatch.context() as patch:
                patch.setattr(os, "open", refuse)
                configure_logging("web", "text", "info")
        else:
            configure_logging("web", "text", "info")
        yield reader


def refuse(*_arguments: object) -> int:
    raise PermissionError


def log_lines(numbers: Iterator[int]) -> None:
    for _ in range(MANY_LINES):
        log("line", number=next(numbers))


def finishes(call: Callable[[], object]) -> bool:
    thread = threading.Thread(target=call, daemon=True)
    thread.start()
    thread.join(20)
    return not thread.is_alive()


def read_on(reader: int, numbers: Iterator[int]) -> tuple[int, list[str]]:
    """Go on logging until the last line can be read; return its number and all lines."""
    output = b""
    while True:
        log("line", number=(number := next(numbers)))
        while chunk := read_some(reader):
            output += chunk
        if f"number={number}".encode() in output:
            return number, output.decode().splitlines()


def read_some(reader: int) -> bytes:
    try:
        return os.read(reader, 1 << 20)
    except BlockingIOError:
        return b""


def test_where_nobody_reads_the_log_everything_goes_on_and_later_the_log_tells_how_many_lines_were_lost(
    reader: int,
) -> None:
    numbers = itertools.count(1)
    assert finishes(lambda: log_lines(numbers))
    last, lines = read_on(reader, numbers)
    pattern = re.compile(r"\S+Z web run_web_server.py (line number|log_lines_lost level=warning count)=(\d+)")
    events = [(match[1], int(match[2])) for line in lines if (match := pattern.fullmatch(line))]
    assert len(events) == len(lines)
    lost = [count for event, count in events if event.startswith("log_lines_lost")]
    assert sum(lost) > 0
    assert len(lines) - len(lost) + sum(lost) == last


def test_a_line_that_is_too_long_for_a_full_pipe_is_finished_before_the_next(reader: int) -> None:
    long = "x" * 500_000
    assert finishes(lambda: log("began", text=long))
    assert finishes(lambda: log("came_after", text=long))
    _, (first, *others) = read_on(reader, itertools.count())
    assert first.endswith(f"Z web run_web_server.py began text={long}")
    assert "log_lines_lost level=warning" in others[0]
    assert [line for line in others if "x" in line] == []


def test_a_reader_that_is_only_slow_loses_nothing(reader: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_output, "PATIENCE_S", 60)
    writer = threading.Thread(target=log_lines, args=[itertools.count(1)], daemon=True)
    writer.start()
    output = b""
    while f"number={MANY_LINES}\n".encode() not in output.replace(b"\r", b""):
        assert select.select([reader], [], [], 60)[0]
        output += read_some(reader)
    writer.join()
    assert b"log_lines_lost" not in output
    assert output.count(b"line number") == MANY_LINES
