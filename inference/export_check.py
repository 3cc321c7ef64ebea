"""Whether OpenVINO computes an exported network as TensorFlow does: it gets some layers wrong without a word."""

from collections.abc import Collection

import numpy as np

from helpers import ImageShape
from inference.agreement import sample_pictures
from inference.engine import Pixels, Run
from inference.networks import ModelError

# In float32 both agree within 0.0001, and what they compute differently was off by 0.05 and more. A network that was
# trained in fewer bits is rounded by TensorFlow only: EfficientNet-Lite0 differed by up to 0.003 in float16, and 0.03
# in bfloat16.
TOLERANCE = 0.01
TOLERANCES = {"f16": 0.02, "bf16": 0.1}


def check_export(exact: Run, near: Run, shape: ImageShape, formats: Collection[str]) -> None:
    """Compare the answers to a few pictures.

    Args:
        exact: the network in TensorFlow.
        near: the network in OpenVINO, in float32.
        shape: of a picture.
        formats: the numbers that the network contains, as OpenVINO names them.

    Raises:
        ModelError: they differ.
    """
    pictures = _pictures(shape)
    expected, actual = exact(pictures), near(pictures)
    finite = np.isfinite(expected).all(axis=1)
    difference = abs(expected - actual)[finite].max(initial=0)
    # Outputs that are no probabilities may be large; they are refused later, with a line that says what to set.
    scale = abs(expected[finite]).max(initial=1)
    # In this order, since NaN is refused as well.
    if not difference <= scale * max(TOLERANCES.get(name, TOLERANCE) for name in formats):
        raise ModelError(
            f"OpenVINO computes this network differently: probabilities are up to {difference:.2g} apart from those of "
            "TensorFlow; use ENGINE=tensorflow"
        )


def _pictures(shape: ImageShape) -> Pixels:
    """Return photographs, random patches of several sizes down to single pixels, and a gradient."""
    height, width, channels = shape
    random = np.random.default_rng(0)

    def patches(count: int) -> Pixels:
        colours = random.integers(0, 256, (count, count, channels), np.uint8)
        return colours[np.ix_(np.arange(height) * count // height, np.arange(width) * count // width)]

    gradient = np.broadcast_to(np.linspace(0, 255, width, dtype=np.uint8)[:, np.newaxis], shape)
    return np.stack([*sample_pictures(shape)[:2], patches(1), patches(4), patches(max(height, width)), gradient])
