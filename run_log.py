"""What `make run` prints, kept in a file as well, of which the oldest part is dropped."""

import contextlib
import logging
import sys
import threading
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import IO

from settings import PROJECT_DIR

RUN_LOG = PROJECT_DIR / ".cache" / "run.log"
# One file of this size, and the one before it.
MAX_BYTES = 10 * 1024 * 1024


def copy_output(output: IO[bytes], path: Path = RUN_LOG) -> threading.Thread:
    """Copy a program's output to our own and to the file, line by line, until its end.

    Returns:
        the thread that does it.
    """
    logger = logging.Logger("run")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        logger.addHandler(_File(path, maxBytes=MAX_BYTES, backupCount=1, encoding="utf-8"))
    except OSError as error:
        print(f"No log is kept: {error}", flush=True)
        logger.addHandler(logging.NullHandler())
    thread = threading.Thread(target=_copy, args=(output, logger), daemon=True)
    thread.start()
    return thread


def files(path: Path = RUN_LOG) -> list[Path]:
    """Return the files that there are, the older one first."""
    return [file for file in (path.with_name(f"{path.name}.1"), path) if file.exists()]


def _copy(output: IO[bytes], logger: logging.Logger) -> None:
    for line in output:
        with contextlib.suppress(OSError):  # the terminal is gone, but the rest shall end in order
            sys.stdout.buffer.write(line)
            sys.stdout.flush()
        logger.info("%s", line.decode(errors="replace").rstrip("\n"))
    for handler in logger.handlers:
        handler.close()


class _File(RotatingFileHandler):
    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802
        """Say nothing; a full disk would fill the terminal, too."""
