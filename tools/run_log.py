"""The output of `make run`: shown, and kept in a file of which the oldest part is dropped."""

import contextlib
import logging
import sys
import threading
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import IO

from project import PROJECT_DIR

RUN_LOG = PROJECT_DIR / ".cache" / "run.log"
# Of the current file, and of the one before it.
MAX_BYTES = 10 * 1024 * 1024


def copy_output(output: IO[bytes], as_json: bool, path: Path = RUN_LOG) -> threading.Thread:
    """Copy a program's output to our own and to the file, line by line, until its end.

    Args:
        output: the program's.
        as_json: lines that are not JSON go to standard error.
        path: of the file.

    Returns:
        the thread that does it.
    """
    logger = logging.Logger("run")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        logger.addHandler(_QuietFile(path, maxBytes=MAX_BYTES, backupCount=1, encoding="utf-8"))
    except OSError as error:
        print(f"No log is kept: {error}", file=sys.stderr, flush=True)
        logger.addHandler(logging.NullHandler())
    thread = threading.Thread(target=_copy, args=(output, as_json, logger), daemon=True)
    thread.start()
    return thread


def log_files(path: Path = RUN_LOG) -> list[Path]:
    """Return the files that exist, the older one first."""
    return [file for file in (path.with_name(f"{path.name}.1"), path) if file.exists()]


def _copy(output: IO[bytes], as_json: bool, logger: logging.Logger) -> None:
    for line in output:
        target = sys.stderr if as_json and not line.startswith(b"{") else sys.stdout
        with contextlib.suppress(OSError):  # the terminal is gone, but the rest must end in order
            target.buffer.write(line)
            target.flush()
        logger.info("%s", line.decode(errors="replace").rstrip("\n"))
    for handler in logger.handlers:
        handler.close()


class _QuietFile(RotatingFileHandler):
    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802
        """Ignore errors; those of a full disk would fill the terminal, too."""
