"""What all services that are compared have in common: each starts, listens on loopback, and stops."""

import uuid
from abc import ABC, abstractmethod
from pathlib import Path
from types import TracebackType
from typing import Self

from benchmarks.bench.networks_measured import Network
from benchmarks.compare.body_sender import BodySender
from clients.report import GOOD

# Ray takes half a minute on a busy machine.
START_TIMEOUT_S = 180
PROBE_TIMEOUT_S = 10


class NotStarted(Exception):
    """A service did not come up."""


class Contender(ABC):
    """One service; to be used with `with`, which starts it and waits until it has classified a picture.

    Args:
        network: what it serves.
        precision: "default", the service's own choice, or "float32".
        picture: the first one that it classifies.
        folder: for logs.
    """

    name: str

    def __init__(self, network: Network, precision: str, picture: bytes, folder: Path) -> None:
        self.network = network
        self.precision = precision
        self.folder = folder / uuid.uuid4().hex
        self._picture = picture

    @abstractmethod
    def __enter__(self) -> Self: ...

    @abstractmethod
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None: ...

    @property
    @abstractmethod
    def url(self) -> str:
        """Where pictures go."""

    @abstractmethod
    def cpu_seconds(self) -> float:
        """Return the processor time of all its processes so far."""

    @abstractmethod
    def kill_computing(self) -> None:
        """Kill a process that computes."""

    @abstractmethod
    def revive(self) -> None:
        """Do what whoever supervises the service would do: start again what has ended."""

    def answers(self) -> bool:
        """Tell whether a picture is classified."""
        with BodySender(self.url, self._picture, PROBE_TIMEOUT_S) as sender:
            return sender.request().outcome == GOOD
