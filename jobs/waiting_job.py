"""A job whose request waits for it: first without an outcome, in the end with one."""

import time

from errors import JobFailed, ServiceError, ServiceUnavailable
from jobs.observers import JobState
from jobs.protocol import Job, JobResult
from jobs.result_reader import ResultReader

# A job that seems lost may be on its way between two keys, for up to a second while a worker fills its batch. It is not
# after so many such looks in a row, and so many seconds since it was last pushed or found.
LOOKS_UNTIL_SURE = 2
SURE_AFTER_S = 2

# What a picture gets: its classes, or an error of its own.
Outcome = JobResult | ServiceError


class WaitingJob:
    """For one thread.

    Args:
        job: as it stands in the queue.

    Attributes:
        outcome: None as long as the request waits for it.
    """

    def __init__(self, job: Job) -> None:
        self.job = job
        self.outcome: Outcome | None = None
        self._reader = ResultReader(job)
        self._start_watching()

    def take(self, text: bytes) -> bool:
        """Take a result as the outcome; return False if there is one already, or the result cannot be read."""
        result = None if self.outcome else self._reader.read(text)
        if result is None:
            return False
        self.outcome = _error_of(result) or result
        return True

    def is_surely_gone(self, state: JobState) -> bool:
        """Note the state that a look has found; return whether it has to be pushed again, as orphaned or lost."""
        if state not in (JobState.ORPHANED, JobState.LOST):
            self._start_watching()
            return False
        self._looks += 1
        if self._looks < LOOKS_UNTIL_SURE or time.monotonic() - self._watched_since < SURE_AFTER_S:
            return False
        self._start_watching()
        return True

    def _start_watching(self) -> None:
        self._looks = 0
        self._watched_since = time.monotonic()


def _error_of(result: JobResult) -> ServiceError | None:
    if not result.error:
        return None
    return ServiceUnavailable(result.error, result.retry_after_s) if result.retry_after_s else JobFailed(result.error)
