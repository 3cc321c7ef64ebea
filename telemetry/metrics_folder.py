"""The temporary folder in which the processes of one web server share their metrics.

It is locked as long as one of these processes lives, so that a later web server can remove it if they were all killed.
"""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from logger import log

# Where the temporary folder is full, this is a file system of its own on Linux.
SHARED_MEMORY = Path("/dev/shm")  # noqa: S108
PREFIX = "classifier-metrics-"
# Only folders with this prefix are ever removed by others: they were locked before they got it.
LOCKED_PREFIX = "classifier-locked-metrics-"


@contextmanager
def metrics_folder(size: int) -> Iterator[Path | None]:
    """Make a folder with room for so many bytes, and remove it at the end; None where no folder has room."""
    _remove_abandoned()
    folder = _folder_with_room(size)
    if folder is None:
        yield None
        return
    parent = os.getpid()
    lock = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):  # a file system without locks
            fcntl.flock(lock, fcntl.LOCK_EX)
            folder = folder.rename(folder.with_name(folder.name.replace(PREFIX, LOCKED_PREFIX)))
        yield folder
    finally:
        # The children leave this block, too, when they end.
        if os.getpid() == parent:
            shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def _remove_abandoned() -> None:
    for parent in _parents():
        for folder in parent.glob(f"{LOCKED_PREFIX}*"):
            with suppress(OSError):  # locked, of another user, or just removed
                _remove_unless_locked(folder)


def _remove_unless_locked(folder: Path) -> None:
    lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        if os.fstat(lock).st_uid == os.geteuid():
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder)
    finally:
        os.close(lock)


def _parents() -> list[Path]:
    try:
        return [Path(tempfile.gettempdir()), SHARED_MEMORY]
    except OSError:  # it is full
        return [SHARED_MEMORY]


def _folder_with_room(size: int) -> Path | None:
    errors = []
    for parent in (None, SHARED_MEMORY):
        try:
            # A full temporary folder counts as none, and then mkdtemp raises as well.
            folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=parent))
        except OSError as error:
            errors.append(error)
            continue
        try:
            trial = folder / "trial"
            trial.write_bytes(bytes(size))
            trial.unlink()
        except OSError as error:
            errors.append(error)
            shutil.rmtree(folder, ignore_errors=True)
        else:
            return folder
    log("metrics_not_shared", level="warning", error="; ".join(map(str, errors)))
    return None
