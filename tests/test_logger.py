"""The log: one line per event, in the same format for our own events and those of libraries."""

import json
import logging
import re
import sys
from collections.abc import Iterator

import pytest

from logger import configure_logging, log
from project import PROJECT_DIR

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
