"""One log format for every process: a line is an event, and `grep ID` finds all events of a request.

    2026-01-31T12:00:00.123Z myhost-web-5000 run_web_server.py request_answered id=4f0c... status=200

The libraries' own records come in the same format, with the action `library`.
"""

import json
import logging
import re
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, TypedDict

from log_output import unblocked

_LOGGER = logging.getLogger("service")

# Printable ASCII without spaces, quotes, `=` and `\\`.
_is_plain = re.compile(r"[!#-&(-<>-\[\]-~]+").fullmatch

Level = Literal["debug", "info", "warning", "error"]
_LEVELS: dict[Level, int] = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}


class LogFields(TypedDict, total=False):
    """The fields that identify a request in the log."""

    id: str
    trace_id: str


def log(action: str, *, level: Level = "info", **fields: object) -> None:
    """Log one event.

    Args:
        action: what happened, as a short name such as `job_claimed`.
        level: its severity.
        fields: the details, except those that are None; `id` is the request's, `exc_info=True` adds the traceback of
            the exception that is being handled.
    """
    number = _LEVELS[level]
    if _LOGGER.isEnabledFor(number):
        exc_info = bool(fields.pop("exc_info", False))
        known = {name: value for name, value in fields.items() if value is not None}
        _LOGGER.log(number, action, extra={"fields": known}, exc_info=exc_info)


def configure_logging(server_name: str, log_format: Literal["text", "json"], log_level: str) -> None:
    """Write the records of this process, including the libraries', to standard error in one format."""
    formatter = _Formatter(server_name, Path(sys.argv[0]).name, as_json=log_format == "json")
    handler = logging.StreamHandler(unblocked(sys.stderr, formatter.lines_lost))
    handler.setFormatter(formatter)
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.captureWarnings(True)
    # Our format names neither the line of code nor the thread, and looking for them takes half of a record's time:
    # https://docs.python.org/3/howto/logging.html#optimization
    logging._srcfile = None
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    _LOGGER.setLevel(log_level.upper())


class _Formatter(logging.Formatter):
    def __init__(self, server_name: str, script: str, as_json: bool) -> None:
        super().__init__()
        self.server_name = server_name
        self.script = script
        self.as_json = as_json

    def format(self, record: logging.LogRecord) -> str:
        timestamp = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        timestamp = timestamp.replace("+00:00", "Z")
        action, fields = self._event(record)
        if self.as_json:
            head = {"timestamp": timestamp, "server": self.server_name, "script": self.script, "action": action}
            return json.dumps(head | fields, default=str)
        words = [timestamp, self.server_name, self.script, action]
        return " ".join([*words, *(f"{key}={quote(value)}" for key, value in fields.items())])

    def lines_lost(self, count: int) -> str:
        """Format the line that says how many lines nobody read."""
        record = logging.LogRecord(_LOGGER.name, logging.WARNING, "", 0, "log_lines_lost", (), None)
        record.fields = {"count": count}
        return f"{self.format(record)}\n"

    def _event(self, record: logging.LogRecord) -> tuple[str, dict[str, Any]]:
        fields: dict[str, Any] = {}
        if record.levelno != logging.INFO:
            fields["level"] = record.levelname.lower()
        if record.name == _LOGGER.name:
            action = record.getMessage()
            fields |= getattr(record, "fields", {})
        else:
            action = "library"
            fields |= {"logger": record.name, "message": record.getMessage()}
        if record.exc_info:
            fields["traceback"] = self.formatException(record.exc_info)
        return action, fields


def quote(value: object) -> str:
    """Format a value as one word, so that an event stays on one line whatever a client put into it."""
    if isinstance(value, float):
        value = f"{value:.6g}"
    text = str(value)
    return text if _is_plain(text) else json.dumps(text)
