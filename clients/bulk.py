"""Classifies any number of files in threads, each of which holds one file at a time."""

import threading
from collections.abc import Callable, Sequence

from clients.classification import Classification, Unanswered
from clients.pace import GaveUp, Pace
from clients.picture_queue import PictureQueue
from clients.picture_upload import Picture
from clients.rows import Row
from clients.table import Table
from clients.walk import walk


class Bulk:
    """One run over the files that a command line names.

    Args:
        names: of files and folders, and patterns.
        table: gets a row for each file that is not in it.
        classification: answers.
        pace: when requests may begin.
        is_ready: asks the service whether it is.

    Attributes:
        classified: how many files were.
        refused: how many are no pictures that the service takes.
        to_repeat: how many failed for another reason, so that `--resume` tries them again.
        total: how many there are to do; None until they have been counted.
        fatal: why the run could not go on.
    """

    def __init__(
        self,
        names: Sequence[str],
        table: Table,
        classification: Classification,
        pace: Pace,
        is_ready: Callable[[], bool],
    ) -> None:
        self._names = names
        self._table = table
        self._classify = classification.classify
        self._pace = pace
        self._queue = PictureQueue(map(Picture.of, walk(names, table.path)), table.done, pace, is_ready)
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []
        self._stopped = False
        self._found: int | None = None
        self.classified = self.refused = self.to_repeat = 0
        self.fatal: str | None = None

    @property
    def finished(self) -> int:
        """How many have got a row."""
        return self.classified + self.failed

    @property
    def failed(self) -> int:
        """How many of these were not classified."""
        return self.refused + self.to_repeat

    @property
    def skipped(self) -> int:
        """How many were in the table already, or were named twice."""
        return self._queue.skipped

    @property
    def in_flight(self) -> int:
        """How many are at the service."""
        return self._pace.in_flight

    @property
    def total(self) -> int | None:
        """How many are to be done; None until they have been counted."""
        return None if self._found is None else self._found - self.skipped

    @property
    def is_running(self) -> bool:
        """Whether there are files left."""
        return any(thread.is_alive() for thread in self._threads)

    def start(self, threads: int) -> None:
        """Begin, and count the files meanwhile."""
        self._threads = [self._thread(self._work) for _ in range(threads)]
        try:
            for thread in [*self._threads, self._thread(self._count_files)]:
                thread.start()
        except (RuntimeError, MemoryError):
            self._end(f"The system has no room for {threads} threads; choose a lower --concurrency")

    def join(self, timeout_s: float) -> None:
        """Wait for the end of one thread at most so long, in seconds."""
        for thread in self._threads:
            if thread.is_alive():
                thread.join(timeout_s)
                return

    def stop(self) -> None:
        """Begin with no more files; those in flight are finished."""
        self._stopped = True
        self._pace.stop()

    def _thread(self, run: Callable[[], None]) -> threading.Thread:
        # A daemon, so that a second Ctrl-C can end the program without waiting for answers.
        return threading.Thread(target=self._guarded, args=(run,), daemon=True)

    def _guarded(self, run: Callable[[], None]) -> None:
        try:
            run()
        except GaveUp as error:
            self._end(str(error))
        except OSError as error:
            self._end(f"{self._table.path}: {error.strerror}")
        except BaseException as error:
            self._end(f"{type(error).__name__}: {error}")
            raise

    def _end(self, why: str) -> None:
        with self._lock:
            self.fatal = self.fatal or why
        self.stop()

    def _work(self) -> None:
        while not self._stopped and (turn := self._queue.next()):
            row = turn.picture.row if turn.picture.row.problem else self._classify(turn.picture)
            if isinstance(row, Unanswered):
                self._pace.rest(row.wait_s)
                self._queue.put_aside(turn, row)
            elif row is None or not self._table.append(row):
                return
            else:
                self._count(row)

    def _count(self, row: Row) -> None:
        with self._lock:
            self.classified += row.is_good
            self.refused += row.is_refused
            self.to_repeat += not (row.is_good or row.is_refused)

    def _count_files(self) -> None:
        count = 0
        for _ in walk(self._names, self._table.path):
            count += 1
            if self._stopped:
                return
        self._found = count

    def summary(self, seconds: float) -> str:
        """Return the figures for a terminal."""
        speed = f"{self.finished / seconds:.1f} a second" if seconds else "at once"
        lines = [f"{self.finished} files in {seconds:.1f} s: {speed}", f"  classified: {self.classified}"]
        others = {"not pictures": self.refused, "failed": self.to_repeat, "done before": self.skipped}
        return "\n".join(lines + [f"  {name}: {count}" for name, count in others.items() if count])
