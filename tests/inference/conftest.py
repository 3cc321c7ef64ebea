"""Small networks of one's own, and how they are loaded."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from inference.classifier import Classifier, load_classifier
from tests.conftest import MakeSettings

SIDE = 8
PIXELS = bytes(range(SIDE * SIDE * 3))

MakeNetwork = Callable[..., Path]
Load = Callable[..., Classifier]


@pytest.fixture
def make_network(tmp_path: Path) -> MakeNetwork:
    """Saves a network whose outputs are sums of the mean colours, after some other layers."""

    def make(
        classes: int,
        activation: Any = None,
        *before: Any,
        scale: float = 1 / 255,
        suffix: str = ".keras",
        dtype: str = "float32",
        quantize: str | None = None,
    ) -> Path:
        import keras

        keras.utils.set_random_seed(1)
        pixels = x = keras.Input((SIDE, SIDE, 3))
        for layer in before:
            x = layer(x)
        classify = keras.layers.Dense(classes, activation=activation, dtype=dtype)
        outputs = classify(keras.layers.GlobalAveragePooling2D()(x))
        # Of both signs, and far enough apart that the sample pictures make a difference.
        weights = np.linspace(-20, 25, 3 * classes).reshape(3, classes) * np.array([[1], [-2], [1]])
        classify.set_weights([weights * scale, np.zeros(classes)])
        if quantize:
            classify.quantize(quantize)
        file = tmp_path / f"own{suffix}"
        keras.Model(pixels, outputs).save(file)
        return file

    return make


@pytest.fixture
def load(make_settings: MakeSettings, tmp_path: Path) -> Load:
    def load(file: Path, **changes: object) -> Classifier:
        size = {"image_width": SIDE, "image_height": SIDE}
        common = {"model": str(file), "model_cache_dir": tmp_path / "cache", "batch_size": 1, "engine": "tensorflow"}
        return load_classifier(make_settings(**(common | size | changes)))

    return load


def outputs_of(file: Path, pixels: Any) -> Any:
    import keras

    return np.asarray(keras.models.load_model(file)(pixels.astype(np.float32)))
