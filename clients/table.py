"""The file that `classify.py` writes: rows are only ever added, and each is there as a whole or not at all."""

import fcntl
import os
import threading
from contextlib import suppress
from enum import Enum
from pathlib import Path
from typing import Self

from clients.hash_map import HashMap
from clients.rows import CsvRows, JsonRows, Row, RowFormat, key_of

FORMATS: dict[str, type[RowFormat]] = {".csv": CsvRows, ".jsonl": JsonRows}


# A version that no file has.
NOT_DONE = 0


class TableError(Exception):
    """The table cannot be written there."""


class Existing(Enum):
    """What becomes of a table that is there already."""

    REFUSE = "refuse"
    RESUME = "resume"
    OVERWRITE = "overwrite"


class Table:
    """Rows in a file; to be used with `with`, and from any thread.

    A row is in the file when `append` returns, so the end of the process costs none.

    Args:
        path: ends in .csv or .jsonl, which chooses the format.
        existing: what to do with a file that is there.

    Attributes:
        done: the files that need not be sent again, by `key_of`; whoever sends others adds theirs.

    Raises:
        TableError: there is a file, another run writes it, or it is no such table.
        OSError: it cannot be opened.
    """

    def __init__(self, path: Path, existing: Existing) -> None:
        self.path = path
        self.done = HashMap()
        self._format = format_of(path)
        self._lock = threading.Lock()
        if existing is Existing.REFUSE and path.exists():
            raise TableError(f"{path} exists; --resume goes on with it, --overwrite replaces it")
        self._file = path.open("ab+", buffering=0)
        try:
            self._lock_file()
            self._file.truncate(0 if existing is Existing.OVERWRITE else self._whole_bytes())
            if self._file.seek(0, os.SEEK_END) == 0:
                self._write(self._format.header)
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Leave all rows on the disk; those that come later are not written."""
        with self._lock:
            if not self._file.closed:
                os.fsync(self._file.fileno())
                self._file.close()

    def append(self, row: Row) -> bool:
        """Write a row, and tell whether it was; once the table is closed, it is not.

        Raises:
            OSError: it cannot be written, as when the disk is full.
        """
        line = self._format.line(row)
        with self._lock:
            if self._file.closed:
                return False
            self._write(line)
        return True

    def _write(self, line: str) -> None:
        """Write a line as a whole, or nothing of it."""
        data = f"{line}\n".encode() if line else b""
        end = self._file.seek(0, os.SEEK_END)
        try:
            while data:
                data = data[self._file.write(data) :]
        except OSError:
            self._file.truncate(end)
            raise

    def _lock_file(self) -> None:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise TableError(f"{self.path} is being written by another run") from error
        except OSError:  # some network file systems have no locks
            return

    def _whole_bytes(self) -> int:
        """Remember the rows that are there, and return where the last whole line ends.

        Raises:
            TableError: this is no such table.
        """
        opening = self._format.opening.encode()
        with self.path.open("rb") as file:
            begin = file.read(len(opening))
            if not opening.startswith(begin):
                raise TableError(f"{self.path} is not a table of this program; --overwrite replaces it")
            if begin != opening:  # torn
                return 0
            file.seek(0)
            whole_bytes = 0
            for line in file:
                if line.endswith(b"\n"):
                    whole_bytes += len(line)
                    # The header is no row, nor is a line that somebody has damaged.
                    with suppress(ValueError):
                        self._remember(self._format.read(line.decode().removesuffix("\n")))
        return whole_bytes

    def _remember(self, row: Row) -> None:
        path, version = key_of(row.path, row.bytes, row.modified)
        # The last row of a path counts.
        self.done.put(path, version if row.is_good or row.is_refused else NOT_DONE)


def format_of(path: Path) -> RowFormat:
    """Return how rows are written in a file of this name.

    Raises:
        TableError: its ending is not known.
    """
    if path.suffix not in FORMATS:
        raise TableError(f"{path}: the name of a table ends in {' or '.join(FORMATS)}")
    return FORMATS[path.suffix]()
