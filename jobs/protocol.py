"""What web servers and workers agree on: the keys in Redis, and the messages in them."""

from dataclasses import dataclass
from typing import Any, Self

import orjson

from helpers import decode_pixels, encode_pixels
from jobs.message_reader import read_message
from jobs.trace_context import parse_traceparent, trace_fields
from logger import LogFields
from settings import Settings

# The year 2286: in milliseconds it still has the 13 digits that Redis accepts as an expiry time.
LATEST_DEADLINE = 1e10
# The upper bound of MAX_ATTEMPTS in settings.py.
MOST_ATTEMPTS = 1000


class Keys:
    """All keys and channels, in the namespace that KEY_PREFIX gives."""

    def __init__(self, settings: Settings) -> None:
        self._prefix = settings.key_prefix
        self.queue = self._prefix + settings.image_queue
        self.workers = self._prefix + "workers"

    def claim(self, job_id: str) -> str:
        """The key that holds the name of the worker that took the job."""
        return f"{self._prefix}claim:{job_id}"

    def result(self, job_id: str) -> str:
        """The key of the job's result, and the channel on which it is published."""
        return f"{self._prefix}result:{job_id}"

    def cached(self, network: str, picture: str) -> str:
        """The key of a cached result, by the hashes of network and picture."""
        return f"{self._prefix}cache:{network}:{picture}"

    def worker(self, name: str) -> str:
        """The key that exists as long as the worker sends heartbeats."""
        return f"{self._prefix}worker:{name}"

    @property
    def rate_limit(self) -> str:
        """The prefix of the rate limit's counters."""
        return f"{self._prefix}limit"


@dataclass(frozen=True)
class Job:
    """One picture to classify.

    Attributes:
        image: height x width x channels uint8 pixels in C order.
        deadline: when the client stops waiting, in seconds of Redis's own clock.
        attempt: 1 for the first worker that takes it.
        queued_at: when it was first pushed, in seconds of Redis's own clock; None when unknown.
        traceparent: the trace that it belongs to, as W3C Trace Context writes it; None for no trace.
    """

    id: str
    image: bytes
    deadline: float
    attempt: int = 1
    queued_at: float | None = None
    traceparent: str | None = None

    @property
    def log_fields(self) -> LogFields:
        """The fields that identify the job in the log."""
        return LogFields(id=self.id) | trace_fields(self.traceparent)

    def to_json(self) -> bytes:
        """Return the job as it stands in the queue; the pixels come last, so that the rest is quickly read."""
        values: dict[str, object] = {"id": self.id, "deadline": self.deadline, "attempt": self.attempt}
        if self.queued_at:
            values["queued_at"] = self.queued_at
        if self.traceparent:
            values["traceparent"] = self.traceparent
        return orjson.dumps(values | {"image": encode_pixels(self.image)})

    @classmethod
    def from_fields(cls, values: dict[str, Any], image_bytes: int) -> Self:
        """Build a job from the fields of its JSON.

        Raises:
            WrongSize: its picture is of another size than `image_bytes`.
            ValueError: a field is missing or invalid.
        """
        try:
            image = decode_pixels(values["image"], image_bytes)
            job = cls(
                str(values["id"]),
                image,
                float(values["deadline"]),
                int(values["attempt"]),
                _time(values.get("queued_at")),
                parse_traceparent(values.get("traceparent")),
            )
        except (KeyError, TypeError, OverflowError) as error:
            raise ValueError(f"a field is missing or has the wrong type: {error}") from error
        if not 0 < job.deadline < LATEST_DEADLINE:
            raise ValueError(f"deadline must be a time in seconds, not {job.deadline}")
        if not 1 <= job.attempt <= MOST_ATTEMPTS:
            raise ValueError(f"attempt must be between 1 and {MOST_ATTEMPTS}, not {job.attempt}")
        return job


@dataclass(frozen=True)
class Prediction:
    """A class and its probability, from 0 to 1.

    Attributes:
        index: of the class among the network's outputs; None when unknown.
    """

    label: str
    probability: float
    index: int | None = None


@dataclass(frozen=True)
class JobResult:
    """A worker's answer to a job: the most likely classes, the best first, or an error.

    Attributes:
        inference_s: how long the network took for the whole batch, in seconds.
        batch_size: the number of pictures in it.
        fingerprint: of the network that made the predictions, see `WorkerInfo`.
        precision: the numbers in which they were computed; empty when unknown.
        retry_after_s: when another attempt at a job with an error may succeed, in seconds; None where it would not.
    """

    id: str
    worker: str
    model: str
    predictions: tuple[Prediction, ...] = ()
    error: str | None = None
    inference_s: float = 0.0
    batch_size: int = 0
    fingerprint: str = ""
    precision: str = ""
    retry_after_s: int | None = None

    def to_json(self) -> bytes:
        """Return the result as it is stored and published."""
        return orjson.dumps(self)

    @classmethod
    def from_json(cls, text: bytes | str) -> Self:
        """Read what `to_json` wrote.

        Raises:
            ValueError: the text is something else.
        """
        result = read_message(cls, text)
        if not result.predictions and result.error is None:
            raise ValueError("there are neither predictions nor an error")
        return result


@dataclass(frozen=True)
class WorkerInfo:
    """What a living worker tells about itself with every heartbeat.

    Attributes:
        fingerprint: equal for workers that give the same results; empty when unknown.
        crop: how its network's pictures are to be cropped, as CROP_MODE and CROP_PCT say; empty when unknown.
        precision: the numbers in which its network is computed; empty when unknown.
        uptime_s: how long it had been serving when it sent the heartbeat, in seconds; None when unknown.
        shape: of the pictures that its network takes, as `ImageShape` says it; empty when unknown.
    """

    name: str
    model: str
    engine: str
    batch_size: int
    note: str
    host: str
    pid: int
    images_done: int = 0
    fingerprint: str = ""
    crop: str = ""
    precision: str = ""
    uptime_s: float | None = None
    shape: str = ""

    def to_json(self) -> bytes:
        """Return the heartbeat as it is stored."""
        return orjson.dumps(self)

    @classmethod
    def from_json(cls, text: bytes | str) -> Self:
        """Read what `to_json` wrote.

        Raises:
            ValueError: the text is something else.
        """
        return read_message(cls, text)


def _time(value: object) -> float | None:
    return value if isinstance(value, float) and 0 < value < LATEST_DEADLINE else None
