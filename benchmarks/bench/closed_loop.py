"""Closed-loop rounds: each client sends its next request as soon as the last one is answered.

Unless another is given, the load generator is the one of the stress test: urllib3 in threads of this process, with a
pool of one keep-alive connection per client. It shares the cores with the service and is not free: about 0.9 ms of
processor time per request, where bare sockets with a prepared request take 0.2 ms. So each round reports the
generator's share.
"""

import os
import re
import statistics
import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from clients.load import Load
from clients.report import GOOD, percentiles
from clients.sender import Reply, Sender

TIMEOUT_S = 60
_TIMING_PART = re.compile(r"(\w+);dur=([\d.]+)")


@dataclass(frozen=True)
class Round:
    """The measurements of one round; latencies are those of successful requests.

    Attributes:
        answered: the number of successful requests, including the warm-up.
        failures: the number of requests with each other outcome.
        seconds: how long the round took, including the warm-up.
        images_per_s: successful requests per second, without the warm-up.
        server_timing_ms: the median of each part of the header Server-Timing.
        generator_share: the load generator's share of all cores.
        cpu_ms: processor time per request, by process; the load generator's is always there.
    """

    clients: int
    answered: int
    failures: dict[str, int]
    seconds: float
    images_per_s: float
    p50_ms: float
    p99_ms: float
    server_timing_ms: dict[str, float]
    generator_share: float
    cpu_ms: dict[str, float]


class RequestSender(Protocol):
    """What sends a round's requests; safe to use from many threads."""

    def request(self) -> Reply:
        """Send a request and return what came back."""


class NoAnswer(Exception):
    """No request was successful, so there is nothing to measure."""


class _Answer(NamedTuple):
    """A successful request; `arrived_at` is in seconds of `time.monotonic`."""

    arrived_at: float
    latency_s: float
    server_timing: str


class _Recorder:
    """Sends requests and records their answers; safe to use from many threads."""

    def __init__(self, sender: RequestSender) -> None:
        self._sender = sender
        self.answers: list[_Answer] = []

    def send(self) -> str:
        sent_at = time.monotonic()
        reply = self._sender.request()
        arrived_at = time.monotonic()
        if reply.outcome == GOOD:
            self.answers.append(_Answer(arrived_at, arrived_at - sent_at, reply.headers.get("Server-Timing", "")))
        return reply.outcome


@dataclass(frozen=True)
class _Recording:
    """A whole round before it is summarized: what was answered, when, and what that cost the load generator."""

    clients: int
    answers: Sequence[_Answer]
    failures: Mapping[str, int]
    began_at: float
    ended_at: float
    cpu_s: float


SenderContext = AbstractContextManager[RequestSender]


def measure_for(sender: SenderContext, clients: int, seconds: float, warm_up_s: float) -> Round:
    """Send for some seconds after a warm-up, and measure the requests that are answered in that window."""
    recording = _record(sender, clients, count=None, duration_s=warm_up_s + seconds)
    measured_from = recording.began_at + warm_up_s
    return _summary(recording, measured_from, measured_from + seconds)


def send_so_many(url: str, picture: bytes, clients: int, requests: int) -> Round:
    """Send a number of requests, without a warm-up."""
    recording = _record(forms(url, picture, clients), clients, count=requests, duration_s=None)
    return _summary(recording, recording.began_at, recording.ended_at)


def forms(url: str, picture: bytes, clients: int) -> SenderContext:
    """Return the stress test's sender, which sends the picture as a form."""
    return Sender(url, [picture], clients, TIMEOUT_S)


def _record(context: SenderContext, clients: int, count: int | None, duration_s: float | None) -> _Recording:
    stop = threading.Event()
    with context as sender:
        recorder = _Recorder(sender)
        began_at, cpu_before_s = time.monotonic(), time.process_time()
        load = Load(recorder.send, stop)
        try:
            load.closed_loop(clients, count, duration_s)
        finally:
            # So that the threads send nothing more after Ctrl-C.
            stop.set()
        ended_at, cpu_s = time.monotonic(), time.process_time() - cpu_before_s
    failures = Counter(sample.outcome for sample in load.results.samples if sample.outcome != GOOD)
    if not recorder.answers:
        raise NoAnswer(f"no request of {clients} clients was successful: {dict(failures)}")
    return _Recording(clients, recorder.answers, failures, began_at, ended_at, cpu_s)


def _summary(recording: _Recording, start: float, end: float) -> Round:
    """Measure the answers that arrived in a window; where there are none, those of the whole round."""
    measured = [answer for answer in recording.answers if start <= answer.arrived_at <= end]
    if not measured:
        measured, start, end = list(recording.answers), recording.began_at, recording.ended_at
    seconds, answered = recording.ended_at - recording.began_at, len(recording.answers)
    latency_ms = percentiles([answer.latency_s * 1000 for answer in measured])
    return Round(
        clients=recording.clients,
        answered=answered,
        failures=dict(recording.failures),
        seconds=seconds,
        images_per_s=len(measured) / (end - start),
        p50_ms=latency_ms["p50"],
        p99_ms=latency_ms["p99"],
        server_timing_ms=_median_timing_ms(measured),
        generator_share=recording.cpu_s / seconds / len(os.sched_getaffinity(0)),
        cpu_ms={"load generator": recording.cpu_s / answered * 1000},
    )


def _median_timing_ms(answers: Sequence[_Answer]) -> dict[str, float]:
    values: dict[str, list[float]] = {}
    for answer in answers:
        for name, milliseconds in _TIMING_PART.findall(answer.server_timing):
            values.setdefault(name, []).append(float(milliseconds))
    return {name: statistics.median(times) for name, times in values.items()}
