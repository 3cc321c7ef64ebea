"""Builds a network of `keras.applications` with the weights in a file."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from helpers import ImageShape


def build(name: str, size: int, weights: Path) -> Any:
    """Return the Keras model: float pixels in, 1000 probabilities out."""
    import keras

    with _downloads_replaced_by(weights):
        # Not `weights=file`: with that, EfficientNet leaves out a layer that its ImageNet weights need.
        return getattr(keras.applications, name)(weights="imagenet", input_shape=ImageShape(size, size, 3))


@contextmanager
def _downloads_replaced_by(file: Path) -> Iterator[None]:
    """Have Keras take this file for any that it wants to download, whatever its checksum."""
    from keras.src.utils import file_utils

    original = file_utils.get_file
    file_utils.get_file = lambda *_, **__: str(file)
    try:
        yield
    finally:
        file_utils.get_file = original
