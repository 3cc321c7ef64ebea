"""A folder to make something in; what a process that was killed has left of its own, the next one removes."""

import fcntl
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

PREFIX = ".making-"
# In each such folder; locked for as long as its process lives.
LOCK = "lock"


@contextmanager
def scratch_folder(parent: Path) -> Iterator[Path]:
    """Make an empty folder that is removed at the end of the block, and remove those that nobody uses any more."""
    _remove_abandoned(parent)
    with tempfile.TemporaryDirectory(prefix=PREFIX, dir=parent) as scratch:
        unlocked = Path(scratch) / "unlocked"
        with unlocked.open("w") as lock:
            with suppress(OSError):  # on a file system without locks nothing is ever removed
                fcntl.flock(lock, fcntl.LOCK_EX)
            unlocked.rename(unlocked.with_name(LOCK))  # not before, lest another process take us for dead
            folder = Path(scratch) / "folder"
            folder.mkdir()
            yield folder


def _remove_abandoned(parent: Path) -> None:
    for scratch in parent.glob(f"{PREFIX}*"):
        # It is in use, or not locked yet, or another process removes it.
        with suppress(OSError), (scratch / LOCK).open("r+") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(scratch)
