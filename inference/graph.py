"""A network as one Keras graph, from uint8 pixels to probabilities, and the hash that identifies it."""

import hashlib
import json
from importlib.metadata import version
from typing import Any

from helpers import ImageShape
from inference.keras_file import CannotLoad, one_line
from inference.networks import ModelError, Network, one_line_errors, reading
from settings import Settings

# Incremented whenever the graph that is built here changes, so that exported copies of it are made anew.
GRAPH_VERSION = 3


def build_graph(network: Network, settings: Settings) -> Any:
    """Load the network and put the preprocessing in front of it.

    Returns:
        the Keras model: uint8 pixels (n, height, width, channels) in, probabilities (n, classes) out.

    Raises:
        ModelError: it cannot be loaded or computed, or takes other pictures than the settings say.
    """
    import keras

    try:
        model = network.load()
    except CannotLoad as error:
        raise ModelError(f"{network.file} cannot be loaded: {error}") from error
    except Exception as error:  # Keras and h5py raise almost anything on weights that are not what they should be
        raise ModelError(f"{network.file} cannot be loaded: {one_line(error)}") from error
    _check_shapes(model, settings.image_shape)
    pixels = keras.Input(settings.image_shape, dtype="uint8")
    prepared = _preprocess(keras.ops.cast(pixels, "float32"), network.preprocess)
    with one_line_errors(f"{network.file} cannot be computed"):
        (outputs,) = keras.tree.flatten(model(prepared))
    return keras.Model(pixels, _probabilities(keras.ops.cast(outputs, "float32"), network.output))


def fingerprint(network: Network, settings: Settings) -> str:
    """Return a hash of all that decides the graph."""
    made_by = [GRAPH_VERSION, *(f"{name} {version(name)}" for name in ("keras", "openvino"))]
    parts = [network.name, network.preprocess, network.output, settings.image_shape, made_by]
    digest = hashlib.sha256(json.dumps(parts).encode())
    with reading(f"the weights' file {network.file}"), network.file.open("rb") as file:
        digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()[:16]


def cache_name(network: Network, settings: Settings) -> str:
    """Return the name under which what is made from the network is kept."""
    return f"{network.name}-{fingerprint(network, settings)}"


def check_unchanged(network: Network, settings: Settings, name: str) -> None:
    """Check that the file that has been loaded is the one that was hashed, seconds ago.

    Args:
        network: whose file it is.
        settings: of the graph.
        name: what `cache_name` gave before the network was loaded.

    Raises:
        ModelError: it has changed since.
    """
    if cache_name(network, settings) != name:
        raise ModelError(f"{network.file} changed while it was loaded; start again")


def _check_shapes(model: Any, shape: ImageShape) -> None:
    if not model.built:
        raise ModelError(
            "the network was saved before it was built, so without weights: begin it with keras.Input, and save it "
            "after its training"
        )
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

    if mode in ("caffe", "torch") and pixels.shape[-1] != 3:
        raise ModelError(f"PREPROCESS={mode} is for pictures in colour, but IMAGE_CHANS is 1; tf and unit are for both")
    if mode == "none":
        return pixels
    if mode == "unit":
        return pixels / 255.0
    if mode == "lite":
        return (pixels - 127.0) / 128.0
    return imagenet_utils.preprocess_input(pixels, mode=mode)


def _probabilities(outputs: Any, kind: str) -> Any:
    """Make a probability for each class of what the network gives; one output is that of the second of two classes."""
    from keras import ops

    single = outputs.shape[-1] == 1
    if kind == "sigmoid" or (kind == "logits" and single):  # which is the softmax of this logit and 0
        outputs = ops.sigmoid(outputs)
    elif kind == "logits":
        outputs = ops.softmax(outputs)
    return ops.concatenate([1 - outputs, outputs], axis=-1) if single else outputs
