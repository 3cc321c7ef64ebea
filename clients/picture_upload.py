"""A file on its way to the service: what tells it from others, and its content, read while it is sent."""

import os
import stat
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from io import RawIOBase

from clients.rows import Row, key_of, path_text
from clients.walk import Found

# The service reads no more of what it refuses, so nobody would see its answer; it takes 10 MiB by default.
MAX_FILE_BYTES = 100 * 1024 * 1024
TOO_LARGE = f"It has more than {MAX_FILE_BYTES // 1024**2} MiB and was not sent"
BLOCK_BYTES = 64 * 1024


@dataclass(frozen=True)
class Picture:
    """A file that was found.

    Attributes:
        path: where it is.
        row: the beginning of its row; with a problem if it cannot be sent.
    """

    path: str
    row: Row

    @classmethod
    def of(cls, found: Found) -> "Picture":
        """Look at a file."""
        text = path_text(found.path)
        try:
            status = os.stat(found.path)
        except (OSError, ValueError) as error:
            return cls(found.path, Row(text, problem=found.problem or _reason(error)))
        row = Row(text, status.st_size, _timestamp(status.st_mtime_ns), problem=found.problem or _obstacle(status))
        return cls(found.path, row)

    @property
    def key(self) -> tuple[int, int]:
        """What tells it from others, and from itself after a change."""
        return key_of(self.row.path, self.row.bytes, self.row.modified)


class Unreadable(Exception):
    """The file cannot be read, or no longer; the message says why."""


@contextmanager
def opened(path: str) -> Iterator[tuple[Iterator[bytes], int]]:
    """Yield the blocks of a file's content, and its size.

    A file may be of any size, and many are in flight at once: read whole, they could take all memory.

    Raises:
        Unreadable: it cannot be opened; whoever takes the blocks may get it, too.
    """
    with ExitStack() as stack:
        try:
            file = stack.enter_context(open(path, "rb", buffering=0))
        except OSError as error:
            raise Unreadable(_reason(error)) from error
        size = os.fstat(file.fileno()).st_size
        yield _blocks(file, size), size


def _blocks(file: RawIOBase, size: int) -> Iterator[bytes]:
    """Yield exactly as many bytes as were promised."""
    while size:
        try:
            block = file.read(min(size, BLOCK_BYTES))
        except OSError as error:
            raise Unreadable(_reason(error)) from error
        if not block:
            raise Unreadable("It became shorter while it was sent")
        size -= len(block)
        yield block


def _obstacle(status: os.stat_result) -> str | None:
    if not stat.S_ISREG(status.st_mode):
        return "This is not a file"
    if status.st_size > MAX_FILE_BYTES:
        return TOO_LARGE
    return None


def _timestamp(ns: int) -> str:
    """Return a time in UTC as ISO 8601 has it, to the nanosecond."""
    seconds, ns = divmod(ns, 10**9)
    try:
        return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(seconds))}.{ns:09}Z"
    except (OverflowError, ValueError):  # some file systems hold any 64 bits
        return f"{seconds}.{ns:09}"


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)
