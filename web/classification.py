"""From a request's pictures to their classes: through the result cache, the decoding processes and the queue."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from errors import ClientGone, DeadlineExceeded, ServiceError, ServiceUnavailable
from jobs.client import JobClient
from jobs.protocol import JobResult
from jobs.waiting_job import Outcome
from pictures.cell_pool import CellPool
from pictures.fair_semaphore import FairSemaphore
from pictures.side_by_side import decode_all
from settings import Settings
from telemetry.request_record import RequestRecord
from telemetry.web_metrics import WebMetrics
from web.result_cache import ResultCache

# A request waits for room no longer than this share of its time: decoding has to start within half of it.
ROOM_WAIT_SHARE = 0.25
# What a request brings of a picture: the content of its file, or what is wrong with it.
Picture = bytes | ServiceError


class Classified(NamedTuple):
    """What became of a picture.

    Attributes:
        id: of the job, in the log of every process.
        outcome: a result or an error.
        cached: the result is an earlier one.
    """

    id: str
    outcome: Outcome
    cached: bool = False


class Classification:
    """Safe to use from many threads."""

    def __init__(
        self, settings: Settings, jobs: JobClient, cells: CellPool, cache: ResultCache, metrics: WebMetrics
    ) -> None:
        self._request_timeout_s = settings.request_timeout_s
        self._max_extra = settings.web_threads
        # For the pictures that requests have besides their first one: so many are decoded and answered at once.
        self._extra = FairSemaphore(self._max_extra)
        self._jobs = jobs
        self._cells = cells
        self._cache = cache
        self._metrics = metrics

    def classify(
        self, pictures: Sequence[Picture], record: RequestRecord, client_gone: Callable[[], bool]
    ) -> list[Classified]:
        """Return what became of each picture, in the same order.

        Args:
            pictures: of one request.
            record: of the request; what happens is noted in it.
            client_gone: tells whether the client has hung up.

        Raises:
            ClientGone: it has.
        """
        deadline = time.monotonic() + self._request_timeout_s
        named = dict(zip(_ids(record.id, len(pictures)), pictures, strict=True))
        uploads = {name: picture for name, picture in named.items() if isinstance(picture, bytes)}
        keys = {name: self._cache.name(upload) for name, upload in uploads.items()}
        cached = self._find(keys, record) if self._cache.enabled and keys else {}
        missing = {name: upload for name, upload in uploads.items() if name not in cached}
        computed = self._compute_in_turn(missing, record, deadline, client_gone) if missing else {}
        for name, outcome in computed.items():
            if isinstance(outcome, JobResult):
                self._cache.store(keys[name], outcome)
        outcomes = _errors(named) | cached | computed
        return [Classified(name, outcomes[name], name in cached) for name in named]

    def _find(self, keys: Mapping[str, str], record: RequestRecord) -> dict[str, Outcome]:
        found = self._cache.find(list(keys.values()))
        record.cache.update("hit" if result else "miss" for result in found)
        return {name: result for name, result in zip(keys, found, strict=True) if result}

    def _compute_in_turn(
        self, uploads: Mapping[str, bytes], record: RequestRecord, deadline: float, client_gone: Callable[[], bool]
    ) -> dict[str, Outcome]:
        """Compute when there is room for all pictures: small files become large when they are decoded."""
        extra = min(len(uploads) - 1, self._max_extra)
        if extra == 0:
            return self._compute(uploads, record, deadline, client_gone)
        max_wait_s = ROOM_WAIT_SHARE * self._request_timeout_s
        if not self._extra.acquire(max_wait_s, extra):
            late = DeadlineExceeded(
                f"The server is overloaded: it had no room for the pictures within {max_wait_s:g} s."
            )
            return dict.fromkeys(uploads, late)
        try:
            if client_gone():
                raise ClientGone("The client has closed the connection.")
            return self._compute(uploads, record, deadline, client_gone)
        finally:
            self._extra.release(extra)

    def _compute(
        self, uploads: Mapping[str, bytes], record: RequestRecord, deadline: float, client_gone: Callable[[], bool]
    ) -> dict[str, Outcome]:
        try:
            self._jobs.check_admission()
        except ServiceUnavailable as error:
            return dict.fromkeys(uploads, error.detached())
        started = time.perf_counter()
        pictures = decode_all(self._cells, list(uploads.values()), client_gone, deadline)
        decoded = dict(zip(uploads, pictures, strict=True))
        queued = time.perf_counter()
        record.decoding = (started, queued)
        outcomes = _errors(decoded)
        pixels = {name: each for name, each in decoded.items() if isinstance(each, bytes)}
        if pixels:
            outcomes |= self._submit(pixels, record, deadline, client_gone)
        if results := [outcome for outcome in outcomes.values() if isinstance(outcome, JobResult)]:
            decode_s, wait_s = queued - started, time.perf_counter() - queued
            self._metrics.classified(decode_s, wait_s, results)
            inference_s = max(result.inference_s for result in results)
            record.timing = {"decode": decode_s, "queue": wait_s - inference_s, "inference": inference_s}
        return outcomes

    def _submit(
        self, pixels: Mapping[str, bytes], record: RequestRecord, deadline: float, client_gone: Callable[[], bool]
    ) -> dict[str, Outcome]:
        try:
            return self._jobs.classify(pixels, deadline, client_gone, record.traceparent)
        except ServiceUnavailable as error:
            return dict.fromkeys(pixels, error.detached())


def _ids(request_id: str, count: int) -> list[str]:
    """Return the ids of a request's jobs; all begin with its own."""
    return [request_id] if count == 1 else [f"{request_id}-{number}" for number in range(count)]


def _errors(pictures: Mapping[str, Picture]) -> dict[str, Outcome]:
    return {name: picture for name, picture in pictures.items() if isinstance(picture, ServiceError)}
