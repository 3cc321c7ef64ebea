"""A network as one Keras graph, from uint8 pixels to probabilities, and the hash that identifies it."""

import hashlib
import json
from importlib.metadata import version
from typing import Any

from helpers import ImageShape
from inference.networks import ModelError, Network
from settings import Settings

# Incremented whenever the graph that is built here changes, so that exported copies of it are made anew.
GRAPH_VERSION = 1


def build_graph(network: Network, settings: Settings) -> Any:
    """Load the network and put the preprocessing in front of it.

    Returns:
        the Keras model: uint8 pixels (n, height, width, channels) in, probabilities (n, classes) out.

    Raises:
        ModelError: it cannot be loaded, or takes other pictures than IMAGE_WIDTH, IMAGE_HEIGHT and IMAGE_CHANS say.
    """
    import keras

    try:
        model = network.load()
    except Exception as error:  # Keras and h5py raise almost anything on a file that is not what it should be
        raise ModelError(f"{network.file} cannot be loaded: {type(error).__name__}: {error}") from error
    _check_shapes(model, settings.image_shape)
    pixels = keras.Input(settings.image_shape, dtype="uint8")
    return keras.Model(pixels, model(_preprocess(keras.ops.cast(pixels, "float32"), network.preprocess)))


def fingerprint(network: Network, settings: Settings) -> str:
    """Return a hash of all that decides the graph."""
    made_by = [GRAPH_VERSION, *(f"{name} {version(name)}" for name in ("keras", "openvino"))]
    parts = [network.name, network.preprocess, settings.image_shape, made_by]
    digest = hashlib.sha256(json.dumps(parts).encode())
    with network.file.open("rb") as file:
        digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()[:16]


def cache_name(network: Network, settings: Settings) -> str:
    """Return the name under which what is made from the network is kept."""
    return f"{network.name}-{fingerprint(network, settings)}"


def _check_shapes(model: Any, shape: ImageShape) -> None:
    if len(model.inputs) != 1 or len(model.outputs) != 1 or len(model.outputs[0].shape) != 2:
        raise ModelError("the network must have one input, a picture, and one output, a probability for each class")
    accepted = tuple(model.inputs[0].shape[1:])
    if len(accepted) != 3 or any(size not in (None, given) for size, given in zip(accepted, shape, strict=True)):
        raise ModelError(
            f"the network takes pictures of height, width, channels {accepted}, but IMAGE_HEIGHT, IMAGE_WIDTH, "
            f"IMAGE_CHANS are {tuple(shape)}"
        )


def _preprocess(pixels: Any, mode: str) -> Any:
    from keras.applications import imagenet_utils

    if mode == "none":
        return pixels
    if mode == "lite":
        return (pixels - 127.0) / 128.0
    return imagenet_utils.preprocess_input(pixels, mode=mode)
