"""What both ends of the queue report: declared here, implemented by whoever counts."""

from dataclasses import dataclass
from enum import StrEnum


class Delivery(StrEnum):
    """How a web server received a result."""

    NOTIFIED = "notified"
    POLLED = "polled"


class JobState(StrEnum):
    """Where a job is, as far as its keys tell.

    ORPHANED jobs are claimed by a worker without a heartbeat; LOST ones are claimed by nobody although the queue has
    moved past them. UNKNOWN means that Redis could not be asked.
    """

    ANSWERED = "answered"
    WAITING = "waiting"
    ORPHANED = "orphaned"
    LOST = "lost"
    UNKNOWN = "unknown"


class Drop(StrEnum):
    """Why a worker dropped a job instead of computing it."""

    EXPIRED = "expired"
    MALFORMED = "malformed"


@dataclass(frozen=True)
class QueueState:
    """The number of waiting jobs, how many may wait, and the number of living workers."""

    depth: int
    capacity: int
    workers: int


class JobClientObserver:
    """Reports of a web server's end of the queue. This one ignores them."""

    def delivered(self, via: Delivery) -> None:
        """A result has arrived."""

    def requeued(self, state: JobState) -> None:
        """A job that was lost or orphaned has been pushed again."""


class JobConsumerObserver:
    """Reports of a worker's end of the queue. This one ignores them."""

    def dropped(self, reason: Drop) -> None:
        """A job has been dropped."""
