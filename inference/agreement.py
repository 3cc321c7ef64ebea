"""How far a precision is off: a network's answers to a few pictures, compared with those in float32."""

import itertools
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

import numpy as np
import orjson

from helpers import Crop, ImageShape
from inference.engine import Pixels, Run
from inference.model_cache import ModelCache
from inference.precision import Precision
from logger import log
from pictures.decoding import DecodingOptions, decode_image
from pictures.limits import Limits
from project import PROJECT_DIR

SAMPLE = PROJECT_DIR / "castle_image.jpg"
# Not the service's own, which may be too small for the sample.
SAMPLE_LIMITS = Limits(max_pixels=1_000_000, max_side=1_000)
AGREEMENT_FILE = "agreement.json"


@dataclass(frozen=True)
class Agreement:
    """How close a network's answers are to float32.

    Attributes:
        pictures: the number of pictures that both classified.
        same_top: for how many of these both put the same class first.
        largest_difference: between two probabilities of the same class for the same picture, 0 to 1.
    """

    pictures: int
    same_top: int
    largest_difference: float

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote."""
        return cls(**orjson.loads((folder / AGREEMENT_FILE).read_bytes()))

    def save(self, folder: Path) -> None:
        """Write it into a folder.

        Raises:
            OSError: it cannot be written.
        """
        (folder / AGREEMENT_FILE).write_bytes(orjson.dumps(self))

    def log(self, precision: Precision) -> None:
        """Log it."""
        log("precision_agreement", precision=precision, **asdict(self))


def compare(exact: Run, near: Run, pictures: Pixels) -> Agreement:
    """Compare the answers to pictures (n, height, width, channels)."""
    same_top, largest = 0, 0.0
    for index in range(len(pictures)):
        one = pictures[index : index + 1]
        expected, actual = exact(one)[0], near(one)[0]
        same_top += int(expected.argmax() == actual.argmax())
        largest = max(largest, float(abs(expected - actual).max()))
    return Agreement(len(pictures), same_top, largest)


def log_agreement(
    graph: str, precision: Precision, shape: ImageShape, cache: ModelCache, load_exact: Callable[[], Run], near: Run
) -> None:
    """Log how far a network is off on the sample pictures; if that cannot be measured, the log says why.

    Args:
        graph: identifies the network; the agreement is measured once and kept in the cache.
        precision: in which `near` computes.
        shape: of a picture.
        cache: where it is kept.
        load_exact: loads the network in float32.
        near: the network that is to be used.
    """

    def make(folder: Path) -> None:
        compare(load_exact(), near, sample_pictures(shape)).save(folder)

    try:
        Agreement.load(cache.get(f"{graph}-{precision}-agreement", make)).log(precision)
    except Exception as error:  # engines raise almost anything, and a measurement is not worth a worker
        log("precision_not_compared", level="warning", precision=precision, error=error)


def sample_pictures(shape: ImageShape) -> Pixels:
    """Return the picture that comes with the project, whole and in nine overlapping parts."""
    height, width, _ = shape
    large = _decode(ImageShape(2 * height, 2 * width, shape.channels))
    corners = itertools.product((0, height // 2, height), (0, width // 2, width))
    return np.stack([_decode(shape), *(large[y : y + height, x : x + width] for y, x in corners)])


def _decode(shape: ImageShape) -> Pixels:
    pixels = decode_image(SAMPLE.read_bytes(), DecodingOptions(shape, Crop("squash"), SAMPLE_LIMITS))
    return np.frombuffer(pixels, np.uint8).reshape(shape)
