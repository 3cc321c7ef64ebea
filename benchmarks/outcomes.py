"""What became of each request: right, wrong, refused for a good reason, or lost."""

import threading
import time
from collections import Counter
from dataclasses import dataclass, field

import requests

# How long after its end an outage may still be the reason of a 503: workers look for Redis once a second, and show
# themselves alive once a second.
SETTLE_S = 5.0


@dataclass(frozen=True)
class Upload:
    """Something to send, and the right answer to it.

    Attributes:
        content: the body.
        kind: its content type.
        status: of the right answer.
        label: the class that must come first; None where the right answer names none.
    """

    content: bytes
    kind: str
    status: int
    label: str | None = None


class Outages:
    """When the service could not work, on purpose, so that a refusal was right; safe to use from many threads."""

    def __init__(self) -> None:
        self._spans: list[tuple[float, float]] = []

    def note(self, settle_s: float = SETTLE_S) -> None:
        """Tell that there is an outage now, felt for a while after; said again and again, it is one that lasts."""
        now = time.monotonic()
        if self._spans and now <= self._spans[-1][1]:
            start, end = self._spans[-1]
            self._spans[-1] = (start, max(end, now + settle_s))
        else:
            self._spans.append((now, now + settle_s))

    def explain(self, began: float, ended: float) -> bool:
        """Tell whether a refusal of a request in that span of time has an outage as its reason."""
        return any(start <= ended and began <= end for start, end in self._spans)


@dataclass
class Outcomes:
    """Counts of all threads together.

    Attributes:
        refused: 503 with Retry-After during an outage, by the service's own words.
        wrong: what was answered instead of the right answer.
        lost: all that is neither an answer nor such a refusal.
        moved: how often a client found its web server gone, and went to another.
    """

    outages: Outages
    right: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    wrong: Counter[str] = field(default_factory=Counter)
    lost: Counter[str] = field(default_factory=Counter)
    moved: int = 0
    slowest_answer_s: float = 0.0
    slowest_recovery_s: float = 0.0
    _recovering_since: float | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def total(self) -> int:
        """How many requests have come to an end."""
        return self.right + self.refused.total() + self.wrong.total() + self.lost.total()

    def answered(self, upload: Upload, response: requests.Response, began: float) -> None:
        """Judge one answer."""
        ended = time.monotonic()
        with self._lock:
            if response.status_code == 503:
                self._count_refusal(response, began, ended)
            elif response.status_code not in (200, 400):
                self.lost[f"{response.status_code} {_words(response)}, id {_id(response)}"] += 1
            elif (said := _said(response)) == (upload.status, upload.label):
                self.right += 1
                self.slowest_answer_s = max(self.slowest_answer_s, ended - began)
                if upload.label:
                    # Bad uploads are answered without Redis.
                    self._count_recovery(ended)
            else:
                self.wrong[f"{said} instead of {(upload.status, upload.label)}, id {_id(response)}"] += 1

    def failed(self, error: requests.RequestException, began: float) -> None:
        """Count a request without an answer."""
        with self._lock:
            self.lost[f"{type(error).__name__} after {time.monotonic() - began:.1f} s: {error}"] += 1

    def moved_on(self) -> None:
        """Count a client that has gone to another web server."""
        with self._lock:
            self.moved += 1

    def expect_recovery(self) -> None:
        """Tell that an outage has just ended: the next right answer is the recovery."""
        with self._lock:
            self._recovering_since = time.monotonic()

    def _count_recovery(self, ended: float) -> None:
        if self._recovering_since is not None:
            self.slowest_recovery_s = max(self.slowest_recovery_s, ended - self._recovering_since)
            self._recovering_since = None

    def _count_refusal(self, response: requests.Response, began: float, ended: float) -> None:
        words = _words(response)
        if "Retry-After" not in response.headers:
            self.lost[f"503 without Retry-After: {words}"] += 1
        elif not self.outages.explain(began, ended):
            self.lost[f"503 without an outage: {words}"] += 1
        else:
            self.refused[words] += 1


def _said(response: requests.Response) -> tuple[int, str | None]:
    predictions = _fields(response).get("predictions")
    return response.status_code, predictions[0]["label"] if predictions else None


def _words(response: requests.Response) -> str:
    return str(_fields(response).get("detail", response.text[:100]))


def _id(response: requests.Response) -> str:
    return response.headers.get("X-Request-ID", "unknown")


def _fields(response: requests.Response) -> dict[str, list[dict[str, str]]]:
    try:
        fields: dict[str, list[dict[str, str]]] = response.json()
    except requests.JSONDecodeError:
        return {}
    return fields
