"""Networks by the name that Keras gives them: with its sizes, preprocessing and weights."""

import importlib
import inspect
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from inference import keras_network
from inference.classifier import load_classifier
from inference.networks import ModelError, resolve_network
from keras_networks import KERAS_NETWORKS, WeightsFile
from settings import Settings, load_settings
from tests.conftest import MakeSettings

# Of those that are built fast; their files are named in different ways.
ONE_OF_EACH_KIND = [
    "ConvNeXtTiny",
    "EfficientNetB0",
    "EfficientNetV2B0",
    "MobileNet",
    "MobileNetV2",
    "MobileNetV3Small",
    "NASNetMobile",
    "ResNet50V2",
]


class Asked(Exception):
    """What Keras wanted to know."""


def module_of(name: str) -> Any:
    import keras

    return importlib.import_module(getattr(keras.applications, name).__module__)


def save_random_weights(name: str, home: Path) -> None:
    """Put random weights where Keras keeps a network's, in the format of the published files."""
    import h5py
    import keras
    from keras.src.legacy.saving import legacy_h5_format

    size, _, weights = KERAS_NETWORKS[name]
    keras.utils.set_random_seed(1)
    model = getattr(keras.applications, name)(weights=None, input_shape=(size, size, 3))
    (home / "models").mkdir(parents=True, exist_ok=True)
    with h5py.File(home / "models" / weights.name, "w") as file:
        legacy_h5_format.save_weights_to_hdf5_group(file, model)


def test_every_classifier_of_keras_is_there() -> None:
    import keras

    assert set(KERAS_NETWORKS) == {name for name in dir(keras.applications) if name[0].isupper()}


@pytest.mark.parametrize("name", KERAS_NETWORKS)
def test_size_checksum_and_preprocessing_are_those_of_keras(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import keras

    def ask(*_: object, default_size: int, **__: object) -> None:
        raise Asked(default_size)

    size, preprocess, weights = KERAS_NETWORKS[name]
    module = module_of(name)
    # Those of the second version are in the module of the first.
    assert weights.checksum in inspect.getsource(module) + inspect.getsource(module_of("ResNet50"))
    pixels = np.random.default_rng(0).integers(0, 256, (1, 4, 4, 3)).astype(np.float32)
    expected = pixels
    if preprocess != "none":
        expected = keras.applications.imagenet_utils.preprocess_input(pixels.copy(), mode=preprocess)
    assert (module.preprocess_input(pixels.copy()) == expected).all()
    if not name.startswith("MobileNetV3"):  # which takes any size; its weights' names have 224
        monkeypatch.setattr("keras.src.applications.imagenet_utils.obtain_input_shape", ask)
        with pytest.raises(Asked, match=f"^{size}$"):
            getattr(keras.applications, name)(weights="imagenet", input_shape=(size, size, 3))


@pytest.mark.parametrize("name", ONE_OF_EACH_KIND)
def test_the_weights_are_the_file_that_keras_downloads(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import keras

    def ask(fname: str, origin: str, *, file_hash: str = "", **_: object) -> None:
        raise Asked(WeightsFile(fname, origin, file_hash))

    size, _, weights = KERAS_NETWORKS[name]
    monkeypatch.setattr("keras.src.utils.file_utils.get_file", ask)
    with pytest.raises(Asked) as asked:
        getattr(keras.applications, name)(weights="imagenet", input_shape=(size, size, 3))
    assert asked.value.args == (weights,)


@pytest.mark.parametrize("name", ["MobileNetV3Small", "EfficientNetB1"])
def test_a_network_is_served_by_its_name_from_the_cache_of_keras(
    name: str, make_settings: MakeSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    save_random_weights(name, tmp_path / "keras")
    settings = make_settings(model=f"keras:{name}", model_cache_dir=tmp_path / "cache", batch_size=1)
    classifier = load_classifier(settings)
    size = KERAS_NETWORKS[name].size
    assert (classifier.model, classifier.labels[483], str(settings.crop)) == (name, "castle", "center 0.875")
    assert classifier.engine.shape == settings.image_shape == (size, size, 3)
    pixels = np.random.default_rng(0).integers(0, 256, (2, size, size, 3), np.uint8)
    file = tmp_path / "keras" / "models" / KERAS_NETWORKS[name].weights.name
    prepared = module_of(name).preprocess_input(pixels.astype(np.float32))
    expected = np.asarray(keras_network.build(name, size, file)(prepared))
    assert abs(classifier.engine(pixels) - expected).max() < 1e-4


def test_efficientnet_keeps_the_layer_that_its_imagenet_weights_need(tmp_path: Path) -> None:
    save_random_weights("EfficientNetB0", tmp_path)
    file = tmp_path / "models" / KERAS_NETWORKS["EfficientNetB0"].weights.name
    layers = keras_network.build("EfficientNetB0", 224, file).layers
    assert sum(layer.name.startswith("rescaling") for layer in layers) == 2


def test_weights_that_cannot_be_had_are_told_with_the_place_for_them(
    make_settings: MakeSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")  # where nothing listens
    place = tmp_path / "models" / "vgg16_weights_tf_dim_ordering_tf_kernels.h5"
    with pytest.raises(ModelError, match=f"^MODEL=keras:VGG16: its ImageNet weights .*put the file at {place}"):
        resolve_network(make_settings(model="keras:VGG16"))


def test_an_unknown_name_is_answered_with_all_that_exist(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODEL", "keras:MobileNetV4")
    with pytest.raises(SystemExit) as stopped:
        load_settings()
    assert all(name in str(stopped.value) for name in KERAS_NETWORKS)


def test_the_size_is_the_networks_own_unless_it_is_set() -> None:
    def size(**changes: object) -> tuple[int, ...]:
        return Settings(_env_file=None, **changes).image_shape  # type: ignore[call-arg, arg-type]

    assert size() == (224, 224, 3)
    assert size(model="keras:InceptionV3") == (299, 299, 3)
    assert size(model="keras:InceptionV3", image_width=320) == (299, 320, 3)
