"""Counts the outcome of each request: correct, wrong, refused for a good reason, or lost."""

import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import requests

# How long after its end an outage may still cause a 503: workers try to reconnect and send heartbeats once a second.
GRACE_S = 5.0


# A status, and the class that must come first; None where there are no classes.
Answer = tuple[int, str | None]


@dataclass(frozen=True)
class Upload:
    """A picture and the expected answer.

    Attributes:
        content: the file's.
        content_type: of the file.
        status: the expected HTTP status.
        label: the class that must come first; None where the answer has no classes.
    """

    content: bytes
    content_type: str
    status: int
    label: str | None = None

    @property
    def answer(self) -> Answer:
        """The expected answer."""
        return self.status, self.label


class Outages:
    """The periods in which injected faults justify a refusal; safe to use from many threads."""

    def __init__(self) -> None:
        self._periods: list[tuple[float, float]] = []

    def record(self, grace_s: float = GRACE_S) -> None:
        """Record an outage from now until the grace period is over; repeated calls extend it."""
        now = time.monotonic()
        if self._periods and now <= self._periods[-1][1]:
            start, end = self._periods[-1]
            self._periods[-1] = (start, max(end, now + grace_s))
        else:
            self._periods.append((now, now + grace_s))

    def overlap(self, began: float, ended: float) -> bool:
        """Tell whether there was an outage during a request."""
        return any(start <= ended and began <= end for start, end in self._periods)


@dataclass
class Tally:
    """The outcomes of all requests; safe to use from many threads.

    Attributes:
        correct: requests.
        pictures: of these, since one may have several.
        refused: 503 with Retry-After during an outage, by the answer's `detail`.
        wrong: other answers than the expected one.
        lost: requests with neither an answer nor such a refusal.
        failovers: how often a client's web server was gone, so that it went to another one.
    """

    outages: Outages
    correct: int = 0
    pictures: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    wrong: Counter[str] = field(default_factory=Counter)
    lost: Counter[str] = field(default_factory=Counter)
    failovers: int = 0
    slowest_answer_s: float = 0.0
    slowest_recovery_s: float = 0.0
    _recovering_since: float | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def total(self) -> int:
        """The number of finished requests."""
        return self.correct + self.refused.total() + self.wrong.total() + self.lost.total()

    def count_answer(self, uploads: Sequence[Upload], response: requests.Response, began: float) -> None:
        """Judge one answer; that to several pictures is correct if it is so for each."""
        ended = time.monotonic()
        expected, answers = [upload.answer for upload in uploads], _answers(response)
        with self._lock:
            if response.status_code == 503:
                self._count_refusal(response, began, ended)
            elif lost := [status for status, _ in answers if status not in (200, 400)]:
                self.lost[f"{lost} {_detail(response)}, id {_id(response)}"] += 1
            elif answers == expected:
                self.correct += 1
                self.pictures += len(uploads)
                self.slowest_answer_s = max(self.slowest_answer_s, ended - began)
                if any(label for _, label in expected):
                    # Bad uploads are answered without Redis.
                    self._count_recovery(ended)
            else:
                self.wrong[f"{answers} instead of {expected}, id {_id(response)}"] += 1

    def count_failure(self, error: requests.RequestException, began: float) -> None:
        """Count a request without an answer."""
        with self._lock:
            self.lost[f"{type(error).__name__} after {time.monotonic() - began:.1f} s: {error}"] += 1

    def count_failover(self) -> None:
        """Count a client that goes to another web server."""
        with self._lock:
            self.failovers += 1

    def expect_recovery(self) -> None:
        """Start measuring the time from the end of an outage to the next correct answer."""
        with self._lock:
            self._recovering_since = time.monotonic()

    def _count_recovery(self, ended: float) -> None:
        if self._recovering_since is not None:
            self.slowest_recovery_s = max(self.slowest_recovery_s, ended - self._recovering_since)
            self._recovering_since = None

    def _count_refusal(self, response: requests.Response, began: float, ended: float) -> None:
        detail = _detail(response)
        if "Retry-After" not in response.headers:
            self.lost[f"503 without Retry-After: {detail}"] += 1
        elif not self.outages.overlap(began, ended):
            self.lost[f"503 without an outage: {detail}"] += 1
        else:
            self.refused[detail] += 1


def _answers(response: requests.Response) -> list[Answer]:
    """Return the answer to each picture, or the only one."""
    fields = _fields(response)
    results = fields.get("results")
    if results is None:
        return [(response.status_code, _label(fields))]
    return [(200 if result["success"] else result["status"], _label(result)) for result in results]


def _label(fields: Mapping[str, Any]) -> str | None:
    predictions = fields.get("predictions")
    return predictions[0]["label"] if predictions else None


def _detail(response: requests.Response) -> str:
    return str(_fields(response).get("detail", response.text[:100]))


def _id(response: requests.Response) -> str:
    return response.headers.get("X-Request-ID", "unknown")


def _fields(response: requests.Response) -> dict[str, Any]:
    try:
        fields: dict[str, Any] = response.json()
    except requests.JSONDecodeError:
        return {}
    return fields
