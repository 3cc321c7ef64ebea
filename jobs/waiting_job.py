"""A job whose request waits for it: first without an outcome, in the end with one."""

from errors import JobFailed, ServiceError, ServiceUnavailable
from jobs.observers import JobState
from jobs.protocol import Job, JobResult
from jobs.result_reader import ResultReader

# A job that seems lost may be on its way between two keys; after two such looks in a row it is not.
LOOKS_UNTIL_SURE = 2

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
        self._looks = 0

    def take(self, text: bytes) -> bool:
        """Take a result as the outcome; return False if there is one already, or the result cannot be read."""
        result = None if self.outcome else self._reader.read(text)
        if result is None:
            return False
        self.outcome = _error_of(result) or result
        return True

    def is_surely_gone(self, state: JobState) -> bool:
        """Count looks in a row that found it orphaned or lost; return whether it has to be pushed again."""
        self._looks = self._looks + 1 if state in (JobState.ORPHANED, JobState.LOST) else 0
        if self._looks < LOOKS_UNTIL_SURE:
            return False
        self._looks = 0
        return True


def _error_of(result: JobResult) -> ServiceError | None:
    if not result.error:
        return None
    return ServiceUnavailable(result.error, result.retry_after_s) if result.retry_after_s else JobFailed(result.error)
