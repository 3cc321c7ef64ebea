"""The base of the benchmark's parts: steps that the progress bar counts, then rows and details."""

import io
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar

from PIL import Image

from benchmarks.bench.closed_loop import Round
from benchmarks.bench.networks_measured import Network, measured_network
from benchmarks.bench.pace import Pace
from benchmarks.bench.row import Row
from benchmarks.fleet import Fleet
from project import PROJECT_DIR

CASTLE = PROJECT_DIR / "castle_image.jpg"
JPEG_QUALITY = 90


def castle_of(size: tuple[int, int]) -> bytes:
    """Return the castle as a JPEG of another size, width and height in pixels."""
    buffer = io.BytesIO()
    with Image.open(CASTLE) as image:
        image.resize(size).save(buffer, "JPEG", quality=JPEG_QUALITY)
    return buffer.getvalue()


@dataclass(frozen=True)
class Step:
    """A few seconds of work, and its name for the progress bar."""

    what: str
    run: Callable[[], object]


class Part(ABC):
    """One part. Its steps run in order within `stack`, which is closed before the results are read.

    Args:
        pace: the number and length of its rounds.
        cache: where networks are kept between runs.
        scratch: for everything else that is written.
    """

    name: ClassVar[str]

    def __init__(self, pace: Pace, cache: Path, scratch: Path) -> None:
        self.pace = pace
        self.stack = ExitStack()
        self._cache = cache
        self._scratch = scratch
        self.castle = CASTLE.read_bytes()

    @abstractmethod
    def steps(self) -> list[Step]:
        """Return the steps of this part."""

    @abstractmethod
    def rounds(self) -> list[Round]:
        """Return all rounds of requests to the service."""

    @abstractmethod
    def rows(self) -> list[Row]:
        """Return the targets and the measured values."""

    @abstractmethod
    def details(self) -> dict[str, Any]:
        """Return all measurements, for the JSON file and the plot."""

    def network(self, name: str) -> Network:
        """Return a network to serve."""
        return measured_network(name, self._cache)

    def start(self, kind: type[Fleet], values: Mapping[str, object], workers: int = 1) -> Fleet:
        """Start one web server and some workers, which run until the end of the part."""
        folder = self._scratch / f"{self.name}-{len(list(self._scratch.iterdir()))}"
        folder.mkdir()
        return self.stack.enter_context(kind(folder, 1, workers, **values))


def as_dicts(rounds: list[Any]) -> list[dict[str, Any]]:
    """Return dataclasses for JSON."""
    return [asdict(each) for each in rounds]
