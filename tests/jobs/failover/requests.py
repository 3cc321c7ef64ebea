"""Requests and a worker in one process, with a Redis that fails over."""

import itertools
from collections.abc import Iterator
from contextlib import contextmanager

from errors import ServiceUnavailable
from jobs.client import JobClient
from settings import Settings
from tests.conftest import heartbeat
from tests.support.batch_loops import ONE_PIXEL, HeldNetwork, lanes
from tests.support.fake_worker import classify_one, request_deadline

QUICK: dict[str, object] = {**ONE_PIXEL, "poll_interval_s": 0.3, "heartbeat_ttl_s": 2}
# From when another master was elected; `make network` checks 5 s, on a machine that does nothing else.
BACK_WITHIN_S = 30

numbers = itertools.count(1)


@contextmanager
def working(settings: Settings) -> Iterator[HeldNetwork]:
    """A living worker; it answers nothing until its network is released."""
    network = HeldNetwork()
    with heartbeat(settings), lanes(settings, network, count=2):
        yield network


def classify(jobs: JobClient, settings: Settings, name: int = 0) -> str:
    """Have the picture of this name classified."""
    result = classify_one(jobs, bytes([name] * 3), f"{next(numbers):032x}", request_deadline(settings))
    return result.predictions[0].label


def accepts(jobs: JobClient, settings: Settings) -> bool:
    try:
        return classify(jobs, settings) == "label of 0"
    except ServiceUnavailable:
        return False
