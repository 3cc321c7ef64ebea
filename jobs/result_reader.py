"""Reads the results of one request; one that cannot be read counts as none."""

from jobs.protocol import Job, JobResult
from logger import log


class ResultReader:
    """Logs the first unreadable result of its request.

    Args:
        job: whose results these are.
    """

    def __init__(self, job: Job) -> None:
        self._job = job
        self._logged = False

    def read(self, text: bytes) -> JobResult | None:
        """Return the result; None if it cannot be read."""
        try:
            return JobResult.from_json(text)
        except ValueError as error:
            if not self._logged:
                self._logged = True
                log("result_unreadable", level="warning", **self._job.log_fields, bytes=len(text), reason=error)
            return None
